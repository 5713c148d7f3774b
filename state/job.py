"""What one deployment does for a project: stages of units of one level."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Job:
    """The part of a pipeline's work that one deployment does."""

    name: str
    """Tells a pipeline's jobs apart; empty for the one that takes what the watcher finds."""
    pipeline: str
    level: str
    stages: tuple[str, ...]
    """Stages its runs claim, in this order."""
    event: str
    """Its trigger."""
    flow: str
    """Name of the flow that takes the event's payload."""
    entrypoint: str
    """``module:function`` of that flow."""
    noun: str
    """What its units are called, for people: ``batches``."""
    direct_too: bool = False
    """Also units that a direct watcher works on: it does other stages of them."""

    @property
    def dispatches(self) -> tuple[str, ...]:
        """The ways of dispatch whose units are offered to it."""
        return ("event", "run", "direct") if self.direct_too else ("event", "run")

    def deployment(self, project: str) -> str:
        """Return the name of the project's deployment; ``prefect.yaml`` makes it in the same way."""
        return f"{self.pipeline}-{project}" + (f"-{self.name}" if self.name else "")
