"""The contact sheet is a picture whatever the maps hold."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from opticstream.core.oct_layout import ENFACE_MODALITIES
from opticstream.imaging.contact_sheet import contact_sheet


def maps(value: float | None = None, shape: tuple[int, int] = (30, 40)) -> dict[str, NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    return {
        name: (rng.random(shape) if value is None else np.full(shape, value)).astype(np.float32)
        for name in ENFACE_MODALITIES
    }


def draw(*tiles: dict[str, NDArray[np.float32]]) -> Image.Image:
    labels = [f"tile {number}" for number in range(1, len(tiles) + 1)]
    return Image.open(io.BytesIO(contact_sheet(tiles, labels=labels, title="Gehirn")))


def test_a_row_per_tile_a_column_per_map() -> None:
    one, three = draw(maps()), draw(maps(), maps(), maps())
    assert one.format == "PNG" and one.width == three.width
    assert three.height - one.height == 2 * 168
    fewer = {name: values for name, values in maps().items() if name != "biref"}
    assert one.width - draw(fewer).width == 168


@pytest.mark.parametrize("value", [0.0, 1.0, float("nan"), float("inf"), -1e30, 3e38])
def test_flat_and_empty_maps_are_drawn(value: float) -> None:
    assert draw(maps(value)).size == draw(maps()).size
    assert draw(maps(value), maps()).size == draw(maps(), maps()).size


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (700, 700)])
def test_any_shape_fits(shape: tuple[int, int]) -> None:
    assert draw(maps(shape=shape)).size == draw(maps()).size


def test_the_picture_shows_the_map() -> None:
    """Bright left half, dark right half, nothing in the middle."""
    values = np.zeros((40, 40), np.float32)
    values[:, :20] = 100
    values[18:22] = np.nan
    picture = np.asarray(draw(maps() | {"aip": values}).convert("L"), float)
    panel = picture[74 : 74 + 160, 64 : 64 + 160]
    assert panel[20:60, 10:70].mean() > 200 and panel[20:60, 90:150].mean() < 20
    assert abs(panel[78:82].mean() - picture[2, 2]) < 12


def test_one_range_holds_for_all_tiles() -> None:
    """What is bright in one tile is grey when another is brighter."""
    dim, bright = np.zeros((40, 40), np.float32), np.full((40, 40), 100, np.float32)
    dim[:, 20:] = 50
    picture = np.asarray(draw(maps() | {"aip": dim}, maps() | {"aip": bright}).convert("L"), float)
    first, second = (picture[74 + row * 168 : 234 + row * 168, 64:224] for row in (0, 1))
    assert first[:, :70].max() < 20 and 100 < first[:, 90:].mean() < 155 and second.min() > 235


def test_a_sheet_without_tiles_is_a_picture() -> None:
    assert draw().format == "PNG"


def test_twenty_tiles_stay_small() -> None:
    tiles = [maps(shape=(350, 350)) for _ in range(20)]
    assert len(contact_sheet(tiles, labels=[str(n) for n in range(20)], title="x")) < 4_000_000
