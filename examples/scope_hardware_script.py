"""Raises the laser's power in three steps, and waits until the box says each."""

from scope_hardware import SetLaserPowerCommand

from opticstream.scope.scripting import SleepCommand, wait_until


def main(scope):
    """Yield the steps."""
    for power in (1.0, 2.0, 4.0):
        yield SetLaserPowerCommand(power)
        yield wait_until(lambda live, power=power: power in live.hardware("PressureLaserBox")[1:2], timeout=10)
        yield SleepCommand(0.2)
