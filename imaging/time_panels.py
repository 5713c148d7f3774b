"""Curves over time, one panel below the other, as a picture."""

import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from opticstream.core.errors import BadInput

_BACK, _INK, _SOFT, _GRID = (255, 255, 255), (30, 34, 40), (95, 103, 115), (225, 229, 234)
_WIDTH, _PANEL, _TOP, _LEFT, _RIGHT, _GAP, _FOOT = 1000, 150, 70, 84, 24, 46, 34
_LEAST_WIDTH, _LEAST_PANEL = 360, 40
_SCALE = 2  # drawn twice as large and reduced: smooth lines

BLUE, ORANGE, GREEN = (31, 119, 180), (214, 95, 14), (34, 139, 87)
"""Colours of curves, RGB; they differ for the colour-blind too."""


@dataclass(frozen=True, slots=True)
class TimeCurve:
    """One line of a panel."""

    label: str
    colour: tuple[int, int, int]
    strokes: Sequence[Sequence[tuple[int, float]]]
    """Columns of pixels from 0, rising or equal, and values; a line is drawn through each stroke."""


@dataclass(frozen=True, slots=True)
class TimePanel:
    """One axis of values with its curves."""

    title: str
    unit: str
    curves: tuple[TimeCurve, ...]
    from_zero: bool = True
    """The axis begins at 0, and no value is below it; else it spans the values."""


def plot_columns(width: int = _WIDTH) -> int:
    """Return how many columns of pixels the curves of a picture have."""
    return width - _LEFT - _RIGHT


def draw_time_panels(
    title: str, panels: Sequence[TimePanel], length_s: float, size: tuple[int, int] | None = None
) -> bytes:
    """Return a PNG with one panel below the other over one axis of time.

    Args:
        title: line above the panels.
        panels: at least one.
        length_s: time from the first column to the last, more than 0, s.
        size: width and height, px; absent: 1000 wide, and 150 for each panel.

    Raises:
        BadInput: there is no panel, or no room for that many in ``size``.
    """
    sheet = _Sheet(title, panels, length_s, size)
    for index, panel in enumerate(panels):
        sheet.draw_panel(panel, index)
    return _png(sheet.image.reduce(_SCALE))


class _Sheet:
    """A picture on the way, twice as large; lengths are given in pixels of the finished one."""

    def __init__(self, title: str, panels: Sequence[TimePanel], length_s: float, size: tuple[int, int] | None) -> None:
        fixed = _TOP + max(0, len(panels) - 1) * _GAP + _FOOT
        self.width, height = (_WIDTH, fixed + _PANEL * len(panels)) if size is None else size
        self.panel = (height - fixed) // max(1, len(panels))
        if not panels or self.width < _LEAST_WIDTH or self.panel < _LEAST_PANEL:
            least = f"{_LEAST_WIDTH} x {fixed + _LEAST_PANEL * max(1, len(panels))} px"
            found = f"{self.width} x {height} px for {len(panels)} panels"
            raise BadInput("plot", found=found, expected=f"1 panel or more, and {least} or more")
        self.image = Image.new("RGB", (self.width * _SCALE, height * _SCALE), _BACK)
        self.draw: Any = ImageDraw.Draw(self.image)
        self.columns, self.length = plot_columns(self.width), length_s
        self._text(_LEFT, 10, title, _INK, 17)
        self.step, name, factor = _time_axis(length_s)
        for tick in range(int(length_s / self.step * (1 + 1e-9)) + 1):
            label = _label(tick * self.step / factor, self.step / factor)
            self._text(self._x(tick), height - _FOOT + 4, label, _SOFT, 12, "ma")
        self._text(self.width - _RIGHT, height - _FOOT + 18, name, _SOFT, 12, "ra")

    def draw_panel(self, panel: TimePanel, index: int) -> None:
        top = _TOP + index * (self.panel + _GAP)
        bottom = top + self.panel
        values = [value for curve in panel.curves for stroke in curve.strokes for _, value in stroke]
        low, high, tick = _axis_of(values, panel.from_zero, max(2, self.panel / 37))
        rise = self.panel / (high - low)
        for row in range(round((high - low) / tick) + 1):
            y = bottom - row * tick * rise
            self._line([(_LEFT, y), (self.width - _RIGHT, y)], _GRID, 1)
            self._text(_LEFT - 8, y, _label(low + row * tick, tick), _SOFT, 12, "rm")
        for number in range(int(self.length / self.step * (1 + 1e-9)) + 1):
            self._line([(self._x(number), top), (self._x(number), bottom)], _GRID, 1)
        self._text(_LEFT, top - 20, f"{panel.title} ({panel.unit})", _INK, 14)
        right = float(self.width - _RIGHT)
        for curve in reversed(panel.curves):
            drawn = False
            for stroke in curve.strokes:
                points = [(_LEFT + x, bottom - (min(max(value, low), high) - low) * rise) for x, value in stroke]
                self._stroke(points, curve.colour)
                drawn = drawn or bool(points)
            label = curve.label if drawn else f"{curve.label}: no data"
            self._text(right, top - 18, label, curve.colour, 12, "ra")
            right -= self.draw.textlength(label, font=_font(12)) / _SCALE + 16

    def _x(self, tick: int) -> float:
        return _LEFT + tick * self.step / self.length * (self.columns - 1)

    def _stroke(self, points: Sequence[tuple[float, float]], colour: tuple[int, int, int]) -> None:
        if len(points) > 1:
            self._line(points, colour, 2)
        elif points:
            x, y = points[0][0] * _SCALE, points[0][1] * _SCALE
            self.draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=colour)

    def _line(self, points: Sequence[tuple[float, float]], colour: tuple[int, int, int], width: int) -> None:
        scaled = [(x * _SCALE, y * _SCALE) for x, y in points]
        self.draw.line(scaled, fill=colour, width=width * _SCALE, joint="curve")

    def _text(self, x: float, y: float, text: str, colour: tuple[int, int, int], size: int, anchor: str = "la") -> None:
        self.draw.text((x * _SCALE, y * _SCALE), text, colour, font=_font(size), anchor=anchor)


def _axis_of(values: Sequence[float], from_zero: bool, lines: float) -> tuple[float, float, float]:
    """Return the axis's ends and the distance of its lines: 1, 2 or 5 times a power of ten."""
    if from_zero or not values:
        high, tick = _value_axis(max(values, default=0.0))
        return 0.0, high, tick
    low, high = min(values), max(values)
    size = max(abs(low), abs(high), 1.0)
    if high - low < size * 1e-9:  # it does not move: it is drawn in the middle, on an axis people can read
        low, high = low - size * 1e-3, high + size * 1e-3
    tick = _nice((high - low) / lines)
    return math.floor(low / tick + 1e-6) * tick, math.ceil(high / tick - 1e-6) * tick, tick


def _value_axis(highest: float) -> tuple[float, float]:
    """Return the top of the axis and the distance of its lines: 1, 2 or 5 times a power of ten, 2 to 5 of them."""
    if highest <= 0:
        return 1.0, 0.5
    tick = _nice(highest / 4)
    return tick * max(1, math.ceil(highest / tick * 0.999)), tick


def _nice(raw: float) -> float:
    power = 10.0 ** math.floor(math.log10(raw))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)


def _label(value: float, tick: float) -> str:
    """Return a number with as many digits as tell it from its neighbours."""
    digits = max(0, -math.floor(math.log10(tick) + 1e-9))
    return f"{round(value, digits) + 0.0:.{digits}f}"


def _time_axis(length_s: float) -> tuple[float, str, float]:
    """Return the distance of the marks in seconds, the unit's name, and the unit in seconds."""
    name, factor = next(
        ((name, factor) for name, factor in (("hours", 3600.0), ("minutes", 60.0)) if length_s >= 3 * factor),
        ("seconds", 1.0),
    )
    return _value_axis(length_s / factor / 2)[1] * factor, name, factor


def _png(sheet: Image.Image) -> bytes:
    """Return an RGB picture as PNG.

    Pillow's own writer first imports those of all other formats, which takes longer than everything else here; people
    wait for it at the end of each session.
    """
    width, height = sheet.size
    content, row = sheet.tobytes(), 3 * width
    lines = b"".join(b"\0" + content[at : at + row] for at in range(0, height * row, row))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(lines, 6)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _font(size: int) -> Any:
    return ImageFont.load_default(size * _SCALE)
