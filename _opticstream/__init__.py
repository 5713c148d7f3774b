"""opticstream: a lab's acquisition, from the press of Start to processed, verified, archived data."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str


def __getattr__(name: str) -> Any:
    # Looking it up takes tens of milliseconds, which each process of a scope would pay and none of them wants.
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return globals().setdefault(name, version("opticstream"))
