"""The strip and channel flows against a real Prefect API: products, archive, clean-up and the rows that decide it."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from sqlalchemy import select, update

from opticstream.core.errors import BadFile, BadInput, ClaimRefused, WriteFailed
from opticstream.core.lsm_events import (
    CHANNEL_MIP_STITCHED,
    CHANNEL_READY,
    STRIP_ARCHIVED,
    STRIP_COMPRESSED,
    STRIP_READY,
)
from opticstream.core.settings import load_settings
from opticstream.core.staged_tree import StagedTree
from opticstream.flows.archive_strip import archive_strip
from opticstream.flows.process_channel import process_channel
from opticstream.imaging.archive import verify_archive
from opticstream.state import open_database
from opticstream.state.edit import retry
from opticstream.state.tables import claims, outbox
from support.sheet import SMALL, Sheet, sheet_config


@pytest.fixture
def sheet(prefect_api: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sheet]:
    monkeypatch.setenv("OPTICSTREAM_RETRY_BACKOFF_S", "[0]")
    folder = home.parent / "Lichtblatt 光 (λ)"
    settings = load_settings()
    with open_database(settings) as database:
        made = Sheet(settings, database, folder, sheet_config(folder))
        made.configure()
        made.simulate()
        yield made


def _announced(sheet: Sheet) -> list[str]:
    with sheet.database.peek() as connection:
        return list(connection.execute(select(outbox.c.event).order_by(outbox.c.id)).scalars())


def _raw_voxels(folder: Path) -> Any:
    """Read a strip as the format says, cropped: (rows, columns, frames)."""
    frames = [
        np.fromfile(folder / f"{index:010d}"[::-1].__add__("spool.dat"), "<u2").reshape(-1, 22, 48)
        for index in range(5)
    ]
    return np.concatenate(frames)[:, :21].transpose(1, 2, 0)


def test_a_strip_becomes_zarr_projection_and_archive_and_its_raw_data_move_aside(sheet: Sheet) -> None:
    folder = sheet.ready()
    voxels = _raw_voxels(folder)
    result = sheet.process()
    assert (result["outcome"], result["raw"]) == ("processed", "renamed")
    level = zarr.open_group(sheet.zarr(), mode="r")["0"]
    assert np.array_equal(level[:], voxels)
    assert np.array_equal(tifffile.imread(sheet.mip()), voxels.max(axis=0))
    assert verify_archive(sheet.archive()).verified
    assert not folder.exists() and (sheet.raw / "processed" / "Run1").is_dir()
    row = sheet.row()
    assert (row.status, row.attempts) == ("completed", 1)
    assert row.milestones == {"compressed": True, "archived": True, "uploaded": False}
    assert row.source is not None and row.source["strip_path"] == str(sheet.raw / "processed" / "Run1")
    assert _announced(sheet)[:2] == [STRIP_COMPRESSED, STRIP_ARCHIVED]
    results = sheet.state.results(sheet.ident())
    assert {stage: results[stage].get("verified") for stage in ("compress", "archive")} == {
        "compress": True,
        "archive": True,
    }
    assert sheet.temporaries == []


def test_a_second_run_does_nothing_and_a_forced_one_works_on_the_moved_data(sheet: Sheet) -> None:
    sheet.ready()
    sheet.process()
    assert sheet.process()["outcome"] == "done"
    before = sheet.zarr().stat().st_mtime_ns
    assert sheet.process(force_rerun=True)["outcome"] == "processed"
    assert sheet.zarr().stat().st_mtime_ns > before
    assert sheet.row().status == "completed" and sheet.temporaries == []


def test_deleting_takes_the_spool_files_and_leaves_the_rest(sheet: Sheet) -> None:
    sheet.configure(strip_cleanup_action="delete")
    folder = sheet.ready()
    assert sheet.process()["raw"] == "deleted"
    assert sorted(path.name for path in folder.iterdir()) == ["Spooled files.sifx", "acquisitionmetadata.ini"]
    with pytest.raises(BadFile, match="spool"):
        sheet.process(force_rerun=True)


def test_a_project_may_be_named_in_another_case_and_its_events_carry_its_own_name(sheet: Sheet) -> None:
    from opticstream.flows.process_strip import process_strip

    for strip in (1, 2):
        folder = sheet.raw / ("Run1" if strip == 1 else "Run1_1")
        assert process_strip("SHEET", 1, 1, strip, strip_path=str(folder))["unit"] == str(sheet.ident(strip))
    process_channel("Sheet", 1, 1)
    with sheet.database.peek() as connection:
        rows = connection.execute(select(outbox.c.project, outbox.c.resource, outbox.c.payload)).all()
    assert len(rows) == 8 and {row.project for row in rows} == {"sheet"}
    assert not any("SHEET" in f"{row.resource} {row.payload}" or "Sheet" in row.resource for row in rows)


def test_a_channel_is_joined_when_its_strips_are_there(sheet: Sheet) -> None:
    sheet.configure(stitch_volume=True)
    for strip in (1, 2):
        with pytest.raises(ClaimRefused, match=r"no such unit|not ready"):
            process_channel("sheet", 1, 1)
        sheet.ready(strip)
        sheet.process(strip)
    assert CHANNEL_READY in _announced(sheet)
    result = process_channel("sheet", 1, 1)
    assert result["outcome"] == "processed"
    image = tifffile.imread(result["products"]["mip"]["mip"])
    truth = json.loads((sheet.raw / "ground_truth.json").read_text())
    assert image.shape == (48 + truth["strips"][1]["y"] - truth["strips"][0]["y"], 70)
    assert Path(result["products"]["mip"]["preview"]).read_bytes().startswith(b"\x89PNG")
    volume = zarr.open_group(result["products"]["volume"]["volume"], mode="r")["0"]
    assert volume.shape == (21, *image.shape)
    assert CHANNEL_MIP_STITCHED in _announced(sheet)
    view = sheet.state.peek(sheet.channel)
    assert view is not None and view.status == "completed"
    assert process_channel("sheet", 1, 1)["outcome"] == "done"


def test_a_corrupted_copy_fails_the_strip_and_keeps_the_raw_data(sheet: Sheet, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk lies: what is read back from the archive is not what was written."""
    from opticstream.imaging.archive.writer import ArchiveWriter

    folder = sheet.ready()
    raw = {path.name: path.read_bytes() for path in folder.iterdir()}
    finish = ArchiveWriter.finish

    def damaged(self: ArchiveWriter) -> Any:
        manifest = finish(self)
        with next(self.staging.glob("1*spool.dat")).open("r+b") as file:
            file.seek(1000)
            file.write(b"\x00\xff\x00")
        return manifest

    with monkeypatch.context() as patch, pytest.raises(BadFile, match=r"1000000000spool\.dat: content"):
        patch.setattr(ArchiveWriter, "finish", damaged)
        sheet.process()
    row = sheet.row()
    assert row.status == "failed" and "content" in (row.error or "")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == raw
    assert not sheet.archive().exists() and sheet.temporaries == []
    assert [edit.after for edit in retry(sheet.state)] == ["ready"]
    zarr_before = sheet.zarr().stat().st_mtime_ns  # what was verified is not made again
    assert sheet.process()["raw"] == "renamed"
    assert sheet.zarr().stat().st_mtime_ns == zarr_before and sheet.row().status == "completed"


def test_another_sessions_archive_is_never_overwritten(sheet: Sheet) -> None:
    sheet.ready()
    other = sheet.archive()
    other.mkdir(parents=True)
    (other / "precious.dat").write_bytes(b"data")
    with pytest.raises(BadInput, match="something that is no archive of ours"):
        sheet.process()
    assert (other / "precious.dat").read_bytes() == b"data" and (sheet.raw / "Run1").is_dir()
    assert sheet.row().status == "failed" and sheet.row().milestones["compressed"]


def test_two_hosts_share_the_work_and_the_last_one_cleans_up(sheet: Sheet) -> None:
    sheet.configure(distribute_archive=True)
    folder = sheet.ready(dispatch="event")
    assert sheet.process()["raw"] == "early"
    assert folder.is_dir() and sheet.row().status == "running"
    assert sheet.process()["outcome"] == "done"
    done = archive_strip("sheet", 1, 1, 1)
    assert (done["outcome"], done["raw"]) == ("processed", "renamed")
    assert sheet.row().status == "completed" and not folder.exists()
    sheet.ready(2, dispatch="event")
    assert archive_strip("sheet", 1, 1, 2)["raw"] == "early"
    assert sheet.process(2)["raw"] == "renamed"


def test_a_raw_folder_that_grew_since_is_left_alone(sheet: Sheet) -> None:
    sheet.configure(distribute_archive=True)
    folder = sheet.ready(dispatch="event")
    sheet.process()
    (folder / "late.txt").write_text("written after the conversion")
    with pytest.raises(BadFile, match="other files when it was archived"):
        archive_strip("sheet", 1, 1, 1)
    assert (folder / "late.txt").is_file() and len(list(folder.glob("*spool.dat"))) == 5
    assert sheet.row().status == "failed"


def test_what_a_file_manager_leaves_in_the_folder_between_two_hosts_is_no_change(sheet: Sheet) -> None:
    sheet.configure(distribute_archive=True)
    folder = sheet.ready(dispatch="event")
    (folder / "desktop.ini").write_text("before")
    sheet.process()
    (folder / "Thumbs.db").write_text("somebody looked at the folder")
    assert archive_strip("sheet", 1, 1, 1)["raw"] == "renamed"
    assert (sheet.raw / "processed" / "Run1" / "Thumbs.db").is_file()


def test_a_crash_between_plan_and_act_is_finished_by_the_next_run(
    sheet: Sheet, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opticstream.imaging import raw_cleanup

    folder = sheet.ready()
    act = raw_cleanup.carry_out

    def interrupted(*args: Any) -> Any:
        act(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(raw_cleanup, "carry_out", interrupted)
        sheet.process()
    assert not folder.exists() and sheet.row().status != "completed"
    assert sheet.process()["outcome"] == "renamed"
    assert sheet.row().status == "completed" and (sheet.raw / "processed" / "Run1").is_dir()
    assert not (sheet.raw / "processed" / "Run1-2").exists()


@pytest.mark.parametrize("seen_by_the_other", ["/rig/sheet", r"D:\sheet"])
@pytest.mark.parametrize("action", ["delete", "rename"])
def test_a_clean_up_that_another_host_planned_is_done_where_this_one_sees_the_folder(
    sheet: Sheet, monkeypatch: pytest.MonkeyPatch, action: str, seen_by_the_other: str
) -> None:
    from opticstream.imaging import raw_cleanup

    def elsewhere(*parts: str) -> str:
        return ("\\" if "\\" in seen_by_the_other else "/").join((seen_by_the_other, "raw", *parts))

    def killed(plan: raw_cleanup.CleanupPlan, check: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setenv("OPTICSTREAM_PATH_MAP", json.dumps({seen_by_the_other: str(sheet.folder)}))
    sheet.configure(strip_cleanup_action=action)
    folder = sheet.ready()
    with sheet.state.open(sheet.ident()) as unit:
        unit.set_source({"strip_path": elsewhere("Run1")})
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(raw_cleanup, "carry_out", killed)
        sheet.process()
    with sheet.database.write("the other host's plan") as connection:
        noted = connection.execute(select(claims.c.result).where(claims.c.stage == "cleanup")).scalar_one()
        plan = noted["plan"] | {"folder": elsewhere("Run1")}
        if action == "rename":
            plan["target"] = elsewhere("processed", "Run1")
        connection.execute(update(claims).where(claims.c.stage == "cleanup").values(result={"plan": plan}))
    assert sheet.process()["outcome"] == action + "d"
    assert list(folder.glob("*spool.dat")) == [] and sheet.row().status == "completed"
    parts = ("processed", "Run1") if action == "rename" else ("Run1",)
    assert sheet.row().source == {"strip_path": elsewhere(*parts), "cleaned_up": action}


def test_raw_data_that_were_moved_aside_stay_there_when_the_strip_is_done_again(sheet: Sheet) -> None:
    sheet.ready()
    sheet.process()
    for _ in range(2):
        retry(sheet.state, [sheet.ident()], force=True)
        assert sheet.process()["raw"] == "kept"
    assert sorted(path.name for path in (sheet.raw / "processed").iterdir()) == ["Run1"]


def test_a_strip_that_is_done_again_goes_by_the_info_file_that_lay_beside_it(sheet: Sheet) -> None:
    shutil.rmtree(sheet.raw)
    sheet.simulate(replace(SMALL, info_file="strip", background_frames=6))
    sheet.ready()
    sheet.process()
    before = zarr.open_group(sheet.zarr(), mode="r")["0"]
    for _ in range(2):
        retry(sheet.state, [sheet.ident()], force=True)
        sheet.process()
        assert zarr.open_group(sheet.zarr(), mode="r")["0"].shape == before.shape == (21, 48, 70)


def test_a_strip_that_was_acquired_again_is_cleaned_up_by_a_plan_of_its_own(sheet: Sheet) -> None:
    folder = sheet.ready()
    shutil.copytree(folder, sheet.folder / "again")
    sheet.process()
    (sheet.folder / "again").rename(folder)
    sheet.state.register_ready(
        sheet.ident(), fingerprint="g", source={"strip_path": str(folder)}, dispatch="direct", force=True
    )
    assert sheet.process()["raw"] == "renamed"
    assert not folder.exists()
    assert len(list((sheet.raw / "processed" / "Run1-2").iterdir())) == 7


def test_an_event_that_arrives_twice_is_processed_once_also_when_it_was_forced(sheet: Sheet) -> None:
    from opticstream.flows.process_strip import process_strip_event

    sheet.configure(strip_cleanup_action="keep")
    source = {"strip_path": str(sheet.ready())}
    sheet.archive().mkdir(parents=True)  # another session's
    sheet.state.register_ready(sheet.ident(), fingerprint="g", source=source, dispatch="event", force=True)
    with sheet.database.peek() as connection:
        payload = connection.execute(select(outbox.c.payload).where(outbox.c.event == STRIP_READY)).scalar_one()
    assert [process_strip_event(payload)["outcome"] for _ in range(2)] == ["processed", "done"]
    assert sheet.archive().with_name("strip-0001.superseded-1").is_dir()


def test_the_clean_up_sweeps_what_a_kill_after_a_commit_left(sheet: Sheet, monkeypatch: pytest.MonkeyPatch) -> None:
    sheet.configure(strip_cleanup_action="keep")
    sheet.ready()
    sheet.process()
    sheet.configure(strip_cleanup_action="rename")

    def killed(self: StagedTree) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(StagedTree, "finish", killed)
        sheet.process(force_rerun=True)
    assert len(sheet.temporaries) == 1 and sheet.row().milestones["compressed"]
    assert sheet.process()["outcome"] == "renamed"
    assert sheet.temporaries == []


def test_a_strip_without_its_files_is_told(sheet: Sheet) -> None:
    folder = sheet.ready()
    (folder / "2000000000spool.dat").unlink()
    with pytest.raises(BadFile, match=r"2000000000spool\.dat"):
        sheet.process()
    assert sheet.row().status == "failed" and sheet.temporaries == []
    shutil.rmtree(folder)
    with pytest.raises(ClaimRefused, match="failed"):
        sheet.process()


def test_a_strip_below_the_projects_least_size_is_refused(sheet: Sheet) -> None:
    sheet.configure(strip_folder_size_threshold=25)
    sheet.ready()
    with pytest.raises(BadFile, match="at least 25 GB"):
        sheet.process()


@pytest.mark.parametrize("damage", ["shard", "projection"])
def test_a_product_that_the_disk_changed_is_not_published(
    sheet: Sheet, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opticstream.imaging import lsm

    sheet.configure(strip_cleanup_action="delete", archive_path=None)
    folder = sheet.ready()
    convert = lsm.convert_strip

    def damaged(strip: Any, zarr_folder: Path, *, mip: Path, **options: Any) -> Any:
        record = convert(strip, zarr_folder, mip=mip, **options)
        target = max((zarr_folder / "0").rglob("*"), key=lambda path: path.stat().st_size * path.is_file())
        with (target if damage == "shard" else mip).open("r+b") as file:
            file.seek(300)
            byte = file.read(1)
            file.seek(300)
            file.write(bytes([byte[0] ^ 1]))
        return record

    with monkeypatch.context() as patch, pytest.raises(BadFile, match="read back from the disk"):
        patch.setattr(lsm, "convert_strip", damaged)
        sheet.process()
    assert sheet.row().status == "failed" and not sheet.zarr().exists() and sheet.temporaries == []
    assert len(list(folder.glob("*spool.dat"))) == 5


@pytest.mark.parametrize("trouble", ["no folder", "a product held open"])
def test_a_strip_that_cannot_be_begun_fails_and_is_held_by_nobody(
    sheet: Sheet, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    sheet.ready()
    if trouble == "no folder":
        with sheet.state.open(sheet.ident()) as unit:
            unit.set_source({})
    else:

        def held(self: StagedTree) -> None:
            raise WriteFailed(str(self.final), found="in use by another program")

        monkeypatch.setattr(StagedTree, "recover", held)
    with pytest.raises((BadFile, WriteFailed)) as error:
        sheet.process()
    row = sheet.row()
    assert (row.status, row.error, row.claimed_by) == ("failed", str(error.value), None)
