"""A launcher of its own process, to be killed: starts the script of its second argument and waits.

``python doomed_launcher.py SESSION_FOLDER CODE``
"""

import sys
from pathlib import Path

from opticstream.rig.engine import ProcessEngine
from support.acquisition import script_command

if __name__ == "__main__":
    running = ProcessEngine(script_command(sys.argv[2]), session_folder=Path(sys.argv[1])).start()
    print(running.pid, flush=True)
    running.wait()
