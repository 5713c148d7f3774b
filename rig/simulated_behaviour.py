"""A simulated behaviour experiment: a mouse on a wheel, gratings, licks and rewards.

Run as a script (launcher ``python``); it stands in for a stimulus program where there is no rig. What it writes goes
to the folder that the environment variable ``OUTPUT_FOLDER`` names, which every launcher sets.
"""

import argparse
import csv
import math
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ORIENTATIONS_DEG = (0, 45, 90, 135)
_GO_DEG = 0
_SAMPLE_S = 0.05


def main(arguments: list[str] | None = None) -> int:
    """Run the experiment and return its exit code."""
    parser = argparse.ArgumentParser(description="A simulated behaviour experiment.")
    parser.add_argument("--trials", type=int, default=8, help="number of trials")
    parser.add_argument("--trial-s", type=float, default=0.5, help="length of a trial, seconds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fail-at", type=int, default=0, help="fail in this trial, counted from 1; 0: never")
    given = parser.parse_args(arguments)
    folder = Path(os.environ.get("OUTPUT_FOLDER", "."))
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(given.seed)
    began = time.monotonic()
    with (
        (folder / "trials.csv").open("w", newline="", encoding="utf-8") as trials,
        (folder / "running_speed.csv").open("w", newline="", encoding="utf-8") as wheel,
    ):
        table, trace = csv.writer(trials), csv.writer(wheel)
        table.writerow(["trial", "start_s", "orientation_deg", "licks", "rewarded"])
        trace.writerow(["time_s", "speed_cm_s"])
        for trial in range(1, given.trials + 1):
            if trial == given.fail_at:
                print(f"trial {trial}: the stimulus display does not answer", file=sys.stderr, flush=True)
                return 3
            start = time.monotonic() - began
            orientation = chance.choice(ORIENTATIONS_DEG)
            for moment, speed in _running(start, given.trial_s, chance):
                trace.writerow([f"{moment:.3f}", f"{speed:.2f}"])
                time.sleep(_SAMPLE_S)
            licks = sum(chance.random() < (0.7 if orientation == _GO_DEG else 0.2) for _ in range(4))
            rewarded = orientation == _GO_DEG and licks > 0
            table.writerow([trial, f"{start:.3f}", orientation, licks, int(rewarded)])
            trials.flush()
            word = "rewarded" if rewarded else "not rewarded"
            print(f"trial {trial} of {given.trials}: {orientation} deg, {licks} licks, {word}", flush=True)
    return 0


def _running(start_s: float, length_s: float, chance: random.Random) -> Iterator[tuple[float, float]]:
    """Yield moments and running speeds of one trial: bouts of running, with noise."""
    for sample in range(max(1, round(length_s / _SAMPLE_S))):
        moment = start_s + sample * _SAMPLE_S
        yield moment, max(0.0, 12 * math.sin(moment / 1.7) + chance.gauss(4, 1.5))


if __name__ == "__main__":
    sys.exit(main())
