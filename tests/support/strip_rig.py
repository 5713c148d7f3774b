"""Strips that arrive one by one for real processes, with a copy kept aside of every raw byte."""

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from sqlalchemy import select

from opticstream.core.lsm_events import STRIP_ARCHIVED, STRIP_COMPRESSED, STRIP_PROCESSED
from opticstream.core.lsm_identifiers import StripId
from opticstream.core.lsm_layout import strip_archive_path, strip_mip_path, strip_zarr_path
from opticstream.core.settings import Settings
from opticstream.deployments.relay import Relay
from opticstream.deployments.relay_api import RelayApi
from opticstream.imaging.archive import verify_archive
from opticstream.imaging.lsm_simulation_spec import LSMSimulationSpec
from opticstream.imaging.lsm_simulator import simulate_lsm
from opticstream.state import LSM_TREE, Database, open_database, setup_project
from opticstream.state.tables import outbox
from support.api import ask_api
from support.claims_audit import committed_stages, statuses
from support.sheet import sheet_config
from support.waiting import until

ROWS, COLUMNS = 21, 48
SPEC = {"rows": ROWS, "columns": COLUMNS, "frames": 300, "frames_per_file": 4, "overlap_percent": 25}
"""Many small files, so that every stage takes long enough to be hit."""
LEASE_S = 1.5


class StripRig:
    """Project ``sheet`` and its strips, which lie with the camera until they arrive.

    Args:
        settings: of the test's own process.
        strips: how many there are.
        seen_from: root of the mount namespace that the products are in, as this process sees it.
        options: of the project's configuration.
    """

    def __init__(self, settings: Settings, strips: int, seen_from: Path | None = None, **options: Any) -> None:
        self.settings, self._seen_from = settings, seen_from
        self.folder = settings.home.parent / "light sheet"
        self.raw, self._camera = self.folder / "raw", self.folder / "camera"
        self.raw.mkdir(parents=True)
        folders = simulate_lsm(self._camera, LSMSimulationSpec(strips=strips, **SPEC))
        self.truth = {folder.name: _content(folder) for folder in folders}
        self.coming = [folder.name for folder in folders]
        # One more than come: the channel is not what these tests are about.
        self.config = sheet_config(self.folder, strips_per_slice=strips + 1, **options)
        self.configure()

    def configure(self, **options: Any) -> None:
        """Set the project up, with other options than before."""
        self.config = self.config.model_copy(update=options)
        with open_database(self.settings) as database:
            setup_project(database, LSM_TREE, "sheet", self.config)

    def arrive(self) -> str:
        """Let the next strip appear, whole; return its folder's name."""
        name = self.coming.pop(0)
        (self._camera / name).rename(self.raw / name)
        return name

    def keep_busy(self, database: Database) -> None:
        """Let strips arrive until two are not completed."""
        here = len(self.truth) - len(self.coming)
        for _ in range(min(len(self.coming), 2 - (here - statuses(database, "strip").get("completed", 0)))):
            self.arrive()

    def ident(self, name: str) -> StripId:
        return StripId(project="sheet", slice=1, channel=1, strip=list(self.truth).index(name) + 1)

    def seen(self, path: Path) -> Path:
        """Return where this process sees a path of the crew's."""
        return path if self._seen_from is None else self._seen_from / path.relative_to("/")

    def zarr(self, name: str) -> Path:
        return self.seen(strip_zarr_path(self.config, self.ident(name)))

    def mip(self, name: str) -> Path:
        return self.seen(strip_mip_path(self.config, self.ident(name)))

    def archive(self, name: str) -> Path:
        assert self.config.archive_path is not None
        return self.seen(strip_archive_path(self.config.archive_path, self.ident(name)))

    @staticmethod
    def alter(file: Path) -> None:
        """Change a file's content and neither its size nor its time."""
        before = file.stat()
        data = bytearray(file.read_bytes())
        data[100] ^= 0xFF
        file.write_bytes(data)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    def voxels(self, name: str) -> Any:
        """Return a strip as the format says, cropped: (rows, columns, frames)."""
        files = sorted((path[:10][::-1], data) for path, data in self.truth[name].items() if path.endswith("spool.dat"))
        frames = np.frombuffer(b"".join(data for _, data in files), "<u2").reshape(-1, ROWS + 1, COLUMNS)
        return frames[:, :ROWS].transpose(1, 2, 0)

    def check_raw(self) -> None:
        """Each raw file is in its folder, where that was moved to, or deleted after both products were published."""
        for name, content in self.truth.items():
            if name in self.coming:
                continue
            left = set(content) - _names(self.raw / name)
            left -= _names(self.raw / "processed" / name) if left else set()
            if left and self.config.strip_cleanup_action == "delete":
                assert all(path.endswith("spool.dat") for path in left), f"{name}: {left} deleted"
                assert (self.zarr(name) / "zarr.json").is_file(), f"{name}: raw files deleted before the Zarr was there"
                archived = self.archive(name)
                assert (archived / "SHA256SUMS").is_file(), f"{name}: raw files deleted before the archive was there"
                left -= {path for path in left if (archived / path).stat().st_size == len(content[path])}
            assert not left, f"{name}: {len(left)} raw files are nowhere"

    def check_end(self, database: Database) -> None:
        """Every strip once through its stages, its products equal to the raw bytes, nothing temporary left."""
        tokens = committed_stages(database)
        assert sorted(tokens) == sorted(
            (str(self.ident(name)), stage) for name in self.truth for stage in ("archive", "cleanup", "compress")
        )
        for name, content in self.truth.items():
            voxels = self.voxels(name)
            assert np.array_equal(zarr.open_group(self.zarr(name), mode="r")["0"][:], voxels), name
            assert np.array_equal(tifffile.imread(io.BytesIO(self.mip(name).read_bytes())), voxels.max(axis=0))
            assert verify_archive(self.archive(name)).verified, name
            archived = {path: (self.archive(name) / path).read_bytes() for path in content}
            assert archived == content, f"{name}: the archive is not what the camera wrote"
            if self.config.strip_cleanup_action == "rename":
                assert not (self.raw / name).exists()
                assert _content(self.raw / "processed" / name) == content
            else:
                assert _names(self.raw / name) == {path for path in content if not path.endswith("spool.dat")}
        assert self.temporaries == []

    @property
    def temporaries(self) -> list[str]:
        """Paths of everything hidden: temporary names are, whole trees, single files and rubbish alike."""
        folders = {self.folder, self.config.products_path, self.config.archive_path or self.folder}
        return sorted({str(path) for folder in folders for path in self.seen(folder).rglob(".*")})

    def check_events(self, database: Database, url: str) -> None:
        """Each strip's events were written once, and the API stored each of them once."""
        with database.peek() as connection:
            rows = connection.execute(select(outbox.c.event, outbox.c.resource, outbox.c.event_id)).all()
        written = sorted((row.event, row.resource) for row in rows)
        names = (STRIP_ARCHIVED, STRIP_COMPRESSED, STRIP_PROCESSED)
        assert written == sorted((event, str(self.ident(name))) for event in names for name in self.truth)
        ids = sorted(row.event_id for row in rows)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PREFECT_API_URL", url)
            with RelayApi(self.settings) as api, Relay(database, api):
                # A dead relay's events are another's after half a minute; what Prefect has lost it takes again only
                # when it has forgotten, after five minutes, that it had it.
                until(lambda: _stored(url, ids) == ids, "each event is there once", 450, every_s=0.2)


def _stored(url: str, ids: list[str]) -> list[str]:
    found: list[str] = []
    for start in range(0, len(ids), 50):
        body = {"filter": {"id": {"id": ids[start : start + 50]}}, "limit": 50}
        answer = ask_api(url, "events/filter", body)
        assert answer["total"] <= 50
        found += [event["id"] for event in answer["events"]]
    return sorted(found)


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _names(folder: Path) -> set[str]:
    try:
        return {path.name for path in folder.iterdir()}
    except FileNotFoundError:
        return set()
