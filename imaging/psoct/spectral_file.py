"""Spectral tiles on disk: what the configuration says of them, checked against the file, and read by the B-line."""

import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from opticstream.core.errors import BadFile, BadInput
from opticstream.core.scan_config import PSOCTScanConfig, SpectralLayout, SpectralPacking
from opticstream.imaging.nifti import read_nifti_info
from opticstream.imaging.psoct.packed12 import unpack12

CHANNELS = 2


@dataclass(frozen=True, slots=True)
class SpectralFormat:
    """How spectral tiles are stored; nothing of it is guessed from a file."""

    layout: SpectralLayout
    """``aline_fastest``: NIfTI axes (A-line, sample, channel, B-line), as a C array (B-line, 2, sample, A-line).
    ``sample_fastest``: NIfTI axes (sample, A-line, channel, B-line)."""
    samples: int = 2048
    """Samples of a spectrum."""
    packing: SpectralPacking | None = None
    """12-bit samples without a header, two in three bytes; None: NIfTI files of uint16."""
    shape_xy: tuple[int, int] = (350, 350)
    """A-lines and B-lines of files without a header; a header says it itself."""

    @classmethod
    def from_config(cls, config: PSOCTScanConfig, mosaic: int) -> "SpectralFormat":
        """Return the format of the tiles of a mosaic.

        Raises:
            BadInput: the configuration lacks a field that spectral tiles need.
        """
        config.check_spectral()
        scan = config.acquisition
        if scan.spectral_layout is None:
            raise BadInput("acquisition.spectral_layout", found="nothing", expected="aline_fastest or sample_fastest")
        packing = scan.spectral_packing if scan.tile_saving_type == "spectral_12bit" else None
        return cls(scan.spectral_layout, scan.spectral_samples, packing, config.tile_shape_xy(mosaic))


@dataclass(frozen=True, slots=True)
class SpectralInfo:
    """A spectral tile that is whole."""

    path: Path
    format: SpectralFormat
    alines: int
    blines: int
    dtype: np.dtype[Any]
    """Type of the stored samples; uint8 where they are packed."""
    offset: int
    """Byte at which the samples begin."""

    @property
    def bytes_per_bline(self) -> int:
        """Bytes of one B-line, both channels."""
        samples = CHANNELS * self.format.samples * self.alines
        return samples * 3 // 2 if self.format.packing else samples * self.dtype.itemsize


def check_spectral_tile(path: Path, wanted: SpectralFormat) -> SpectralInfo:
    """Check that a file is a whole spectral tile in the format that the configuration says.

    Raises:
        BadFile: it is not; with both layouts' axes where it looks like the other one.
    """
    return _check_packed(path, wanted) if wanted.packing else _check_nifti(path, wanted)


def check_spectra_of(config: PSOCTScanConfig, path: Path, mosaic: int) -> None:
    """Check the spectral file of a tile as far as the configuration says how it is stored.

    Beside complex tiles, which are what is processed, the layout may be left out: then the file must only be whole.

    Raises:
        BadFile: it is not what it should be.
        BadInput: spectra are what is processed, and the configuration lacks a field.
    """
    if config.acquisition.spectral_layout is None and not config.acquisition.reconstructs:
        read_nifti_info(path)
    else:
        check_spectral_tile(path, SpectralFormat.from_config(config, mosaic))


def _check_nifti(path: Path, wanted: SpectralFormat) -> SpectralInfo:
    info = read_nifti_info(path)
    shape = (*info.shape, *(1,) * (4 - len(info.shape)))  # headers may leave out a last axis of 1
    aline_axis, sample_axis = (0, 1) if wanted.layout == "aline_fastest" else (1, 0)
    fits = len(shape) == 4 and shape[sample_axis] == wanted.samples and shape[2] == CHANNELS
    if not fits or info.dtype.kind != "u" or info.dtype.itemsize != 2:
        axes = ("A-lines", str(wanted.samples)) if aline_axis == 0 else (str(wanted.samples), "A-lines")
        swapped = len(shape) == 4 and shape[aline_axis] == wanted.samples and shape[2] == CHANNELS
        raise BadFile(
            str(path),
            found=f"shape {info.shape} of {info.dtype}",
            expected=f"spectra stored {wanted.layout}: uint16, shape ({axes[0]}, {axes[1]}, {CHANNELS}, B-lines)",
            action="Its axes are those of the other layout: check acquisition.spectral_layout."
            if swapped
            else "Check acquisition.tile_saving_type, spectral_layout and spectral_samples, or --pattern.",
        )
    return SpectralInfo(path, wanted, shape[aline_axis], shape[3], info.dtype, info.offset)


def _check_packed(path: Path, wanted: SpectralFormat) -> SpectralInfo:
    alines, blines = wanted.shape_xy
    info = SpectralInfo(path, wanted, alines, blines, np.dtype(np.uint8), 0)
    try:
        if not path.is_file():
            raise BadFile(str(path), found="no such file, or a folder or device", expected="a file of packed spectra")
        size = path.stat().st_size
    except OSError as error:
        raise BadFile(str(path), found=error.strerror or str(error), expected="a file this user can read") from None
    whole = info.bytes_per_bline * blines
    if size != whole:
        raise BadFile(
            str(path),
            found=f"{size} bytes",
            expected=f"{whole} bytes: {blines} B-lines of {alines} A-lines, {CHANNELS} channels, "
            f"{wanted.samples} samples of 12 bits, and no header",
            action="Check tile_size_x, tile_size_y and spectral_samples of the acquisition; or copy the file again.",
        )
    return info


class SpectralTile:
    """An open spectral tile; several threads may read B-lines from it.

    Args:
        info: the file, checked.

    Raises:
        BadFile: it cannot be opened.
    """

    def __init__(self, info: SpectralInfo) -> None:
        self.info = info
        self._lock = threading.Lock()
        try:
            self._file = info.path.open("rb", buffering=0)
        except OSError as error:
            raise BadFile(str(info.path), found=error.strerror or str(error), expected="a readable file") from None

    def read(self, bline: int) -> NDArray[np.uint16]:
        """Return the spectra of one B-line, (2, samples, A-lines) uint16; reads nothing else.

        Raises:
            BadFile: the file ended early, or the disk failed.
        """
        info = self.info
        data = np.empty(info.bytes_per_bline, np.uint8)
        try:
            with self._lock:
                self._file.seek(info.offset + bline * info.bytes_per_bline)
                found = self._fill(data)
        except OSError as error:
            raise BadFile(str(info.path), found=error.strerror or str(error), expected="a readable file") from None
        if found != len(data):
            raise BadFile(
                str(info.path),
                found=f"only {found} of {len(data)} bytes of B-line {bline}",
                expected="a file that does not shrink while it is read",
                action="Copy it again.",
            )
        if info.format.packing:
            samples = unpack12(data, info.format.packing)
        else:
            samples = data.view(info.dtype).astype(np.uint16, copy=False)
        if info.format.layout == "aline_fastest":
            return samples.reshape(CHANNELS, info.format.samples, info.alines)
        swapped = samples.reshape(CHANNELS, info.alines, info.format.samples).transpose(0, 2, 1)
        return np.ascontiguousarray(swapped)

    def _fill(self, data: NDArray[np.uint8]) -> int:
        filled = 0
        while filled < len(data) and (count := self._file.readinto(data.data[filled:])):
            filled += count
        return filled

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
