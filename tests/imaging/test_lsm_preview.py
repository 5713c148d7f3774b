"""The preview shows the projection: its brightness, its proportions, and how large it is."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from opticstream.core.errors import BadFile, BadInput
from opticstream.imaging.lsm_preview import bar_length, mip_preview
from opticstream.imaging.picture import BACK, draw_text, font


def drawn(path: Path, image: NDArray[Any], **options: Any) -> tuple[Image.Image, NDArray[np.float64]]:
    """Return the whole picture, and the part with the image as grey levels."""
    tifffile.imwrite(path / "mip.tiff", image)
    data = mip_preview(path / "mip.tiff", **({"title": "strip 1", "window": (0.0, 1000.0)} | options))
    picture = Image.open(io.BytesIO(data))
    assert picture.format == "PNG" and picture.mode == "P"
    letters = max(16, (max(picture.size)) // 72)  # about; the image begins below the title
    pixels = np.asarray(picture.convert("RGB"), float)
    inside = np.abs(pixels[letters * 2 + 8 :] - BACK).sum(axis=2) > 60
    assert inside.any()
    return picture, pixels.mean(axis=2)


def test_window_and_place(tmp_path: Path) -> None:
    image = np.full((300, 600), 250, np.uint16)
    image[:, 300:] = 750
    image[:150, 450:] = 3000
    picture, pixels = drawn(tmp_path, image)
    assert picture.size == (600 + 16, 300 + 6 * 16)
    part = pixels[32:332, 8:608]
    assert abs(part[:, :300] - 255 * 0.25).max() <= 2 and abs(part[150:, 300:] - 255 * 0.75).max() <= 2
    assert part[:150, 450:].min() >= 253


def test_the_window_adapts_where_none_is_given(tmp_path: Path) -> None:
    image = np.linspace(200, 400, 600 * 300).reshape(300, 600).astype(np.uint16)
    image[:, :200] = 0  # where no strip is
    _, pixels = drawn(tmp_path, image, window=None)
    part = pixels[32:332, 8:608]
    assert part[:, :200].max() <= 2 and part[:6, 200:].max() < 30 and part[-6:, 200:].min() > 225


def test_blocks_are_averaged(tmp_path: Path) -> None:
    """A chequerboard finer than a pixel of the picture is even grey; sampling would make it black or white."""
    image = ((np.indices((600, 3000)).sum(axis=0) % 2) * 1000).astype(np.uint16)
    picture, pixels = drawn(tmp_path, image, longest_px=1000)
    part = pixels[34:230, 12:1008]
    assert 1000 <= picture.width <= 1040
    assert abs(part.mean() - 127.5) < 2 and part.std() < 30


@pytest.mark.parametrize(
    ("voxel", "size"), [((1.0, 1.0), (640, 320)), ((2.0, 1.0), (640, 640)), ((1.0, 4.0), (640, 80))]
)
def test_proportions_are_true(tmp_path: Path, voxel: tuple[float, float], size: tuple[int, int]) -> None:
    picture, _ = drawn(tmp_path, np.full((320, 640), 900, np.uint16), voxel_size_um=voxel, longest_px=640)
    assert (picture.width - 16, picture.height - 96) == size
    flat, _ = drawn(tmp_path, np.full((320, 640), 900, np.uint16), voxel_size_um=voxel, true_aspect=False)
    assert (flat.width - 16, flat.height - 96) == (640, 320)


@pytest.mark.parametrize("voxel", [(1.0, 1.0), (2.0, 0.5), (0.7, 3.0)])
@pytest.mark.parametrize("shape", [(300, 600), (2600, 1300)])
def test_the_scale_bar_is_as_long_as_it_says(
    tmp_path: Path, shape: tuple[int, int], voxel: tuple[float, float]
) -> None:
    picture, _ = drawn(tmp_path, np.full(shape, 500, np.uint16), voxel_size_um=voxel, longest_px=1000)
    pixels = np.asarray(picture.convert("L"), int)
    half = np.abs(pixels - 127) <= 2  # of the window
    lines, columns = np.flatnonzero(half.sum(axis=1) > 60), np.flatnonzero(half.sum(axis=0) > 60)
    top, bottom, left, right = lines[0], lines[-1], columns[0], columns[-1]
    um_per_px = shape[1] * voxel[1] / (right - left + 1)
    assert um_per_px == pytest.approx(shape[0] * voxel[0] / (bottom - top + 1), rel=0.02)
    bars = [int(np.argmin(row[left:] > 200)) for row in pixels[bottom + 1 :]]
    assert max(bars) >= 3 and bars.count(max(bars)) >= 3
    um = max(bars) * um_per_px
    assert any(abs(um - step * 10**power) <= um_per_px for step in (1, 2, 5) for power in range(5))
    assert 0.1 <= max(bars) / (right - left + 1) <= 0.35


@given(st.floats(1e-6, 1e9))
def test_bars_have_round_lengths(most: float) -> None:
    length = bar_length(most)
    assert most / 2.5000001 <= length <= most * (1 + 1e-9)
    assert f"{length:e}"[0] in "125" and float(f"{length:.0e}") == pytest.approx(length)


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (7, 4099)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_any_shape_is_drawn(tmp_path: Path, shape: tuple[int, int], dtype: str) -> None:
    for window in (None, (0.0, 10.0)):
        picture, _ = drawn(tmp_path, np.full(shape, 9, dtype), window=window)
        assert 560 <= picture.width <= 2100 and picture.height <= 2250


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_values_that_are_none_do_no_harm(tmp_path: Path, value: float) -> None:
    tifffile.imwrite(tmp_path / "mip.tiff", np.full((40, 60), value, np.float32))
    assert mip_preview(tmp_path / "mip.tiff", title="x", window=None).startswith(b"\x89PNG")


def test_a_long_title_keeps_both_ends(tmp_path: Path) -> None:
    image = np.full((300, 600), 500, np.uint16)
    short, _ = drawn(tmp_path, image)
    long, _ = drawn(tmp_path, image, title="brain_" + "x" * 300 + "_chunk-0004")
    assert short.size == long.size
    one, other = (np.asarray(picture.convert("L"))[:32] for picture in (short, long))
    assert one[:, 200:600].max() < 40 and other[:, 560:600].max() > 200


def test_letters_that_are_missing_are_drawn() -> None:
    from PIL import ImageDraw

    pictures = []
    for text in ("10 µm", "10 um", "10 m"):
        picture = Image.new("RGB", (120, 40), BACK)
        draw_text(ImageDraw.Draw(picture), (4, 4), text, (255, 255, 255), font(20))
        pictures.append(np.asarray(picture, int))
    micro, plain, metre = pictures
    tail = np.argwhere((micro != plain).any(axis=2))
    assert 3 <= len(tail) <= 40 and tail[:, 0].max() > np.argwhere((plain != BACK).any(axis=2))[:, 0].max()
    assert not np.array_equal(micro, metre)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"window": (5.0, 5.0)}, r"window: found \(5.0, 5.0\); expected two numbers that rise"),
        ({"window": (0.0, float("nan"))}, "window: found"),
        ({"voxel_size_um": (0.0, 1.0)}, r"voxel_size_um: found \(0.0, 1.0\); expected positive numbers"),
        ({"longest_px": 0}, "longest_px: found 0; expected 1 or more"),
    ],
)
def test_what_cannot_be_drawn_is_named(tmp_path: Path, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        drawn(tmp_path, np.ones((4, 4), np.uint16), **wrong)
    (tmp_path / "mip.tiff").write_bytes(b"no picture")
    with pytest.raises(BadFile, match=r"mip.tiff: found"):
        mip_preview(tmp_path / "mip.tiff", title="x", window=None)
