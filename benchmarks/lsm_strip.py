"""How fast a strip is converted, against what its parts cost alone and against the plain way.

Run as ``python benchmarks/lsm_strip.py [--small]``. Each measurement is a process of its own, ways compared take turns,
and CPU time decides, since a shared machine's clock says little. The strip (512 MB) has smooth structures with the
noise of photons on an offset of 100 counts; its files are in the system's cache.

- *Own*: OME-Zarr 0.5 with its pyramid, projection, and checksums where said, from one read, by two workers. With one
  worker the CPU time can be held against that of the others, which use one thread: two that share a core's units or
  the memory's width take more of it for the same work.
- *Plain*: zarr-python writes the full resolution with its defaults, a second pass over the raw files makes the
  projection, a third the checksums. Once without the pyramid, so that it does less than the package, and once with
  it, from what is in memory.
- *Ceiling*: each part of the work alone on one slab (read, transpose with projection and halving, compression of all
  levels, checksums, write), on one thread, summed: what is left is the cost of putting them together.
"""

import hashlib
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import xxhash
import zarr
from _emit import emit as result
from _measure import STATUS, run, speed

from opticstream.core.lsm_config import Checksum, ZarrOptions
from opticstream.core.settings import load_settings
from opticstream.imaging.lsm import convert_strip, open_spool, verify_strip, warm_strip_kernels
from opticstream.imaging.lsm.spool import METADATA, spool_name
from opticstream.imaging.omezarr.chunk_place import LevelBuffer, places
from opticstream.imaging.omezarr.codec import BLOSC_OVERHEAD, ChunkCodec
from opticstream.imaging.omezarr.halving import gather_chunk
from opticstream.imaging.omezarr.levels import plan_levels, slab_width

emit = partial(result, "lsm_strip")

_PLAIN = "zarr-python with its defaults, further passes for projection and checksum"
_FILE_FRAMES = 16
_DIFFERENT_FRAMES = 128


def write_strip(folder: Path, rows: int, columns: int, frames: int) -> None:
    """Write a strip like tissue; what differs repeats every 128 frames, farther apart than any compressor looks."""
    rng = np.random.default_rng(7)
    z, y, x = (np.arange(n)[:, None, None] for n in (_DIFFERENT_FRAMES, rows, columns))
    y, x = y.reshape(1, -1, 1), x.reshape(1, 1, -1)
    waves = sum(
        np.sin(2 * np.pi * (a * z + b * y + c * x) / 256 + d)
        for a, b, c, d in rng.uniform((0.5, 0.5, 0.5, 0), (4, 4, 4, 6), (6, 4))
    )
    signal = (30 + 25 * np.clip(waves, 0, None) ** 2).astype(np.float32)
    stored = np.full((_DIFFERENT_FRAMES, rows + 2, columns), 0xFFFF, "<u2")
    for frame in range(_DIFFERENT_FRAMES):
        stored[frame, :rows] = 100 + rng.poisson(signal[frame]) + rng.normal(0, 2, signal[frame].shape)
    for index in range(frames // _FILE_FRAMES):
        start = index * _FILE_FRAMES % _DIFFERENT_FRAMES
        (folder / spool_name(index)).write_bytes(stored[start : start + _FILE_FRAMES].tobytes())
    (folder / "Spooled files.sifx").touch()
    stride = 2 * columns
    lines = [
        *("[data]", f"AOIHeight = {rows}", f"AOIWidth = {columns}", f"AOIStride = {stride}", "PixelEncoding = Mono16"),
        *(f"ImageSizeBytes = {(rows + 2) * stride}", "[multiimage]", f"ImagesPerFile = {_FILE_FRAMES}"),
    ]
    (folder / METADATA).write_text("\n".join(lines))


def own(folder: Path, checksum: Checksum, options: ZarrOptions, workers: int = 2) -> dict[str, float]:
    """Convert with the package; the CPU time is that of the whole process."""
    strip = open_spool(folder)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        out = Path(name)
        records = []
        took = speed(
            lambda: records.append(
                convert_strip(
                    strip, out / "s.zarr", mip=out / "mip.tiff", options=options, voxel_size_um=(1, 1, 1), name="s",
                    checksum=checksum, workers=workers,
                )
            )
        )  # fmt: skip
        record = records[0]
        took |= {"ratio": record.ratio, "files": record.zarr_files + 1}
        took["peak"] = _peak()
        verified = speed(lambda: records.append(verify_strip(out / "s.zarr", out / "mip.tiff", record)))
        assert records[1].verified
    return took | {"verify cpu": verified["cpu"], "verify wall": verified["wall"]}


def _peak() -> float:
    """Return the most memory this process has held, bytes; 0 where the system does not say."""
    lines = STATUS.read_text().splitlines() if STATUS.exists() else []
    return max((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), default=0)


def plain(folder: Path, checksum: Checksum, *, pyramid: bool = False) -> dict[str, float]:
    """Convert as one would with the libraries alone."""
    strip = open_spool(folder)
    shape = (-1, strip.padded_rows, strip.format.stride_pixels)

    def frames_of(path: Path) -> Any:
        return np.fromfile(path, strip.dtype).reshape(shape)[:, : strip.rows, : strip.columns]

    def work(out: Path) -> None:
        array = zarr.create_array(out / "s.zarr", shape=strip.shape, chunks=(128, 128, 128), dtype=strip.dtype)
        coarse = [
            zarr.create_array(
                out / f"{index}.zarr", shape=[length >> index for length in strip.shape],
                chunks=(128, 128, 128 >> index), dtype=strip.dtype,
            )
            for index in range(1, 4 if pyramid else 1)
        ]  # fmt: skip
        files, together = [file.path for file in strip.files], _DIFFERENT_FRAMES // _FILE_FRAMES
        for start in range(0, len(files), together):
            frames = np.concatenate([frames_of(path) for path in files[start : start + together]])
            first = start * _FILE_FRAMES
            level = frames.transpose(1, 2, 0)
            array[:, :, first : first + len(frames)] = level
            for index, coarser in enumerate(coarse, 1):
                z, y, x = (length // 2 for length in level.shape)
                level = np.rint(level.reshape(z, 2, y, 2, x, 2).mean(axis=(1, 3, 5))).astype(level.dtype)
                coarser[:, :, first >> index : (first >> index) + x] = level
        mip = np.concatenate([frames_of(path).max(axis=1) for path in files])
        tifffile.imwrite(out / "mip.tiff", mip.T)
        for path in files:
            if checksum == "sha256":
                hashlib.sha256(path.read_bytes()).hexdigest()

    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        took = speed(lambda: work(Path(name)))
        size = sum(path.stat().st_size for path in Path(name).rglob("*") if path.is_file())
    return took | {"ratio": strip.nbytes / size}


def parts(folder: Path, options: ZarrOptions) -> dict[str, float]:
    """Return CPU seconds per raw MB of each part of the work alone, measured on one slab, on one thread.

    Blosc uses threads of its own on the main thread, so another one measures.
    """
    measured: dict[str, float] = {}
    thread = threading.Thread(target=lambda: measured.update(_parts(folder, options)))
    thread.start()
    thread.join()
    return measured


def _best(work: Callable[[], object], rounds: int = 5) -> float:
    times = []
    for _ in range(rounds):
        began = time.thread_time()
        work()
        times.append(time.thread_time() - began)
    return min(times)


def _parts(folder: Path, options: ZarrOptions) -> dict[str, float]:
    strip = open_spool(folder)
    stored = strip.format
    width = slab_width(stored.frame_bytes, options)
    levels = plan_levels(strip.shape, width, options)
    raw = np.empty((width, stored.padded_rows, stored.stride_pixels), strip.dtype)
    view, files = raw.data.cast("B"), strip.files[: -(-width // _FILE_FRAMES)]

    def read() -> None:
        at = 0
        for file in files:
            with file.path.open("rb", buffering=0) as handle:
                at += handle.readinto(view[at : at + file.size])  # type: ignore[attr-defined]

    took = {"read": _best(read), "copy": _best(lambda: raw.copy())}
    above = LevelBuffer(levels[1], raw.dtype)
    above.begin(0)
    chunks = list(places(levels[0], width))
    chunk = np.empty(int(np.prod(levels[0].chunk)), raw.dtype)
    pixels = stored.padded_rows * stored.stride_pixels

    def gather(place: Any) -> None:
        gather_chunk(raw.reshape(-1), pixels, stored.stride_pixels, place, chunk, above.target(place, 0))

    took["transpose"] = _best(lambda: [gather(place) for place in chunks])
    codec = ChunkCodec(options, chunk.nbytes)
    buffer = np.empty(chunk.nbytes + BLOSC_OVERHEAD, np.uint8)
    encoded: list[bytes] = []
    took["compress"] = 0.0
    for place in chunks:
        gather(place)
        took["compress"] += _best(lambda: codec.encode_into(chunk, buffer), rounds=3)
        encoded.append(codec.encode(chunk))
    half = next(places(levels[1], width // 2))
    # Level 1 is half filled by one slab; the levels above it add a seventh of it again.
    halved = above.chunk(half).reshape(levels[1].chunk)[:, :, : width // 2].copy()
    halves = _best(lambda: codec.encode_into(halved, buffer))
    took["compress pyramid"] = halves * len(above.chunks) * 8 / 7
    written = b"".join(encoded)

    def write() -> None:
        with tempfile.TemporaryFile(dir=folder.parent, buffering=0) as file:
            for data in encoded:
                file.write(data)

    took["write"] = _best(write) * (1 + 1 / 7)
    took["xxh3 of products"] = _best(lambda: xxhash.xxh3_128_digest(written)) + _best(
        lambda: xxhash.xxh3_64_digest(view)
    )
    took["sha256"] = _best(lambda: hashlib.sha256(view).digest())
    began = time.perf_counter()
    with tempfile.TemporaryFile(dir=folder.parent, buffering=0) as file:
        file.write(written)
        os.fsync(file.fileno())
    took["disk"] = (time.perf_counter() - began) * raw.nbytes / len(written)
    return {name: seconds / (raw.nbytes / 1e6) for name, seconds in took.items()}


_LZ4 = ZarrOptions(codec="lz4")
WAYS: dict[str, Callable[[Path], dict[str, float]]] = {
    "own": lambda folder: own(folder, "none", ZarrOptions()),
    "own, XXH3": lambda folder: own(folder, "xxh3", ZarrOptions()),
    "own, SHA-256": lambda folder: own(folder, "sha256", ZarrOptions()),
    "own, one worker": lambda folder: own(folder, "none", ZarrOptions(), workers=1),
    "own, SHA-256, one worker": lambda folder: own(folder, "sha256", ZarrOptions(), workers=1),
    "own, lz4": lambda folder: own(folder, "none", _LZ4),
    "own, 0.4": lambda folder: own(folder, "none", ZarrOptions(ome_version="0.4")),
    "plain": lambda folder: plain(folder, "none"),
    "plain with pyramid": lambda folder: plain(folder, "none", pyramid=True),
    "plain, SHA-256": lambda folder: plain(folder, "sha256"),
    "parts": lambda folder: parts(folder, ZarrOptions()),
    "parts, lz4": lambda folder: parts(folder, _LZ4),
}


def main(shape: tuple[int, int, int], rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="opticstream-bench-") as name:
        folder = Path(name) / "Run1"
        folder.mkdir()
        rows, columns, frames = shape
        write_strip(folder, rows, columns, frames)
        megabytes = open_spool(folder).nbytes / 1e6
        case = f"{rows}x{columns}x{frames}, {megabytes:.0f} MB"
        turns = [{way: run(__file__, way, Path(name), [folder]) for way in WAYS} for _ in range(rounds)]
        report(case, megabytes, turns)


def report(case: str, megabytes: float, turns: list[dict[str, dict[str, float]]]) -> None:
    """Print medians over the turns; ratios are taken within each turn."""

    def median(way: str, key: str) -> float:
        return statistics.median(turn[way][key] for turn in turns)

    for part in turns[0]["parts"]:
        emit(case, f"{part} alone", round(1 / median("parts", part)), "MB/s" if part == "disk" else "MB/CPU-s")
    emit(case, "compress alone, lz4", round(1 / median("parts, lz4", "compress")), "MB/CPU-s")
    for way in (way for way in WAYS if not way.startswith("parts")):
        emit(case, way, round(megabytes / median(way, "wall"), 1), "MB/s")
        emit(case, f"{way}, compression", round(median(way, "ratio"), 3), "raw bytes per byte")
        against = "plain, SHA-256" if "SHA-256" in way else "plain"
        speed_of = round(megabytes / median(way, "cpu"), 1)
        if way.startswith("plain"):
            emit(case, f"{way}, CPU", speed_of, "MB/CPU-s")
            continue
        ratio = statistics.median(turn[against]["cpu"] / turn[way]["cpu"] for turn in turns)
        emit(case, f"{way}, CPU", speed_of, "MB/CPU-s", ratio=ratio, against=f"{_PLAIN} ({against})")
        if way in ("own", "own, one worker"):
            ratio = statistics.median(turn["plain with pyramid"]["cpu"] / turn[way]["cpu"] for turn in turns)
            emit(case, f"{way}, CPU", speed_of, "MB/CPU-s", ratio=ratio, against=f"{_PLAIN} (plain with pyramid)")
        emit(case, f"{way}, share of the ceiling", round(_share(turns, way, megabytes), 3), "of 1")
    emit(case, "own, peak memory in all", round(max(turn["own"]["peak"] for turn in turns) / 1e6), "MB")
    emit(case, "own, files", median("own", "files"), "files")
    emit(case, "verify", round(megabytes / median("own", "verify wall"), 1), "MB/s of raw data")
    emit(case, "verify, CPU", round(megabytes / median("own", "verify cpu"), 1), "MB/CPU-s of raw data")


def _share(turns: list[dict[str, dict[str, float]]], way: str, megabytes: float) -> float:
    """Return the CPU time of the parts alone over that of the whole, each at its least disturbed."""
    alone = "parts, lz4" if "lz4" in way else "parts"
    needed = {"read", "transpose", "compress", "compress pyramid", "write", "xxh3 of products"}
    needed |= {"sha256"} if "SHA-256" in way else set()
    least = sum(min(turn[alone][part] for turn in turns) for part in needed)
    return least * megabytes / min(turn[way]["cpu"] for turn in turns)


def one(what: str, folder: Path) -> dict[str, float]:
    """Measure one way in this process, after imports and warm-up."""
    warm_strip_kernels(load_settings().kernels)
    return WAYS[what](folder)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(one(sys.argv[2], Path(sys.argv[3]))))
    elif "--small" in sys.argv[1:]:
        main((256, 256, 256), rounds=2)
    else:
        main((256, 1024, 1024), rounds=3)
