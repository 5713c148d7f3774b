"""The resource log as a picture."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from opticstream.core.errors import BadFile
from opticstream.core.files import atomic_file, read_failed
from opticstream.imaging.time_panels import BLUE, GREEN, ORANGE, TimeCurve, TimePanel, draw_time_panels, plot_columns

Sample = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Curve:
    label: str
    colour: tuple[int, int, int]
    value: Callable[[Sample], float | None]
    pick: Callable[[Sequence[float]], float] = max
    """Which of the values that share a pixel column is drawn."""


@dataclass(frozen=True, slots=True)
class _Panel:
    title: str
    unit: str
    curves: tuple[_Curve, ...]


def _at(*keys: str, factor: float = 1.0) -> Callable[[Sample], float | None]:
    def look(sample: Sample) -> float | None:
        value: Any = sample
        for key in keys:
            if not isinstance(value, Mapping):
                return None
            value = value.get(key)
        usable = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        return value * factor if usable else None

    return look


_PANELS = (
    _Panel(
        "Processor",
        "%, 100 is one core; machine: all cores",
        (
            _Curve("acquisition", ORANGE, _at("acquisition", "cpu_percent")),
            _Curve("launcher", GREEN, _at("launcher", "cpu_percent")),
            _Curve("machine", BLUE, _at("system", "cpu_percent")),
        ),
    ),
    _Panel(
        "Memory",
        "GB",
        (
            _Curve("acquisition", ORANGE, _at("acquisition", "memory_mb", factor=1e-3)),
            _Curve("launcher", GREEN, _at("launcher", "memory_mb", factor=1e-3)),
            _Curve("machine", BLUE, _at("system", "memory", "used_mb", factor=1e-3)),
        ),
    ),
    _Panel("Free on the session's disk", "GB", (_Curve("free", BLUE, _at("system", "disk", "free_gb"), min),)),
    _Panel(
        "All disks",
        "MB/s",
        (
            _Curve("read", GREEN, _at("system", "io", "read_bps", factor=1e-6)),
            _Curve("written", ORANGE, _at("system", "io", "write_bps", factor=1e-6)),
        ),
    ),
)


def write_resource_plot(log_file: Path, picture: Path) -> bool:
    """Draw a resource log into a PNG file.

    Args:
        log_file: ``resource_usage.json``.
        picture: the file to write, whole or not at all.

    Returns:
        Whether there was anything to draw.

    Raises:
        BadFile: the log cannot be read or is no JSON array.
        OSError: the picture cannot be written.
    """
    try:
        samples = json.loads(log_file.read_bytes())
    except OSError as error:
        raise read_failed(log_file, error) from None
    except ValueError as error:
        raise BadFile(str(log_file), found=f"no JSON: {error}", expected="a resource log") from None
    if not isinstance(samples, list):
        raise BadFile(str(log_file), found=type(samples).__name__, expected="a JSON array of samples")
    drawn = draw_resources(samples)
    if drawn is None:
        return False
    with atomic_file(picture) as file:
        file.write(drawn)
    return True


def draw_resources(samples: Sequence[Any]) -> bytes | None:
    """Return a PNG with processor, memory, free space and transfer rates over the session's minutes.

    Where several samples share a column of pixels their largest value is drawn, of free space the smallest. Entries
    that are no samples are left out; None when fewer than two are left.
    """
    timed = sorted(
        ((when, sample) for sample in samples if (when := _when(sample)) is not None), key=lambda each: each[0]
    )
    if len(timed) < 2:
        return None
    start, length = timed[0][0], max(timed[-1][0] - timed[0][0], 1e-3)
    first = datetime.fromisoformat(timed[0][1]["timestamp"]).astimezone()
    title = f"Resources from {first:%Y-%m-%d %H:%M:%S} on, {_duration(length)}, {len(timed)} samples"
    last = plot_columns() - 1
    columns = [(min(last, int((when - start) / length * last)), sample) for when, sample in timed]
    panels = [
        TimePanel(panel.title, panel.unit, tuple(_drawn(curve, columns) for curve in panel.curves)) for panel in _PANELS
    ]
    return draw_time_panels(title, panels, length)


def _drawn(curve: _Curve, columns: Sequence[tuple[int, Sample]]) -> TimeCurve:
    return TimeCurve(curve.label, curve.colour, [sorted(_column_values(curve, columns).items())])


def _column_values(curve: _Curve, columns: Sequence[tuple[int, Sample]]) -> dict[int, float]:
    found: dict[int, list[float]] = {}
    for x, sample in columns:
        value = curve.value(sample)
        if value is not None:
            found.setdefault(x, []).append(max(0.0, value))
    return {x: curve.pick(values) for x, values in found.items()}


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def _when(sample: Any) -> float | None:
    try:
        return datetime.fromisoformat(sample["timestamp"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return None
