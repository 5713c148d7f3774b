"""What an error of MATLAB's means for the acquisition."""

from opticstream.rig.engine.matlab_call import Stage

LOST_TYPES = ("EngineError", "RejectedExecutionError", "ConnectionError")
"""Names of the exceptions that say that the engine is gone; their module cannot be imported without MATLAB."""

_LOST = ("engine has terminated", "connection lost", "engine closed", "invalid matlab engine")
_WINDOW = ("slap2:matlablauncher:uiunavailable", "launcher ui was closed", "completionnotconfirmed")
_COMPLETED = ("slap2_launcher_completed", "completionnotconfirmed")


def can_be_resumed(text: str, error: BaseException | None = None) -> bool:
    """Say whether MATLAB or its launcher window was lost; any other error is the entry point's own.

    Args:
        text: what the error says.
        error: the exception it came as; those of the engine's own kinds are a loss whatever they say.
    """
    if error is not None and any(kind.__name__ in LOST_TYPES for kind in type(error).__mro__):
        return True
    lower = text.lower()
    return any(words in lower for words in _LOST + _WINDOW)


def resume_stage(text: str) -> Stage:
    """Return where the resumed call goes on: an acquisition that only lacks its confirmation is not made again."""
    lower = text.lower()
    return "completion" if any(words in lower for words in _COMPLETED) else "start"
