"""Commands: what may be registered, where they go, what is wrong with them."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opticstream.scope.ipc import (
    Command,
    CommandConflictError,
    CommandRegistry,
    Delivery,
    IpcError,
    MissingCommandHandlerError,
    UnknownCommandError,
    register_ipc_command,
)


@dataclass(frozen=True)
class MoveCommand(Command):
    z: float = 0.0


@dataclass(frozen=True)
class LookCommand(Command):
    pass


@dataclass(frozen=True)
class HearCommand(Command):
    pass


@dataclass(frozen=True)
class TellCommand(Command):
    pass


class Stage:
    name = "Stage"

    @register_ipc_command(MoveCommand)
    def move(self, z: float) -> None:
        """Move."""

    @register_ipc_command(HearCommand, Delivery.BROADCAST)
    def hear(self) -> None:
        """Hear."""

    @register_ipc_command(TellCommand, "mag_scope", target="MagScope")
    def tell(self) -> None:
        """Tell."""


class Camera:
    name = "Camera"

    @register_ipc_command(LookCommand)
    def look(self) -> None:
        """Look."""

    @register_ipc_command(HearCommand, Delivery.BROADCAST)
    def hear(self) -> None:
        """Hear."""


class Quiet(Stage):
    name = "Quiet"

    def move(self, z: float) -> None:
        """Answer what the base answers."""

    def hear(self) -> None:
        """Hear less."""


@pytest.fixture
def registry() -> CommandRegistry:
    registry = CommandRegistry()
    registry.register_manager(Stage())
    registry.register_manager(Camera())
    return registry


def test_deliveries_and_where_they_go(registry):
    assert [str(one) for one in Delivery] == ["direct", "broadcast", "mag_scope"]
    direct, everyone, parent = (registry.route_for(kind) for kind in (MoveCommand, HearCommand, TellCommand))
    assert (direct.delivery, direct.target, direct.handler) == (Delivery.DIRECT, "Stage", "move")
    assert (everyone.delivery, everyone.handler) == (Delivery.BROADCAST, "hear")
    assert (parent.delivery, parent.target) == (Delivery.MAG_SCOPE, "MagScope")
    assert registry.route_for(MoveCommand(3.0)) == direct
    assert MoveCommand in registry and Command not in registry and len(list(registry)) == 4


def test_a_process_answers_its_own_and_every_broadcast(registry):
    assert registry.handlers_for_target("Stage") == {MoveCommand: "move", HearCommand: "hear"}
    assert registry.handlers_for_target("Camera") == {LookCommand: "look", HearCommand: "hear"}
    assert registry.handlers_for_target("nobody") == {HearCommand: "hear"}
    assert registry.command_for_handler("Camera", "hear") is HearCommand
    assert registry.handler_of(MoveCommand) == "move" and registry.handler_of(Command) is None
    for owner, handler in (("Camera", "move"), ("Stage", "hide")):
        with pytest.raises(UnknownCommandError, match=f"{owner}.{handler}"):
            registry.command_for_handler(owner, handler)


def test_a_method_that_overrides_answers_what_its_base_answered():
    registry = CommandRegistry()
    registry.register_manager(Quiet())
    assert registry.route_for(MoveCommand).target == "Quiet"
    assert registry.handlers_for_target("Quiet") == {MoveCommand: "move", HearCommand: "hear"}


def test_the_same_again_is_no_conflict(registry):
    before = list(registry)
    registry.register_manager(Stage())
    registry.register_object(Camera(), target="Camera")
    assert list(registry) == before


@pytest.mark.parametrize("kind", [int, MoveCommand(), "MoveCommand", None, type("Plain", (), {})])
def test_what_is_no_command(registry, kind):
    with pytest.raises(TypeError):
        registry.register(kind, handler="move", owner=Stage(), target="Stage")


def test_a_dataclass_that_is_no_command(registry):
    with pytest.raises(TypeError, match="derived from"):
        registry.register(dataclass(type("Loose", (), {})), handler="move", owner=Stage(), target="Stage")


def test_what_cannot_be_registered(registry):
    extra = dataclass(frozen=True)(type("ExtraCommand", (Command,), {}))
    with pytest.raises(ValueError, match="empty"):
        registry.register(extra, handler="move", owner=Stage(), target="")
    with pytest.raises(ValueError, match="carrier"):
        registry.register(extra, handler="move", owner=Stage(), target="Stage", delivery="carrier pigeon")
    with pytest.raises(MissingCommandHandlerError, match="Stage has no method fly"):
        registry.register(extra, handler="fly", owner=Stage(), target="Stage")
    with pytest.raises(CommandConflictError, match="already answers MoveCommand"):
        registry.register(extra, handler="move", owner=Stage(), target="Stage")
    assert extra not in registry


@pytest.mark.parametrize(
    "other",
    [{"handler": "hear"}, {"target": "Camera"}, {"delivery": Delivery.BROADCAST}, {"delivery": Delivery.MAG_SCOPE}],
)
def test_a_command_has_one_handler(registry, other):
    same = {"handler": "move", "owner": Stage(), "target": "Stage"}
    with pytest.raises(CommandConflictError, match="registered before"):
        registry.register(MoveCommand, **same | other)
    assert registry.route_for(MoveCommand).handler == "move"


def test_everything_is_there_before_the_start(registry):
    registry.validate_targets({"Stage": Stage(), "Camera": Camera()})
    with pytest.raises(MissingCommandHandlerError, match="no process Camera"):
        registry.validate_targets({"Stage": Stage()})
    deaf = type("Deaf", (), {})()
    with pytest.raises(MissingCommandHandlerError, match="Deaf has no method hear"):
        registry.validate_targets({"Stage": Stage(), "Camera": Camera(), "Deaf": deaf})
    with pytest.raises(MissingCommandHandlerError, match="Stage has no method move"):
        registry.validate_targets({"Stage": Camera(), "Camera": Camera()})


def test_commands_by_name(registry):
    assert registry.named("Move") is registry.named("MoveCommand") is MoveCommand
    with pytest.raises(UnknownCommandError, match="expected Move"):
        registry.named("Moev")
    with pytest.raises(UnknownCommandError, match="a registered one"):
        registry.named("☃")
    with pytest.raises(UnknownCommandError, match="nobody registered"):
        registry.route_for(Command())


def test_all_errors_are_of_one_kind():
    for kind in (MissingCommandHandlerError, CommandConflictError, UnknownCommandError):
        assert issubclass(kind, IpcError)


KINDS = [dataclass(frozen=True)(type(f"C{number}Command", (Command,), {})) for number in range(4)]
CALLS = st.tuples(
    st.sampled_from(KINDS), st.sampled_from(["a", "b"]), st.sampled_from(["P", "Q"]), st.sampled_from(list(Delivery))
)
OWNER = type("Owner", (), {"a": lambda self: None, "b": lambda self: None})()


@given(st.lists(CALLS, max_size=12))
def test_whatever_is_registered_the_registry_stays_clear(calls):
    """A command keeps its first route; no handler of a process answers two commands that are not broadcast."""
    registry = CommandRegistry()
    first = {}
    for kind, handler, target, delivery in calls:
        try:
            first.setdefault(
                kind, registry.register(kind, handler=handler, owner=OWNER, target=target, delivery=delivery)
            )
        except CommandConflictError:
            assert kind in first or any(spec.handler == handler for spec in first.values())
    assert {spec.command: spec for spec in registry} == first
    single = [(one.target, one.handler) for one in registry if one.delivery is not Delivery.BROADCAST]
    assert len(single) == len(set(single))
    for target in ("P", "Q"):
        for kind, handler in registry.handlers_for_target(target).items():
            assert first[kind].handler == handler
            assert first[kind].target == target or first[kind].delivery is Delivery.BROADCAST
