"""Where the products of a light-sheet project go."""

from pathlib import Path

from opticstream.core.lsm_config import LSMScanConfig
from opticstream.core.lsm_identifiers import ChannelId, StripId


def acquisition_label(channel: ChannelId) -> str:
    """Return the ``acq`` of a product's name: ``camera-01``."""
    return f"camera-{channel.channel:02d}"


def _named(config: LSMScanConfig, strip: StripId, name: str) -> Path:
    return config.products_path / name.format(
        project_name=config.project_name,
        slice_id=strip.slice,
        strip_id=strip.strip,
        channel_id=strip.channel,
        acq=acquisition_label(strip),
    )


def strip_zarr_path(config: LSMScanConfig, strip: StripId) -> Path:
    """Return where a strip's OME-Zarr goes."""
    return _named(config, strip, config.output_format)


def strip_mip_path(config: LSMScanConfig, strip: StripId) -> Path:
    """Return where a strip's maximum intensity projection goes."""
    return _named(config, strip, config.output_mip_format)


def info_file(config: LSMScanConfig, folder: Path) -> Path | None:
    """Return the camera's info file of a strip: the project's, or ``<strip>_info.mat`` beside the strip's folder."""
    beside = folder.with_name(f"{folder.name}_info.mat")
    return config.info_file or (beside if beside.is_file() else None)


def strip_archive_path(archive: Path, strip: StripId) -> Path:
    """Return where a strip's raw files are archived; never shared by two sessions, whatever their folders are called."""
    return archive / strip.project / strip.key


def channel_mip_path(config: LSMScanConfig, channel: ChannelId) -> Path:
    """Return where the joined projection of a channel goes; its preview is beside it, as ``.png``."""
    return config.products_path / f"{_channel_stem(config, channel)}_proc-mip.tiff"


def channel_volume_path(config: LSMScanConfig, channel: ChannelId) -> Path:
    """Return where the joined volume of a channel goes."""
    return config.products_path / f"{_channel_stem(config, channel)}_proc-volume.ome.zarr"


def _channel_stem(config: LSMScanConfig, channel: ChannelId) -> str:
    return f"{config.project_name}_sample-slice{channel.slice:02d}_acq-{acquisition_label(channel)}"
