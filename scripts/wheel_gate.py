"""Check types or imports of the package as it is shipped: no checker sees through the editable install's import hook.

``python scripts/wheel_gate.py [types] [imports]``
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WHEEL = ROOT / "build" / "wheel"


def build() -> None:
    """Install the wheel's content into ``build/wheel``; what an earlier build left would be shipped again."""
    for folder in (WHEEL, ROOT / "build" / "lib"):
        shutil.rmtree(folder, ignore_errors=True)
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--target", str(WHEEL)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(ROOT)], check=True)


def types() -> list[str]:
    """Return the command that checks types, strictly."""
    return [
        *(sys.executable, "-m", "mypy", "--package", "opticstream", "--python-executable", sys.executable),
        *("--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".mypy_cache")),
    ]


def imports() -> list[str]:
    """Return the command that checks who imports whom."""
    return [
        *(str(Path(sys.executable).with_name("lint-imports")), "--config", str(ROOT / "pyproject.toml")),
        *("--cache-dir", str(ROOT / ".import_linter_cache"), "--no-logo"),
    ]


GATES = {"types": types, "imports": imports}


def main(names: list[str]) -> int:
    """Run the named gates on one build; return 1 if any found something."""
    if not names or not set(names) <= set(GATES):
        sys.exit(f"expected one or more of {', '.join(GATES)}, got {' '.join(names) or 'nothing'}")
    build()
    environment = os.environ | {"PYTHONPATH": str(WHEEL)}
    codes = [subprocess.run(GATES[name](), cwd=WHEEL, env=environment, check=False).returncode for name in names]
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
