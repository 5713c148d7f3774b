"""PS-OCT: numbers against ground truth, the kernel against the formulae, and cases whose answer is known."""

import dataclasses
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from opticstream.core.errors import BadFile, BadInput
from opticstream.imaging.nifti import write_nifti
from opticstream.imaging.oct_simulator import SimulationSpec, simulate_tile
from opticstream.imaging.psoct import TileOptions, TileProducts, process_complex_tile
from opticstream.imaging.psoct.reference import steepness
from opticstream.imaging.psoct.surface_filter import gaussian_weights
from opticstream.imaging.psoct.tile import Backend


def axial(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Return the angle between two axes, degrees, 0 to 90."""
    return np.asarray(90 - np.abs(90 - np.mod(np.abs(a - b), 180)))


def tile_of(j1: NDArray[Any], j2: NDArray[Any]) -> NDArray[np.float32]:
    """Return a tile in file order from fields (nz, ny, nx), shallowest sample first."""
    parts = [j1.real, j1.imag, j2.real, j2.imag]
    return np.ascontiguousarray(np.concatenate(parts, axis=2)[::-1], np.float32)


# --- against ground truth


@pytest.mark.parametrize("backend", ["numba", "numpy"])
@pytest.mark.parametrize(("mosaic", "tile", "seed"), [(1, 1, 0), (1, 5, 1), (2, 3, 2)])
def test_ground_truth(mosaic: int, tile: int, seed: int, backend: Backend) -> None:
    truth, raw = simulate_tile(SimulationSpec(shape=(64, 64, 160), seed=seed), mosaic, tile)
    enface = process_complex_tile(raw, TileOptions(), backend=backend).enface
    assert np.median(np.abs(enface["surf"] - truth.surface)) <= 1.5
    assert np.median(axial(enface["ori"], truth.orientation_deg)) <= 1.0
    assert np.median(np.abs(enface["ret"] - truth.retardance_deg)) <= 2.0
    # The slope is of the retardance inside the window, where it has not folded at 90°.
    assert np.median(np.abs(enface["biref"] / truth.delta_n - 1)) <= 0.2
    assert np.all(enface["mip"] >= enface["aip"])


def test_known_fields_give_known_angles() -> None:
    """A retarder of 30° whose axis lies at 20°: amplitudes sin and cos of 30°, phase difference twice the angle."""
    shape = (8, 2, 3)
    phase = np.exp(1j * np.radians(2 * (20 - 100)))
    j1 = np.full(shape, 500 * np.sin(np.radians(30))) * phase
    j2 = np.full(shape, 500 * np.cos(np.radians(30))) + 0j
    for backend in ("numba", "numpy"):
        made = process_complex_tile(tile_of(j1, j2), TileOptions(), backend=backend)  # type: ignore[arg-type]
        assert np.allclose(made.volumes["R3D"], 30, atol=1e-3)
        assert np.allclose(made.volumes["O3D"], 20, atol=1e-3)
        assert np.allclose(made.volumes["dBI"], 20 * np.log10(500), atol=1e-3)
        turned = process_complex_tile(tile_of(j1, j2), TileOptions(phase_offset_deg=110), backend=backend)  # type: ignore[arg-type]
        assert np.allclose(turned.volumes["O3D"], 30, atol=1e-3)
        flipped = process_complex_tile(tile_of(j1, j2), TileOptions(flip_phase=True), backend=backend)  # type: ignore[arg-type]
        assert np.allclose(axial(flipped.volumes["O3D"], np.array(100 + 80)), 0, atol=1e-3)


def test_depth_order_is_the_file_s_unless_flipped() -> None:
    j2 = np.arange(1, 7, dtype=float)[:, None, None] * np.ones((6, 1, 2)) + 0j
    raw = tile_of(j2 * 0, j2)
    flipped = process_complex_tile(raw, TileOptions()).volumes["dBI"][:, 0, 0]
    as_stored = process_complex_tile(raw, TileOptions(flip_z=False)).volumes["dBI"][:, 0, 0]
    assert np.allclose(flipped, 20 * np.log10(np.arange(1, 7)), atol=1e-4)
    assert np.array_equal(as_stored, flipped[::-1])


def test_birefringence_is_the_slope_of_the_retardance() -> None:
    nz, delta_n = 60, 8e-4
    retardance = np.radians(360 * delta_n * np.arange(nz) * 2.5 / 1.3)[:, None, None] * np.ones((nz, 2, 2))
    raw = tile_of(100 * np.sin(retardance) + 0j, 100 * np.cos(retardance) + 0j)
    made = process_complex_tile(raw, TileOptions(enface_depth=40, enface_offset=3))
    assert np.allclose(made.enface["biref"], delta_n, rtol=1e-3)


@pytest.mark.parametrize("sigma", [1.0, 2.5, 5.0])
def test_the_surface_filter_is_a_gaussian(sigma: float) -> None:
    """Kernel and formulae share these weights, so nothing else would tell."""
    weights = gaussian_weights(sigma)
    offsets = np.arange(len(weights)) - len(weights) // 2
    assert len(weights) == 2 * int(4 * sigma + 0.5) + 1 and np.array_equal(weights, weights[::-1])
    assert weights.sum() == pytest.approx(1, abs=1e-5)
    assert np.sqrt((weights * offsets**2).sum()) == pytest.approx(sigma, rel=0.01)


# --- the kernel is the formulae


@st.composite
def tiles(draw: st.DrawFn) -> NDArray[np.float32]:
    nz, ny, nx = draw(st.tuples(st.integers(1, 40), st.integers(1, 10), st.integers(1, 9)))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    raw = (rng.standard_normal((nz, ny, 4 * nx)) * 10.0 ** draw(st.integers(-3, 4))).astype(np.float32)
    for value in draw(st.sets(st.sampled_from([0.0, np.nan, np.inf, -np.inf]))):
        raw[rng.random(raw.shape) < 0.1] = value
    return raw


@st.composite
def parameters(draw: st.DrawFn) -> TileOptions:
    return TileOptions(
        phase_offset_deg=draw(st.floats(-200, 200)),
        flip_phase=draw(st.booleans()),
        flip_z=draw(st.booleans()),
        enface_offset=draw(st.integers(0, 50)),
        enface_depth=draw(st.integers(1, 80)),
        surface_sigma=draw(st.floats(0.3, 8)),
    )


@given(raw=tiles(), options=parameters())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_kernel_equals_formulae(raw: NDArray[np.float32], options: TileOptions) -> None:
    own = process_complex_tile(raw, options, backend="numba")
    plain = process_complex_tile(raw, options, backend="numpy")
    assert np.allclose(own.volumes["dBI"], plain.volumes["dBI"], atol=1e-3)
    assert np.allclose(own.volumes["R3D"], plain.volumes["R3D"], atol=1e-2)
    lit = _has_both_fields(raw, options)
    assert np.max(axial(own.volumes["O3D"], plain.volumes["O3D"])[lit], initial=0) < 1e-2
    same = own.enface["surf"] == plain.enface["surf"]
    # Equally steep rises may be told apart by the last bit; one that is less steep may not be taken.
    rise = steepness(plain.volumes["dBI"], options)
    taken = np.take_along_axis(rise, own.enface["surf"].astype(int)[None], axis=0)[0]
    assert np.allclose(taken, rise.max(axis=0), atol=1e-3)
    for name, tolerance in (("aip", 1e-3), ("mip", 1e-3), ("ret", 1e-2)):
        assert np.allclose(own.enface[name][same], plain.enface[name][same], atol=tolerance, equal_nan=True), name
    for name in ("ori", "biref"):
        assert np.array_equal(np.isnan(own.enface[name][same]), np.isnan(plain.enface[name][same])), name


def _has_both_fields(raw: NDArray[np.float32], options: TileOptions) -> NDArray[np.bool_]:
    """Where both fields are strong enough for their phase to mean something."""
    nx = raw.shape[2] // 4
    parts = [np.nan_to_num(raw[..., i * nx : (i + 1) * nx], posinf=0, neginf=0) for i in range(4)]
    lit = (np.hypot(parts[0], parts[1]) > 1e-6) & (np.hypot(parts[2], parts[3]) > 1e-6)
    return lit[::-1] if options.flip_z else lit


def test_enface_orientation_and_birefringence_equal_formulae_on_tissue() -> None:
    """Wider than two of the kernel's blocks, the last of them not full."""
    _, raw = simulate_tile(SimulationSpec(shape=(131, 12, 120), seed=9), 1, 2)
    own, plain = (process_complex_tile(raw, TileOptions(), backend=name) for name in ("numba", "numpy"))  # type: ignore[arg-type]
    same = own.enface["surf"] == plain.enface["surf"]
    assert same.mean() > 0.999
    assert np.max(axial(own.enface["ori"], plain.enface["ori"])[same]) < 0.01
    assert np.allclose(own.enface["biref"][same], plain.enface["biref"][same], atol=1e-7)


def _equal(a: TileProducts, b: TileProducts) -> bool:
    pairs = [(a.volumes[name], b.volumes[name]) for name in a.volumes]
    pairs += [(a.enface[name], b.enface[name]) for name in a.enface]
    return all(np.array_equal(x, y, equal_nan=True) for x, y in pairs)


def test_threads_change_nothing() -> None:
    _, raw = simulate_tile(SimulationSpec(shape=(20, 33, 60)), 1, 1)
    assert _equal(process_complex_tile(raw, TileOptions()), process_complex_tile(raw, TileOptions(), threads=4))


def test_a_file_gives_what_its_samples_give(tmp_path: Path) -> None:
    _, raw = simulate_tile(SimulationSpec(shape=(20, 9, 60)), 1, 1)
    path = tmp_path / "mosaic_001_image_0001_processed_cropped_focus.nii"
    write_nifti(path, raw, (0.01, 0.01, 0.0025), description="tile")
    assert _equal(process_complex_tile(raw, TileOptions()), process_complex_tile(path, TileOptions()))


def test_a_file_in_foreign_byte_order_gives_the_same(tmp_path: Path) -> None:
    _, raw = simulate_tile(SimulationSpec(shape=(20, 9, 60)), 1, 1)
    path = tmp_path / "foreign.nii"
    foreign = nibabel.Nifti1Header(endianness="<" if sys.byteorder == "big" else ">")
    nibabel.save(nibabel.Nifti1Image(raw.T, np.eye(4), header=foreign), path)
    assert _equal(process_complex_tile(raw, TileOptions()), process_complex_tile(path, TileOptions()))


def test_formulae_do_the_work_where_nothing_may_be_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    _, raw = simulate_tile(SimulationSpec(shape=(6, 9, 60)), 1, 1)
    compiled = process_complex_tile(raw, TileOptions())
    plain = process_complex_tile(raw, TileOptions(), backend="numpy")
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    assert _equal(process_complex_tile(raw, TileOptions()), plain)
    assert not _equal(compiled, plain), "to the last bit they differ, so this tells which one ran"


def test_the_next_process_loads_the_kernels_this_one_compiled(pytestconfig: pytest.Config) -> None:
    process_complex_tile(np.zeros((4, 1, 4), np.float32), TileOptions(), backend="numba")
    code = "import sys, pathlib, opticstream.imaging.psoct as p; p.warm_kernels(pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(pytestconfig.cache.mkdir("kernels"))]
    environment = {**os.environ, "NUMBA_DEBUG_CACHE": "1"}
    said = subprocess.run(command, capture_output=True, check=True, text=True, env=environment).stdout
    assert "data loaded from" in said and "data saved to" not in said, said


def test_windows_beyond_the_end_are_nan_and_windows_across_it_are_cut() -> None:
    _, raw = simulate_tile(SimulationSpec(shape=(8, 8, 60)), 1, 1)
    beyond = process_complex_tile(raw, TileOptions(enface_offset=60)).enface
    assert all(np.isnan(beyond[name]).all() for name in ("aip", "mip", "ret", "ori", "biref"))
    assert np.isfinite(beyond["surf"]).all()
    across = process_complex_tile(raw, TileOptions(enface_offset=5, enface_depth=500)).enface
    assert all(np.isfinite(across[name]).all() for name in across)


# --- stopping, memory, bad files


@pytest.mark.parametrize("threads", [1, 3])
def test_what_check_raises_ends_the_work(threads: int) -> None:
    calls, pieces = 0, 4000  # so many that even a thread that stalls does not let half of them pass
    lock = threading.Lock()

    def check() -> None:
        nonlocal calls
        with lock:
            calls += 1
            if calls == 3:
                raise TimeoutError("stop")
        time.sleep(0.01)

    with pytest.raises(TimeoutError):
        process_complex_tile(np.zeros((4, 8 * pieces, 8), np.float32), TileOptions(), threads=threads, check=check)
    assert calls == 3 if threads == 1 else calls < pieces / 2


def test_memory_stays_below_the_tile_s_size(tmp_path: Path) -> None:
    raw = np.ones((100, 128, 4 * 64), np.float32)
    path = tmp_path / "tile.nii"
    write_nifti(path, raw, (0.01, 0.01, 0.0025), description="tile")
    process_complex_tile(path, TileOptions())
    tracemalloc.start()
    try:
        process_complex_tile(path, TileOptions(), threads=2)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= 1.2 * raw.nbytes


def test_a_volume_that_is_no_complex_tile_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "odd.nii"
    write_nifti(path, np.zeros((5, 6, 7), np.float32), (1, 1, 1), description="odd")
    with pytest.raises(BadFile, match=r"odd\.nii: found shape \(7, 6, 5\) of float32; expected a complex tile"):
        process_complex_tile(path, TileOptions())


@pytest.mark.parametrize("backend", ["numba", "numpy"])
@pytest.mark.parametrize("shape", [(4, 5, 7), (4, 8), (4, 5, 8, 1), (0, 4, 8), (4, 0, 8), (4, 5, 0)])
def test_samples_in_another_shape_are_refused(shape: tuple[int, ...], backend: Backend) -> None:
    with pytest.raises(BadInput, match=r"tile: found shape \(.*\); expected \(nz, ny, 4·nx\)"):
        process_complex_tile(np.zeros(shape, np.float32), TileOptions(), backend=backend)


def test_options_come_from_the_project_s_configuration() -> None:
    from opticstream.core.scan_config import OCTAcquisition, OCTProcessing

    acquisition = OCTAcquisition(scan_resolution_3d=(0.01, 0.01, 0.003), wavelength_um=1.31)
    options = TileOptions.from_config(acquisition, OCTProcessing(enface_depth=50, surface_sigma=3))
    wanted = TileOptions(wavelength_um=1.31, voxel_z_um=3.0, enface_depth=50, surface_sigma=3)
    assert dataclasses.asdict(options) == pytest.approx(dataclasses.asdict(wanted))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_options_that_are_no_numbers_are_refused(value: float) -> None:
    """They would be found as maps and volumes of NaN, or by the end of the first tile."""
    from opticstream.core.scan_config import OCTAcquisition, OCTProcessing

    for model, name in ((OCTProcessing, "phase_offset_deg"), (OCTProcessing, "surface_sigma")):
        with pytest.raises(ValidationError, match=name):
            model.model_validate({name: value})
    with pytest.raises(ValidationError, match="finite"):
        OCTAcquisition.model_validate({"scan_resolution_3d": (value, 0.01, 0.003)})
