"""A raw folder with the odds and ends that real ones have."""

import os
from pathlib import Path

import numpy as np


def raw_folder(folder: Path, *, files: int = 3, size: int = 100_000, seed: int = 1) -> Path:
    """Write spool files of random bytes, small text files, a subfolder and an empty folder; times of last year."""
    random = np.random.default_rng(seed)
    contents = {f"{str(index)[::-1]:0<10}spool.dat": random.bytes(size + index) for index in range(files)}
    contents |= {
        "Spooled files.sifx": b"",
        "acquisitionmetadata.ini": b"\xef\xbb\xbf[data]\r\n",
        "notes/ä 脳\n.txt": b"x",
    }
    for index, (name, content) in enumerate(contents.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, ns=(1_700_000_000_000_000_000 + index * 100, 1_700_000_000_000_000_000 + index * 100))
    (folder / "notes" / "empty").mkdir()
    return folder
