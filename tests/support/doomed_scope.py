"""A scope whose own process is to be killed; run as a script: folder of the recording, folder of running scopes."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from opticstream.scope.managers.simulated_focus_motor import SimulatedFocusMotor
    from support.running_scope import make_scope

    scope = make_scope(Path(sys.argv[1]), name="doomed")
    scope.add_hardware(SimulatedFocusMotor())
    scope.runtime_folder = Path(sys.argv[2])
    scope.start()
