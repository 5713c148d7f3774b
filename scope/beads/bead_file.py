"""Files that say where beads are."""

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from opticstream.core.errors import BadFile
from opticstream.core.files import read_failed

_EXPECTED = "x and y of each bead, px"


def read_bead_file(path: Path | str) -> NDArray[np.float64]:
    """Return the middles of beads, x and y, px, 0 is the middle of the first pixel; (n, 2).

    A ``.csv`` file has one bead a line, ``x,y``, and may begin with a line of names, of which ``x`` and ``y`` are
    taken. A ``.json``, ``.yaml`` or ``.yml`` file holds a list, or a mapping with a list ``beads``, of pairs ``[x, y]``
    or mappings with ``x`` and ``y``.

    Raises:
        BadFile: it cannot be read, has another ending, or an entry (which is named) is no pair of finite numbers.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in {".csv", ".json", ".yaml", ".yml"}:
        raise BadFile(str(path), found=f"the ending {kind!r}", expected=".csv, .json, .yaml or .yml")
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise read_failed(path, error) from None
    except UnicodeDecodeError as error:
        raise BadFile(str(path), found=str(error), expected="UTF-8 text") from None
    rows = _lines(path, text) if kind == ".csv" else _entries(path, text, kind)
    places = [_pair(where, row) for where, row in rows]
    return np.array(places, np.float64).reshape(-1, 2)


def _lines(path: Path, text: str) -> Iterator[tuple[str, object]]:
    reader = csv.reader(io.StringIO(text))
    columns: tuple[int, int] | None = None
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if not any(cells) or cells[0].startswith("#"):
                continue
            names = [cell.lower() for cell in cells]
            if columns is None and "x" in names and "y" in names:
                columns = names.index("x"), names.index("y")
                continue
            columns = columns or (0, 1)
            yield f"{path}:{reader.line_num}", [cells[at] for at in columns if at < len(cells)]
    except csv.Error as error:
        raise BadFile(f"{path}:{reader.line_num}", found=str(error), expected="lines x,y") from None


def _entries(path: Path, text: str, kind: str) -> Iterator[tuple[str, object]]:
    try:
        found: Any = json.loads(text) if kind == ".json" else yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = " ".join(str(error).split())
        raise BadFile(str(path), found=problem, expected="JSON" if kind == ".json" else "YAML") from None
    beads = found.get("beads") if isinstance(found, Mapping) else found
    if not isinstance(beads, list):
        raise BadFile(str(path), found=f"{found!r:.80}", expected=f"a list with {_EXPECTED}")
    for number, entry in enumerate(beads):
        yield f"{path}: bead {number}", [entry.get("x"), entry.get("y")] if isinstance(entry, Mapping) else entry


def _pair(where: str, row: object) -> tuple[float, float]:
    try:
        if isinstance(row, Sequence) and not isinstance(row, str) and not any(isinstance(cell, bool) for cell in row):
            x, y = (float(cell) for cell in row)
            if math.isfinite(x) and math.isfinite(y):
                return x, y
    except (TypeError, ValueError, OverflowError):
        pass
    raise BadFile(where, found=f"{row!r:.80}", expected=_EXPECTED)
