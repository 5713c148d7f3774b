"""Converts a strip in a process of its own, to be killed, to run out of room, or to have its memory measured.

``python convert_child.py STRIP OUT KERNELS [pause]``; with ``pause`` it asks standard input for a line before each step.
"""

import json
import sys
from pathlib import Path

from opticstream.core.lsm_config import ZarrOptions
from opticstream.imaging.lsm import convert_strip, open_spool, warm_strip_kernels


def peak_mb() -> float:
    """Return the largest resident memory of this process; Linux only."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def main(strip: Path, out: Path, kernels: Path, *more: str) -> None:
    warm_strip_kernels(kernels)

    def progress(done: int, _total: int) -> None:
        if "pause" in more:
            sys.stdin.readline()
        print(done, flush=True)

    record = convert_strip(
        open_spool(strip), out / "s.ome.zarr", mip=out / "mip.tiff", options=ZarrOptions(), voxel_size_um=(1, 1, 1),
        name="s", checksum="xxh3", workers=2, progress=progress, slab_bytes=(1 << 20) if "pause" in more else 33 << 20,
    )  # fmt: skip
    print(json.dumps({"peak_mb": peak_mb(), "levels": record.levels, "bytes": record.raw_bytes}))


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]), *sys.argv[4:])
