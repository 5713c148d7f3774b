"""One picture of a batch: a row per tile, a column per enface map."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from opticstream.imaging.picture import BACK, INK, SOFT, font, png

_PANEL = 160
_GAP, _LEFT, _TOP, _FOOT = 8, 64, 74, 30

_UNITS = {
    "aip": ("mean intensity", "dB"),
    "mip": ("peak intensity", "dB"),
    "ret": ("retardance", "°"),
    "ori": ("axis orientation", "°"),
    "biref": ("birefringence", "1e-3"),
    "surf": ("surface depth", "samples"),
}
_ANCHORS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "grey": ((0, 0, 0), (255, 255, 255)),
    "heat": ((0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164)),
    "sea": ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)),
    "hue": ((255, 0, 0), (255, 255, 0), (0, 255, 0), (0, 255, 255), (0, 0, 255), (255, 0, 255), (255, 0, 0)),
}
_MAPS = {"aip": "grey", "mip": "grey", "ret": "heat", "ori": "hue", "biref": "heat", "surf": "sea"}


def contact_sheet(tiles: Sequence[Mapping[str, NDArray[np.float32]]], *, labels: Sequence[str], title: str) -> bytes:
    """Draw enface maps side by side.

    Args:
        tiles: per tile, map name → (ny, nx) values; NaN is drawn as background.
        labels: one per tile.
        title: above the picture.

    Returns:
        A PNG. Each map shares one range over all tiles, printed below it; orientation runs through the colours once
        in 180°.
    """
    names = [name for name in _UNITS if tiles and name in tiles[0]]
    width = _LEFT + len(names) * (_PANEL + _GAP) + _GAP
    height = _TOP + len(tiles) * (_PANEL + _GAP) + _FOOT
    sheet = Image.new("RGB", (width, height), BACK)
    draw = ImageDraw.Draw(sheet)
    large, small = font(17), font(12)
    draw.text((_GAP, 10), title, INK, font=large)
    for column, name in enumerate(names):
        left = _LEFT + column * (_PANEL + _GAP)
        text, unit = _UNITS[name]
        low, high = _range(name, [tile[name] for tile in tiles])
        draw.text((left, 38), f"{name}  ({unit})", INK, font=small)
        draw.text((left, 54), text, SOFT, font=small)
        for row, tile in enumerate(tiles):
            panel = _panel(tile[name], low, high, _MAPS[name])
            sheet.paste(panel, (left, _TOP + row * (_PANEL + _GAP)))
        _bar(sheet, draw, left, height - _FOOT + 4, name, low, high, small)
    for row, label in enumerate(labels):
        draw.text((_GAP, _TOP + row * (_PANEL + _GAP) + _PANEL // 2 - 6), label, SOFT, font=small)
    return png(sheet)


def _range(name: str, maps: Sequence[NDArray[np.float32]]) -> tuple[float, float]:
    """Return the values drawn as darkest and brightest: the middle 98 % of all tiles; fixed for orientation."""
    if name == "ori":
        return -90.0, 90.0
    values = np.concatenate([np.ravel(values)[np.isfinite(np.ravel(values))] for values in maps])
    if not values.size:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(values, (1, 99)))
    return (low, high) if high > low else (low, low + max(1.0, abs(low)))


def _colours(values: NDArray[np.float64], palette: str) -> NDArray[np.uint8]:
    anchors = np.array(_ANCHORS[palette], np.float64)
    where = np.clip(values, 0, 1) * (len(anchors) - 1)
    channels = [np.interp(where, np.arange(len(anchors)), anchors[:, index]) for index in range(3)]
    return np.stack(channels, axis=-1).astype(np.uint8)


def _panel(values: NDArray[np.float32], low: float, high: float, palette: str) -> Image.Image:
    scaled = (np.asarray(values, np.float64) - low) / (high - low)
    colours = _colours(np.nan_to_num(scaled), palette)
    colours[~np.isfinite(scaled)] = BACK
    ratio = _PANEL / max(values.shape)
    size = max(1, round(values.shape[1] * ratio)), max(1, round(values.shape[0] * ratio))
    image = Image.fromarray(colours)
    # Averaging hues across 180° would invent colours, so orientation is sampled.
    image = image.resize(size, Image.Resampling.NEAREST if palette == "hue" else Image.Resampling.BILINEAR)
    panel = Image.new("RGB", (_PANEL, _PANEL), BACK)
    panel.paste(image, ((_PANEL - size[0]) // 2, (_PANEL - size[1]) // 2))
    return panel


def _bar(sheet: Image.Image, draw: Any, left: int, top: int, name: str, low: float, high: float, letters: Any) -> None:
    ramp = _colours(np.tile(np.linspace(0, 1, 60), (8, 1)), _MAPS[name])
    sheet.paste(Image.fromarray(ramp), (left, top + 4))
    factor = 1000 if name == "biref" else 1
    draw.text((left + 66, top), f"{low * factor:.3g} … {high * factor:.3g}", SOFT, font=letters)
