"""Metadata of OME-Zarr: groups and arrays of versions 0.5 (Zarr v3) and 0.4 (Zarr v2).

Sources: OME-NGFF specification 0.4 and 0.5, *multiscales*; Zarr v2 and v3 core specifications and the v3 codecs
``bytes``, ``blosc``, ``crc32c`` and ``sharding_indexed``.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from opticstream.core.lsm_config import ZarrOptions
from opticstream.imaging.omezarr.levels import Level

Version = Literal["0.5", "0.4"]
Json = dict[str, Any]

AXES = ("z", "y", "x")
_BLOSC_SHUFFLE = {"none": 0, "shuffle": 1, "bitshuffle": 2}


def commit_mark(version: Version) -> str:
    """Return the file that is written last: with it the folder is a whole OME-Zarr."""
    return "zarr.json" if version == "0.5" else ".zgroup"


def is_whole_zarr(folder: Path) -> bool:
    """Say whether a folder's root metadata are there: they are written last."""
    return any((folder / commit_mark(version)).is_file() for version in get_args(Version))


def group_files(
    version: Version, name: str, levels: Sequence[Level], voxel_size_um: tuple[float, float, float]
) -> list[tuple[str, bytes]]:
    """Return the root's metadata files in the order in which they are written, :func:`commit_mark` last."""
    multiscales = _multiscales(name, levels, voxel_size_um)
    if version == "0.5":
        ome = {"version": "0.5", "multiscales": [multiscales]}
        return [("zarr.json", _text({"zarr_format": 3, "node_type": "group", "attributes": {"ome": ome}}))]
    attributes = {"multiscales": [{"version": "0.4"} | multiscales]}
    return [(".zattrs", _text(attributes)), (".zgroup", _text({"zarr_format": 2}))]


def _multiscales(name: str, levels: Sequence[Level], voxel_size_um: tuple[float, float, float]) -> Json:
    datasets = []
    for index in range(len(levels)):
        factor = 2**index
        # A voxel of level n covers 2^n of level 0, so its centre lies between theirs.
        transformations = [
            {"type": "scale", "scale": [size * factor for size in voxel_size_um]},
            {"type": "translation", "translation": [size * (factor - 1) / 2 for size in voxel_size_um]},
        ]
        datasets.append({"path": str(index), "coordinateTransformations": transformations})
    axes = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in AXES]
    return {
        "name": name,
        "axes": axes,
        "datasets": datasets,
        "type": "mean",
        "metadata": {"description": "mean of 2 x 2 x 2 voxels, rounded to the nearest whole number, halves to even"},
    }


def array_files(
    version: Version,
    shape: Sequence[int],
    chunk: Sequence[int],
    shard: Sequence[int],
    dtype: str,
    options: ZarrOptions,
    blocksize: int,
    *,
    axes: Sequence[str],
    attributes: Json | None = None,
) -> list[tuple[str, bytes]]:
    """Return an array's metadata files.

    Args:
        version: OME-Zarr's; decides the format of Zarr.
        shape: items on each axis.
        chunk: items of a chunk.
        shard: items of a shard, whole chunks; unused by 0.4, which has none.
        dtype: ``uint16`` or ``uint8``.
        options: compressor.
        blocksize: bytes that blosc compresses at once.
        axes: names of the axes.
        attributes: of the array.
    """
    itemsize = 2 if dtype == "uint16" else 1
    if version == "0.4":
        compressor = {"id": "blosc", "cname": options.codec, "clevel": options.level, "blocksize": blocksize}
        array = {
            "zarr_format": 2,
            "shape": list(shape),
            "chunks": list(chunk),
            "dtype": "<u2" if itemsize == 2 else "|u1",
            "compressor": compressor | {"shuffle": _BLOSC_SHUFFLE[options.shuffle]},
            "fill_value": 0,
            "order": "C",
            "filters": None,
            "dimension_separator": "/",
        }
        return [(".zattrs", _text(attributes or {})), (".zarray", _text(array))]
    blosc: Json = {"cname": options.codec, "clevel": options.level}
    blosc["shuffle"] = {"none": "noshuffle"}.get(options.shuffle, options.shuffle)
    blosc |= {"typesize": itemsize, "blocksize": blocksize}
    little: Json = {"name": "bytes", "configuration": {"endian": "little"}} if itemsize == 2 else {"name": "bytes"}
    sharding = {
        "chunk_shape": list(chunk),
        "codecs": [little, {"name": "blosc", "configuration": blosc}],
        "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}],
        "index_location": "end",
    }
    array = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(shard)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
        "attributes": attributes or {},
        "dimension_names": list(axes),
    }
    return [("zarr.json", _text(array))]


def _text(value: Json) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()
