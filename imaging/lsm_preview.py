"""A small picture of a projection, to see at a glance whether an acquisition went well."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from opticstream.core.errors import BadInput
from opticstream.imaging.picture import BACK, INK, SOFT, draw_text, font, png
from opticstream.imaging.tiff_image import open_image

_LONGEST_PX = 2000
_SHORTEST_PX = 640
"""Images with a shorter long edge are drawn larger, by a whole factor."""
_LEAST_WIDTH = 560
_BAND_BYTES = 32 << 20
_PERCENTILES = (1.0, 99.8)


def mip_preview(
    mip: Path,
    *,
    title: str,
    window: tuple[float, float] | None,
    voxel_size_um: tuple[float, float] = (1.0, 1.0),
    true_aspect: bool = True,
    longest_px: int = _LONGEST_PX,
) -> bytes:
    """Draw a maximum intensity projection in grey, with title, scale bar and the window used.

    Args:
        mip: TIFF file (camera columns, frames).
        title: above the picture.
        window: counts drawn as black and white; None: the 1st and 99.8th percentile of what is not 0.
        voxel_size_um: of (camera columns, frames), µm.
        true_aspect: draw µm alike in both directions; False: voxels.
        longest_px: bound of the drawn image's long edge; a larger projection is averaged over blocks of pixels.

    Returns:
        A PNG of 8 bits per pixel.

    Raises:
        BadFile: the projection cannot be read.
        BadInput: the window does not rise, or a size is not positive.
    """
    _check(window, voxel_size_um, longest_px)
    image = open_image(mip)
    rows, columns = image.shape
    voxel = voxel_size_um if true_aspect else (1.0, 1.0)
    pixel = max(rows * voxel[0] / longest_px, columns * voxel[1] / longest_px, min(voxel))
    blocks = max(1, int(pixel / voxel[0])), max(1, int(pixel / voxel[1]))
    small = _block_means(image, blocks)
    low, high = _window(small) if window is None else window
    grey = Image.fromarray((np.clip((small - low) / (high - low), 0, 1) * 255 + 0.5).astype(np.uint8))
    width, height = max(1, round(columns * voxel[1] / pixel)), max(1, round(rows * voxel[0] / pixel))
    zoom = max(1, min(_SHORTEST_PX, longest_px) // max(width, height))
    if (width, height) != grey.size:
        # Blocks leave less than a factor of 2 along each axis, where a box filter still averages all there is.
        grey = grey.resize((width, height), Image.Resampling.BOX)
    grey = grey.resize((width * zoom, height * zoom), Image.Resampling.NEAREST)
    um_per_px = pixel / zoom if true_aspect else pixel * voxel_size_um[1] / zoom
    size_um = rows * voxel_size_um[0], columns * voxel_size_um[1]
    bright = float((small > high).mean()) * 100
    notes = f"black {low:.5g}, white {high:.5g} counts; {bright:.2g} % brighter"
    return _framed(grey, title, f"{_length(size_um[1])} x {_length(size_um[0])}", notes, um_per_px)


def _check(window: tuple[float, float] | None, voxel_size_um: tuple[float, float], longest_px: int) -> None:
    if window is not None and not (math.isfinite(window[0]) and window[0] < window[1] < math.inf):
        raise BadInput("window", found=str(window), expected="two numbers that rise")
    if not all(0 < size < math.inf for size in voxel_size_um):
        raise BadInput("voxel_size_um", found=str(voxel_size_um), expected="positive numbers")
    if longest_px < 1:
        raise BadInput("longest_px", found=str(longest_px), expected="1 or more")


def _block_means(image: NDArray[Any], blocks: tuple[int, int]) -> NDArray[np.float32]:
    """Return means over blocks, float32; blocks at the far edges average what is there."""
    tall, wide = blocks
    edges = np.arange(0, image.shape[1], wide)
    counts = np.diff(np.append(edges, image.shape[1])).astype(np.float32)
    means = np.empty((-(-len(image) // tall), len(edges)), np.float32)
    at_once = max(1, _BAND_BYTES // (4 * image.shape[1] * tall))
    for first in range(0, len(means), at_once):
        rows = np.asarray(image[first * tall : (first + at_once) * tall], np.float32)
        band: NDArray[Any] = np.nan_to_num(rows, posinf=0, neginf=0)
        if wide > 1:
            band = np.add.reduceat(band, edges, axis=1) / counts
        lines = np.arange(0, len(band), tall)
        heights = np.diff(np.append(lines, len(band))).astype(np.float32)
        means[first : first + len(lines)] = np.add.reduceat(band, lines, axis=0) / heights[:, None]
    return means


def _window(values: NDArray[np.float32]) -> tuple[float, float]:
    seen = values[values > 0]  # 0 is where no strip is
    if not seen.size:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(seen, _PERCENTILES))
    return (low, high) if high > low else (low, low + 1.0)


def _length(um: float) -> str:
    return f"{um / 1000:.4g} mm" if um >= 1000 else f"{um:.4g} µm"


def bar_length(most: float) -> float:
    """Return the longest 1, 2 or 5 times a power of ten that is at most ``most``, which is above 0."""
    unit = 10.0 ** math.floor(math.log10(most))
    return max(step * unit for step in (1, 2, 5) if step == 1 or step * unit <= most)


def _framed(grey: Image.Image, title: str, size: str, notes: str, um_per_px: float) -> bytes:
    """Put an image on a sheet with a title above, and a scale bar and what is drawn below."""
    letters = max(16, max(grey.size) // 70)
    gap = letters // 2
    top, foot = letters * 2, letters * 4
    large, small = font(int(letters * 1.15)), font(letters)
    measure = ImageDraw.Draw(grey)
    width = max(grey.width, _LEAST_WIDTH, int(measure.textlength(notes, font=small)))
    title = _shortened(title, lambda text: measure.textlength(text, font=large) <= width)
    sheet = Image.new("RGB", (width + 2 * gap, grey.height + top + foot), BACK)
    sheet.paste(grey, (gap, top))
    draw = ImageDraw.Draw(sheet)
    draw_text(draw, (gap, gap), title, INK, large)
    below = top + grey.height + gap
    bar_um = bar_length(max(grey.width * 0.3, 8) * um_per_px)
    bar = round(bar_um / um_per_px)
    draw.rectangle((gap, below + letters // 2, gap + bar - 1, below + letters // 2 + max(3, letters // 4)), fill=INK)
    draw_text(draw, (2 * gap + bar + gap, below), _length(bar_um), INK, small)
    right = gap + width - measure.textlength(size, font=small)
    draw_text(draw, (right, below), size, SOFT, small)
    draw_text(draw, (gap, below + int(1.6 * letters)), notes, SOFT, small)
    return png(sheet)


def _shortened(text: str, fits: Any) -> str:
    """Return a text, cut in the middle where it does not fit: both ends of a file's name say which it is."""
    if fits(text):
        return text
    keep = len(text) - 1
    while keep > 2 and not fits(text[: keep // 2] + "…" + text[len(text) - keep // 2 :]):
        keep -= 1
    return text[: keep // 2] + "…" + text[len(text) - keep // 2 :]
