"""Methods that say which commands they answer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from opticstream.scope.ipc.command import Command, Delivery

_MARK = "__ipc_commands__"
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Registration:
    """What a method has been registered for."""

    command: type[Command]
    delivery: Delivery = Delivery.DIRECT
    target: str | None = None


def register_ipc_command(
    command: type[Command], delivery: Delivery | str = Delivery.DIRECT, target: str | None = None
) -> Callable[[F], F]:
    """Make a method the handler of a command; the command's fields become its keyword arguments.

    Args:
        command: a frozen dataclass derived from :class:`Command`.
        delivery: to whom such commands go.
        target: name of the process that answers; by default the one whose class has the method.
    """

    def mark(method: F) -> F:
        found = (*getattr(method, _MARK, ()), Registration(command, Delivery(delivery), target))
        setattr(method, _MARK, found)
        return method

    return mark


def registrations(owner: object) -> dict[str, tuple[Registration, ...]]:
    """Return what an object's methods are registered for, by method name; a subclass's method hides its base's.

    A method that overrides one without registering anew answers what its base answered.
    """
    found: dict[str, tuple[Registration, ...]] = {}
    for kind in type(owner).__mro__:
        for name, method in vars(kind).items():
            marks = getattr(method, _MARK, ())
            if marks and name not in found:
                found[name] = marks
    return found
