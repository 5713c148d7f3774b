"""Spectra to fields: against ground truth, against the formulae in double precision, and where the answer is known."""

import threading
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from opticstream.core.errors import BadFile
from opticstream.imaging.oct_simulator import SimulationSpec, simulate_tile
from opticstream.imaging.psoct import Calibration, FieldReconstruction, TileOptions, process_complex_tile
from opticstream.imaging.psoct import process_spectral_tile as process
from opticstream.imaging.psoct.spectral import FIRST_BIN, resampling_of, window_of
from opticstream.imaging.psoct.spectral_reference import reference_fields
from opticstream.imaging.psoct.spectral_tile import MEMORY_LIMIT, shares
from support.spectral_tiles import SpectralCase, processed, spectral_case

SMALL = SimulationSpec(kind="spectral", shape=(23, 9, 60), batches=1, tiles_per_batch=1, seed=4)
EVEN = Calibration((-0.05, -0.05), (1400.0, 1400.0))


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> SpectralCase:
    return spectral_case(tmp_path_factory.mktemp("spectral"), SMALL)


def axial(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(90 - np.abs(90 - np.mod(np.abs(a - b), 180)))


# --- against ground truth


@pytest.mark.parametrize(("seed", "layout"), [(0, "aline_fastest"), (1, "sample_fastest")])
def test_ground_truth(tmp_path: Path, seed: int, layout: Any) -> None:
    """At the real length of a spectrum: 2048 samples, 1000 samples of depth."""
    spec = SimulationSpec(
        kind="spectral", spectral_layout=layout, shape=(200, 6, 1000), batches=1, tiles_per_batch=1, seed=seed
    )
    truth, _ = simulate_tile(spec, 1, 1)
    _, maps = processed(spectral_case(tmp_path, spec))
    assert np.median(np.abs(maps["surf"] - truth.surface)) <= 1.5
    assert np.median(axial(maps["ori"], truth.orientation_deg)) <= 1.5
    assert np.median(np.abs(maps["ret"] - truth.retardance_deg)) <= 2.0
    assert np.median(np.abs(maps["biref"] / truth.delta_n - 1)) <= 0.2


def test_twelve_bits_are_enough(tmp_path: Path) -> None:
    spec = SimulationSpec(
        kind="spectral_12bit", spectral_packing="mono12packed", shape=(200, 6, 1000), batches=1, tiles_per_batch=1
    )
    truth, _ = simulate_tile(spec, 1, 1)
    _, maps = processed(spectral_case(tmp_path, spec))
    assert np.median(np.abs(maps["surf"] - truth.surface)) <= 1.5
    assert np.median(axial(maps["ori"], truth.orientation_deg)) <= 1.5


def test_without_the_dispersion_s_compensation_the_surface_is_lost(case: SpectralCase) -> None:
    """So the phases are used, and with the right sign."""
    truth, _ = simulate_tile(SMALL, 1, 1)

    def error(reconstruction: FieldReconstruction) -> float:
        with case.open() as tile:
            maps = process(tile, reconstruction, TileOptions(), {})
        return float(np.median(np.abs(maps["surf"] - truth.surface)))

    right = error(case.reconstruction)
    without = error(FieldReconstruction(case.calibration, case.format.samples))
    wrong = error(FieldReconstruction(case.calibration, case.format.samples, -case.dispersion))
    assert right <= 2 and without > right + 2 and wrong > right + 2


# --- cases whose answer is known


def _linear_in_k(samples: int) -> Calibration:
    """Return a calibration so narrow that wavelengths even in pixels are even in k, to a few parts in a million."""
    return Calibration((1e-6, 1e-6), (1000.0, 1000.0))


@pytest.mark.parametrize("bin_number", [30, 77, 200])
@pytest.mark.parametrize("window", ["none", "hann"])
def test_a_reflector_appears_in_its_bin_with_its_phase(bin_number: int, window: Any) -> None:
    """One A-line of five has a fringe; wavelengths rise with the pixel, so the file runs against the wavenumbers."""
    samples, amplitude, phase1, phase2 = 512, 900.0, 0.7, -1.1
    turn = 2 * np.pi * bin_number * np.arange(samples)[::-1] / samples
    spectra = np.full((2, samples, 5), 20000, np.uint16)
    spectra[0, :, 2] += np.rint(amplitude * np.cos(turn - phase1)).astype(np.int16).view(np.uint16)
    spectra[1, :, 2] += np.rint(amplitude * np.cos(turn - phase2)).astype(np.int16).view(np.uint16)[::-1]
    reconstruction = FieldReconstruction(_linear_in_k(samples), samples, window=window)
    out = np.empty((reconstruction.depth, 20), np.float32)
    reconstruction.fields(spectra, out, reconstruction.scratch(5))
    shallow_first = out[::-1]
    for channel, phase in enumerate((phase1, phase2)):
        block = shallow_first[:, 10 * channel : 10 * channel + 10]
        field = block[:, :5] + 1j * block[:, 5:]
        assert np.argmax(np.abs(field[:, 2])) == bin_number - FIRST_BIN
        peak = field[bin_number - FIRST_BIN, 2]
        share = 0.5 * amplitude * window_of(window, samples).sum()
        assert np.abs(peak) == pytest.approx(share, rel=0.03)
        assert np.angle(peak) == pytest.approx(phase, abs=0.05)
        assert np.abs(np.delete(field, 2, axis=1)).max() < 0.01 * share


def test_what_all_alines_share_is_taken_away() -> None:
    rng = np.random.default_rng(3)
    shared = rng.integers(1000, 60000, (2, 128, 1))
    spectra = np.broadcast_to(shared, (2, 128, 6)).astype(np.uint16)
    reconstruction = FieldReconstruction(EVEN, 128)
    out = np.full((reconstruction.depth, 24), np.nan, np.float32)
    reconstruction.fields(spectra, out, reconstruction.scratch(6))
    assert np.all(out == 0)


@given(
    samples=st.integers(4, 300).map(lambda half: 2 * half),
    slope=st.floats(0.01, 0.3),
    start=st.floats(800, 1500),
    down=st.booleans(),
    tilt=st.floats(0.9, 1.1),
    shift=st.floats(-0.02, 0.02),
)
@settings(max_examples=80, deadline=None)
def test_resampling_meets_the_even_grid(
    samples: int, slope: float, start: float, down: bool, tilt: float, shift: float
) -> None:
    """A spectrum that is its own wavenumber comes out as the grid, in both channels."""
    sign = -1 if down else 1
    span = slope * samples
    calibration = Calibration((sign * slope, sign * slope * tilt), (start, start + shift * span))
    k = calibration.wavenumbers(samples)
    made = resampling_of(calibration, samples)
    grid = np.linspace(k.min(axis=1).max(), k.max(axis=1).min(), samples)
    for channel in range(2):
        stored = k[channel] if channel == 0 else k[channel, ::-1]
        even = (
            stored[made.below[channel]] * (1 - made.weight[channel])
            + stored[made.above[channel]] * made.weight[channel]
        )
        assert np.allclose(even, grid, rtol=1e-6, atol=1e-6 * np.ptp(grid))
        assert np.all(np.abs(made.above[channel] - made.below[channel]) == 1)


# --- against the formulae


@given(
    alines=st.integers(1, 12),
    samples=st.integers(32, 90).map(lambda half: 2 * half),
    seed=st.integers(0, 1 << 32),
    window=st.sampled_from(["none", "hann"]),
    phases=st.integers(0, 40),
)
@settings(max_examples=60, deadline=None)
def test_equals_the_formulae(alines: int, samples: int, seed: int, window: Any, phases: int) -> None:
    rng = np.random.default_rng(seed)
    spectra = rng.integers(0, 65536, (2, 2, samples, alines)).astype(np.uint16)
    slope = -rng.uniform(0.05, 0.2)
    calibration = Calibration((slope, slope * 1.01), (1400, 1399))
    dispersion = rng.uniform(-20, 20, phases) if phases > 1 else None
    reconstruction = FieldReconstruction(calibration, samples, dispersion, window)
    own = np.empty((reconstruction.depth, 2, 4 * alines), np.float32)
    for bline in range(2):
        reconstruction.fields(spectra[bline], own[:, bline], reconstruction.scratch(alines))
    plain = reference_fields(spectra, calibration, dispersion, window)
    assert own.shape == plain.shape
    assert np.abs(own - plain).max() <= 2e-6 * max(1.0, float(np.abs(plain).max())) + 0.5


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_products_are_those_of_the_complex_tile(case: SpectralCase, backend: Any) -> None:
    """Streamed by pieces, the fields give what the whole complex tile gives."""
    volumes, maps = processed(case, backend=backend)
    fields = reference_fields(case.spectra(), case.calibration, case.dispersion)
    assert np.abs(volumes["complex"] - fields).max() < 1e-6 * np.abs(fields).max()
    whole = process_complex_tile(np.ascontiguousarray(volumes["complex"]), TileOptions(), backend=backend)
    for name, volume in whole.volumes.items():
        assert np.array_equal(volumes[name], volume), name
    for name, enface in whole.enface.items():
        assert np.array_equal(maps[name], enface, equal_nan=True), name


def test_threads_change_nothing(case: SpectralCase) -> None:
    alone, together = processed(case), processed(case, threads=3)
    for one, other in zip(alone, together, strict=True):
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[name], other[name], equal_nan=True) for name in one)


# --- memory, stopping, broken files


@given(threads=st.integers(1, 128), alines=st.integers(1, 1000), samples=st.integers(32, 2048).map(lambda n: 2 * n))
def test_threads_share_the_memory_limit(threads: int, alines: int, samples: int) -> None:
    used, rows = shares(threads, alines, samples)
    assert 1 <= used <= threads and rows >= 1
    taken = used * (16 * samples * alines + rows * 14 * samples * alines)
    assert taken <= MEMORY_LIMIT or (used, rows) == (1, 1)


@pytest.mark.parametrize("threads", [1, 2])
def test_memory_does_not_grow_with_the_blines(tmp_path: Path, threads: int) -> None:
    """A file of 256 B-lines takes no more than one of 32 but for its maps, and never near its own size."""
    case = spectral_case(tmp_path, SimulationSpec(kind="spectral", shape=(64, 32, 200), batches=1, tiles_per_batch=1))
    content = case.path.read_bytes()
    long = tmp_path / "long.nii"
    header = bytearray(content[:352])
    header[40:56] = np.array([4, 64, 448, 2, 256, 1, 1, 1], "<i2").tobytes()
    long.write_bytes(bytes(header) + content[352:] * 8)
    peaks = []
    for path in (case.path, case.path, long):  # the first warms up
        other = SpectralCase(case.spec, path, case.format, case.calibration, case.dispersion)
        reconstruction = other.reconstruction
        with other.open() as tile:
            tracemalloc.start()
            try:
                process(tile, reconstruction, TileOptions(), {}, threads=threads)
                peaks.append(tracemalloc.get_traced_memory()[1])
            finally:
                tracemalloc.stop()
    maps = 6 * 4 * 64 * 256
    assert peaks[2] <= peaks[1] + maps + 500_000
    assert peaks[2] < long.stat().st_size / 2


def test_what_check_raises_ends_the_work(case: SpectralCase) -> None:
    calls = 0
    lock = threading.Lock()

    def check() -> None:
        nonlocal calls
        with lock:
            calls += 1
            if calls == 2:
                raise TimeoutError("stop")
        time.sleep(0.01)

    with case.open() as tile, pytest.raises(TimeoutError):
        process(tile, case.reconstruction, TileOptions(), {}, threads=2, check=check)


def test_a_sink_s_error_ends_the_work(case: SpectralCase) -> None:
    def full(first_row: int, block: NDArray[np.float32]) -> None:
        raise OSError(28, "No space left on device")

    with case.open() as tile, pytest.raises(OSError, match="No space left"):
        process(tile, case.reconstruction, TileOptions(), {"dBI": full}, threads=2)


def test_a_file_that_shrinks_while_it_is_read_is_named(tmp_path: Path) -> None:
    case = spectral_case(tmp_path, SMALL)
    with case.open() as tile:
        with case.path.open("r+b") as handle:
            handle.truncate(case.path.stat().st_size // 2)
        with pytest.raises(BadFile, match=r"spectral_cropped_focus\.nii: found only \d+ of \d+ bytes of B-line"):
            process(tile, case.reconstruction, TileOptions(), {})
