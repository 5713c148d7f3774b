"""Say in one line what is wrong with this Python, before a virtual environment is made with it."""

import importlib.util
import sys

if sys.version_info < (3, 11):  # noqa: UP036  an older one must still be able to say so
    sys.exit(
        f"opticstream needs Python 3.11 or newer, found {sys.version.split()[0]} ({sys.executable}).\n"
        "Install one and name it: make PYTHON=python3.12 ..."
    )
if any(importlib.util.find_spec(name) is None for name in ("venv", "ensurepip")):
    sys.exit(
        f"{sys.executable} cannot make virtual environments: venv and ensurepip were expected, not found.\n"
        "On Debian and Ubuntu: apt-get install python3-venv"
    )
