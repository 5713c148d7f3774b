"""A device of one's own in a scope: a box with a laser and a pressure gauge.

``python examples/scope_hardware.py FOLDER`` runs a scope with it for ten seconds. FOLDER then has the tracks, the
box's values (``PressureLaserBox.txt``) and a plot of the pressure.
"""

import argparse
import math
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from opticstream.scope import ControlPanelBase, MagScope, TimeSeriesPlotBase
from opticstream.scope.acquisition import Acquisition
from opticstream.scope.hardware import HardwareManagerBase
from opticstream.scope.ipc import Command, register_ipc_command
from opticstream.scope.scripting import register_script_command

MOST_MW = 50.0


@dataclass(frozen=True)
class SetLaserPowerCommand(Command):
    """Set the laser's power."""

    power_mw: float


class SimulatedBox:
    """Stands for the driver of the device."""

    def __init__(self):
        self.power_mw = 0.0

    def read(self):
        """Return the laser's power, mW, and a pressure that swings about 1013 hPa."""
        return self.power_mw, 1013.0 + math.sin(time.time())


class PressureLaserBox(HardwareManagerBase):
    """Rows of time s, laser power mW, pressure hPa."""

    buffer_shape = (10_000, 3)
    loop_interval_s = 0.1

    def setup(self):
        """Connect at once; nobody else would."""
        self.connect()
        # What was set before the process died, if it did.
        self.box.power_mw = self.kept.get("power_mw", 0.0)

    def connect(self):
        """Open the device."""
        # Here, not in __init__: the manager is made in one process and sent to another.
        self.box = SimulatedBox()
        self._is_connected = True

    def disconnect(self):
        """Let it go."""
        self._is_connected = False

    def fetch(self):
        """Write what it says into the buffer."""
        if self._is_connected:
            self._buffer.write([[time.time(), *self.box.read()]])

    def telemetry_columns(self):
        """Return the title of the saved file."""
        return ["timestamp", "laser_mw", "pressure_hpa"]

    @register_ipc_command(SetLaserPowerCommand)
    @register_script_command(SetLaserPowerCommand)
    def set_laser_power(self, power_mw):
        """Set the laser's power, mW."""
        if not 0 <= power_mw <= MOST_MW:
            self.warn(f"the laser cannot have {power_mw:g} mW", f"0 to {MOST_MW:g} mW")
            return
        self.box.power_mw = power_mw
        self.keep(power_mw=power_mw)
        self.show("laser power", power_mw)


class PressurePlot(TimeSeriesPlotBase):
    """The pressure over time."""

    def __init__(self):
        super().__init__("PressureLaserBox", "Pressure (hPa)")

    def transform(self, rows):
        """Return the third column."""
        return rows[:, 2]


class LaserPanel(ControlPanelBase):
    """Shows what the box measures, and switches the laser."""

    def __init__(self, manager):
        super().__init__(manager, "Laser")

    def update(self):
        """Bring what is shown up to date."""
        rows = self.manager.shared.hardware_buffers["PressureLaserBox"].newest(1)
        if len(rows):
            self.set_value("power", round(float(rows[0, 1]), 2), "mW")
            self.set_value("pressure", round(float(rows[0, 2]), 2), "hPa")

    def switch_off(self):
        """Send the laser's command."""
        self.manager.send_ipc(SetLaserPowerCommand(0.0))


def make_scope(folder: Path) -> MagScope:
    """Return a scope with the box, its plot, its panel and a script, that saves into a folder."""
    scope = MagScope(name="hardware-example")
    scope.add_hardware(PressureLaserBox())
    scope.add_timeplot(PressurePlot())
    scope.add_control(LaserPanel, column=0)
    scope.first_beads = "auto"
    scope.script_manager.autostart = Path(__file__).with_name("scope_hardware_script.py")
    scope.begin_with(Acquisition(True, str(folder), True))
    return scope


def stop_after(scope: MagScope, seconds: float) -> None:
    """End a scope so long after all its processes have been set up; the first time, kernels are compiled before."""
    scope.up.wait()
    if not scope.over.wait(seconds):
        scope.request_stop("its time is over")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    scope = make_scope(arguments.folder.absolute())
    scope.kernel_cache = arguments.folder.absolute() / "kernels"
    threading.Thread(target=stop_after, args=(scope, arguments.seconds), daemon=True).start()
    scope.start()
    rows = np.loadtxt(arguments.folder / "PressureLaserBox.txt")
    print(f"{len(rows)} rows; laser up to {rows[:, 1].max():g} mW; {scope.outcome}")


if __name__ == "__main__":
    # The script imports the command from `scope_hardware`; run as a program this module would be a second one.
    from scope_hardware import main as run

    run()
