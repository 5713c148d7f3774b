"""Tests of a hardware manager for pytest."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from opticstream.scope.ipc import Command
from opticstream.scope.managers.hardware import HardwareManagerBase
from opticstream.scope.testing.hardware_bench import HardwareBench, Rows


class HardwareConformance:
    """A test class for a hardware manager of one's own; all its tests share one running scope.

    In a file of tests::

    class TestMine(HardwareConformance):
        make = MyManager
        commands = (SetLaserPowerCommand(3.0),)

        def holds(self, rows):
            return rows[-1, 1] == 3.0
    """

    make: Callable[[], HardwareManagerBase]
    """Makes the manager."""
    commands: ClassVar[Sequence[Command]] = ()
    """What it is sent."""
    patience_s: ClassVar[float] = 60.0
    """How long anything is waited for, s."""
    _bench: ClassVar[HardwareBench]

    def holds(self, rows: Rows) -> object:
        """Return whether the rows, (n, columns), say what the commands asked for."""
        return True

    @classmethod
    def setup_class(cls) -> None:
        """Start the scope; the manager's `setup` is in this."""
        make: Any = cls.__dict__.get("make") or cls.make
        cls._bench = HardwareBench(getattr(make, "__func__", make), patience_s=cls.patience_s).__enter__()

    @classmethod
    def teardown_class(cls) -> None:
        """End the scope."""
        cls._bench.close()

    def test_rows_come_with_rising_times(self) -> None:
        """See `HardwareBench.fetches_rows`."""
        self._bench.fetches_rows()

    def test_rows_are_saved(self) -> None:
        """See `HardwareBench.saves_telemetry`."""
        self._bench.saves_telemetry()

    def test_commands_are_answered(self) -> None:
        """See `HardwareBench.answers`; a focus motor is also moved."""
        self._bench.moves()
        self._bench.answers(self.commands, self.holds)

    def test_it_goes_on_after_a_kill_and_is_let_go(self) -> None:
        """See `HardwareBench.survives_a_kill` and `HardwareBench.lets_go`; the last of the tests, since the scope ends with it."""
        self._bench.survives_a_kill()
        self._bench.saves_telemetry()
        self._bench.lets_go()
