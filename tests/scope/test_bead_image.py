"""The simulated bead is where it is said to be, and obeys the optics it names."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opticstream.core.errors import BadInput
from opticstream.scope.bead_image import BeadImage, expose


@settings(deadline=None)
@given(shift=st.tuples(st.integers(-9, 9), st.integers(-9, 9)), part=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_moving_the_bead_by_pixels_moves_the_image(
    bead: BeadImage, shift: tuple[int, int], part: tuple[float, float]
) -> None:
    image = bead.draw(30 + part[0], 30 + part[1], 800.0, 60)
    moved = bead.draw(30 + part[0] + shift[0], 30 + part[1] + shift[1], 800.0, 60)
    dx, dy = shift
    inner = slice(10, 50)
    assert np.allclose(moved[10 + dy : 50 + dy, 10 + dx : 50 + dx], image[inner, inner], atol=1e-9)
    turned = bead.draw(30 + part[1], 30 + part[0], 800.0, 60)
    assert np.allclose(turned, image.T)


@pytest.mark.parametrize("z_nm", [-1800.0, 0.0, 1300.0])
def test_rings_are_those_of_the_angular_spectrum_on_a_grid(z_nm: float) -> None:
    """Another way to the same field: two-dimensional transforms instead of a Hankel transform."""
    optics = BeadImage(nm_per_px=100.0, divergence=0.0, contrast=1.0, background=1.0)
    pitch, size = 50.0, 1024
    along = (np.arange(size) - size // 2) * pitch
    square = along[:, None] ** 2 + along**2
    wave_number = 2 * np.pi / optics.wavelength_nm
    thickness = 2 * np.sqrt(np.clip(optics.radius_nm**2 - square, 0, None))
    scattered = np.exp(1j * wave_number * (optics.n_bead - optics.n_medium) * thickness) - 1
    q = 2 * np.pi * np.fft.fftfreq(size, pitch)
    q2 = q[:, None] ** 2 + q**2
    total = wave_number * optics.n_medium
    carried = np.exp(-1j * (np.sqrt(np.clip(total**2 - q2, 0, None)) - total) * z_nm)
    carried = np.where(q2 <= (wave_number * optics.aperture) ** 2, carried, 0)
    field = 1 + np.fft.ifft2(np.fft.fft2(scattered) * carried)
    row = np.abs(field[size // 2, size // 2 :]) ** 2
    number = 100
    profile = optics.profile(z_nm)[: number * 5 : 5]  # every 50 nm
    assert np.abs(profile - row[:number]).max() < 0.05 * np.ptp(row)


def test_far_from_the_bead_there_is_background_only(bead: BeadImage) -> None:
    image = bead.draw(-200.0, 10.0, 0.0, 20)
    assert (image == bead.background).all()


def test_a_camera_adds_the_noise_of_its_photons() -> None:
    level = np.full((400, 400), 0.4)
    seen = expose(level, np.random.default_rng(0), gain=1000.0, kind=np.uint16) / 65535
    assert seen.mean() == pytest.approx(0.4, rel=1e-3)
    assert seen.std() == pytest.approx(np.sqrt(0.4 / 1000), rel=0.02)
    assert expose(np.array([-1.0, 0.0, 0.5, 1.0, 7.0])).tolist() == [0, 0, 128, 255, 255]


def test_impossible_optics_are_refused(bead: BeadImage) -> None:
    with pytest.raises(BadInput, match="aperture"):
        BeadImage(aperture=1.4)
    with pytest.raises(BadInput, match="nm_per_px"):
        BeadImage(nm_per_px=0)
    with pytest.raises(BadInput, match="radius_nm"):
        BeadImage(radius_nm=float("nan"))
    with pytest.raises(BadInput, match="bead places"):
        bead.stack([[1.0, 2.0]], 20)
