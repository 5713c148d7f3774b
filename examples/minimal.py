"""The smallest experiment: says where its data goes, counts a few trials, and writes them there.

Arguments: number of trials; exit code, to see what a failed session looks like.
"""

import csv
import os
import sys
import time
from pathlib import Path


def main() -> int:
    """Run the trials; return the exit code."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    code = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    folder = Path(os.environ.get("OUTPUT_FOLDER", "."))
    with (folder / "trials.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["trial", "seconds"])
        began = time.monotonic()
        for trial in range(1, trials + 1):
            time.sleep(0.1)
            table.writerow([trial, round(time.monotonic() - began, 3)])
            print(f"trial {trial} of {trials}", flush=True)
    if code:
        print("the experiment gives up", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
