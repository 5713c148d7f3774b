"""Where a script is."""

from enum import StrEnum


class ScriptStatus(StrEnum):
    """Status of the loaded script; the words are shown."""

    EMPTY = "Empty"
    LOADED = "Loaded"
    RUNNING = "Running"
    PAUSED = "Paused"
    FINISHED = "Finished"
    ERROR = "Error"
