"""How fast complex tiles are processed, and in how much memory, against the formulae in whole-array NumPy.

Run as ``python benchmarks/oct_complex.py [--small]``. Each measurement is a process of its own that takes a tile's
file as the flow does; kernel and NumPy take turns. Speed is MB of raw tile per CPU second, on one thread. Memory is
the peak of anonymous memory above what the process held before the tile (Linux only): the tile itself is mapped, so
what counts is the products and the scratch space.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from _emit import emit as result

from opticstream.imaging.nifti import map_nifti, write_nifti
from opticstream.imaging.oct_simulator import SimulationSpec, simulate_tile
from opticstream.imaging.psoct import TileOptions, process_complex_tile, warm_kernels
from opticstream.imaging.psoct.reference import reference_rows

emit = partial(result, "oct_complex")

_AGAINST = "the formulae in whole-array NumPy"
_STATUS = Path("/proc/self/status")


@contextmanager
def anonymous_peak() -> Iterator[Callable[[], int]]:
    """Sample the process's anonymous memory every millisecond; the function returns the peak above the start."""
    start = peak = anonymous_memory()
    ended = threading.Event()

    def sample() -> None:
        nonlocal peak
        while not ended.wait(0.001):
            peak = max(peak, anonymous_memory())

    sampler = threading.Thread(target=sample)
    sampler.start()
    yield lambda: peak - start
    ended.set()
    sampler.join()


def anonymous_memory() -> int:
    if not _STATUS.exists():
        return 0
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024


def one(backend: str, path: Path, cache: Path, threads: int) -> None:
    """Process the tile as the flow does, products written to disk, and print what it took."""
    warm_kernels(cache)
    with anonymous_peak() as peak:
        began, wall = time.process_time(), time.perf_counter()
        if backend == "numba":
            products = process_complex_tile(path, TileOptions(), backend="numba", threads=threads)
            made = [*products.volumes.values(), *products.enface.values()]
        else:
            raw = np.asarray(map_nifti(path))
            volumes, maps = reference_rows(raw, TileOptions())
            made = [*volumes, *maps]
        took, elapsed = time.process_time() - began, time.perf_counter() - wall
        for number, array in enumerate(made):
            write_nifti(path.with_suffix(f".{number}"), array, (0.01, 0.01, 0.0025), description="product")
    print(json.dumps({"cpu": took, "wall": elapsed, "peak": peak()}))


def run(backend: str, path: Path, cache: Path, threads: int = 1) -> dict[str, float]:
    command = [sys.executable, __file__, "--one", backend, str(path), str(cache), str(threads)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def main(shape: tuple[int, int, int], rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="opticstream-bench-") as name:
        folder = Path(name)
        path, cache = folder / "tile.nii", folder / "kernels"
        _, volume = simulate_tile(SimulationSpec(shape=shape), 1, 1)
        write_nifti(path, volume, (0.01, 0.01, 0.0025), description="tile")
        size = volume.nbytes
        del volume
        run("numba", path, cache)  # compiles
        turns = [(run("numba", path, cache), run("numpy", path, cache)) for _ in range(rounds)]
        both = run("numba", path, cache, threads=2)
    nx, ny, nz = shape
    case = f"{nx}x{ny}x{nz}, {size / 1e6:.0f} MB"
    own, plain = ([size / 1e6 / turn[which]["cpu"] for turn in turns] for which in (0, 1))
    ratio = statistics.median(a / b for a, b in zip(own, plain, strict=True))
    emit(case, "kernel, speed", round(statistics.median(own), 1), "MB/CPU-s", ratio=ratio, against=_AGAINST)
    emit(case, "NumPy, speed", round(statistics.median(plain), 1), "MB/CPU-s")
    emit(case, "kernel on 2 threads", round(size / 1e6 / both["wall"], 1), "MB/s")
    if _STATUS.exists():
        kernel, formulae = (max(turn[which]["peak"] for turn in turns) / size for which in (0, 1))
        threaded = both["peak"] / size
        memory = "peak anonymous memory"
        emit(case, f"kernel, {memory}", round(kernel, 3), "tiles", ratio=kernel / formulae, against=_AGAINST)
        emit(case, f"kernel on 2 threads, {memory}", round(threaded, 3), "tiles")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]), int(sys.argv[5]))
    elif "--small" in sys.argv[1:]:
        main((128, 64, 200), rounds=3)
    else:
        main((350, 350, 200), rounds=5)
