"""The batch flow against a real Prefect API: what it leaves on disk and in the row, whatever happens."""

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import nibabel
import numpy as np
import pytest
from sqlalchemy import select, update

from opticstream.core.errors import BadFile, BadInput, ClaimLost, ClaimRefused, WriteFailed
from opticstream.core.events import BATCH_PROCESSED, BATCH_READY
from opticstream.state.tables import claims, outbox
from support.brain import Brain
from support.oct_folder import tile_bytes

PER_BATCH = 2 * 9 + 1


def _announced(brain: Brain) -> int:
    with brain.database.peek() as connection:
        return len(connection.execute(select(outbox).where(outbox.c.event == BATCH_PROCESSED)).all())


def test_a_batch_becomes_products_milestones_and_one_event(brain: Brain) -> None:
    brain.ready()
    result = brain.process()
    assert result["outcome"] == "processed"
    assert sorted(Path(name).name for name in result["products"]) == brain.products
    assert len(brain.products) == PER_BATCH
    row = brain.row()
    assert (row.status, row.attempts) == ("completed", 1)
    assert row.milestones["volume_processed"] and row.milestones["enface_processed"]
    assert _announced(brain) == 1
    folder = brain.config.project_base_path / "slice-01" / "processed"
    volume, enface = (nibabel.load(folder / f"mosaic_001_image_0001_{name}.nii") for name in ("dBI", "aip"))
    assert volume.shape == (12, 10, 40) and volume.get_data_dtype() == np.float32
    assert np.allclose(np.diag(volume.affine)[:3], brain.config.acquisition.scan_resolution_3d)
    assert enface.shape[:2] == (12, 10)


def test_a_second_run_does_nothing_unless_forced(brain: Brain) -> None:
    brain.ready()
    brain.process()
    folder = brain.config.project_base_path / "slice-01" / "processed"
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert brain.process() == {"unit": "mosaic 1 batch 1", "outcome": "done", "products": []}
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert brain.process(force_rerun=True)["outcome"] == "processed"
    assert all(path.stat().st_mtime_ns > before[path.name] for path in folder.iterdir())
    assert _announced(brain) == 2


def test_a_truncated_tile_fails_the_batch_and_a_retry_mends_it(brain: Brain) -> None:
    from opticstream.state.edit import retry

    paths = brain.ready()
    whole = paths[1].read_bytes()
    paths[1].write_bytes(whole[:-100])
    with pytest.raises(BadFile, match=rf"{paths[1].name}.*expected"):
        brain.process()
    assert brain.row().status == "failed"
    assert paths[1].name in (brain.row().error or "")
    assert brain.products == []
    paths[1].write_bytes(whole)
    retry(brain.state, [brain.ident()])
    assert brain.process()["outcome"] == "processed"
    assert brain.row().error is None


@pytest.mark.parametrize("broken", ["directory", "missing", "other shape", "not a NIfTI"])
def test_every_broken_tile_is_named(brain: Brain, broken: str) -> None:
    first, second = brain.ready()
    second.unlink()
    if broken == "directory":
        second.mkdir()
    elif broken == "not a NIfTI":
        second.write_bytes(b"nonsense" * 1000)
    elif broken == "other shape":
        data = np.asanyarray(nibabel.load(first).dataobj)[:, :5]
        nibabel.save(nibabel.Nifti1Image(data, np.eye(4)), second)
    with pytest.raises(BadFile, match="image_0002") as caught:
        brain.process()
    assert "expected" in str(caught.value)
    assert brain.row().status == "failed" and brain.products == []


def test_products_that_cannot_be_written_name_the_folder(brain: Brain) -> None:
    brain.ready()
    (brain.config.project_base_path).write_text("a file where the folder should be")
    with pytest.raises(WriteFailed, match="products"):
        brain.process()
    assert str(brain.config.project_base_path) in (brain.row().error or "")


@pytest.mark.skipif(os.name == "nt", reason="file size limits are POSIX")
def test_a_full_disk_leaves_nothing_behind(brain: Brain, prefect_api: str) -> None:
    brain.ready(content=tile_bytes((64, 64, 128)))
    # Files end at 1.5 MB here: a volume meets the short write and the error of a full disk.
    script = (
        "import resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, resource.RLIM_INFINITY))\n"
        "from opticstream.flows.process_tile_batch import process_tile_batch\n"
        "process_tile_batch('brain', 1, 1)\n"
    )
    environment = os.environ | {"PREFECT_API_URL": prefect_api}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert brain.row().status == "failed"
    assert "image_0001_dBI.nii: found File too large" in (brain.row().error or "")
    assert brain.products == []


def test_files_by_hand_need_no_watcher(brain: Brain) -> None:
    paths = brain.ready(2)
    by_hand = [str(path) for path in paths]
    assert brain.process(2, file_list=by_hand)["outcome"] == "processed"
    with pytest.raises(BadInput, match=r"tiles \[3, 4\].*tiles \[1, 2\]|expected one file for each of the tiles"):
        brain.process(1, file_list=by_hand)
    with pytest.raises(ClaimRefused):
        brain.process(1)  # failed: an operator retries it


def test_other_files_than_a_batch_was_registered_with_are_refused(brain: Brain, tmp_path: Path) -> None:
    paths = brain.ready()
    names = [str(path) for path in paths]
    others = [str(tmp_path / path.name) for path in paths]
    with pytest.raises(BadInput, match="other files than it was registered with"):
        brain.process(file_list=others)
    assert brain.row().status == "ready"
    assert brain.process(file_list=names)["outcome"] == "processed"
    assert brain.process(file_list=others)["outcome"] == "done"
    with pytest.raises(BadInput, match="other files than it was registered with"):
        brain.process(file_list=others, force_rerun=True)
    assert brain.row().status == "completed"


def test_a_batch_in_another_process_s_hands_is_left_alone(brain: Brain) -> None:
    brain.ready()
    claim = brain.state.claim(brain.ident(), "process", owner="another")
    assert brain.process()["outcome"] == "held"
    brain.state.release(claim)
    assert brain.process()["outcome"] == "processed"


def test_the_loser_of_a_take_over_says_so_and_publishes_nothing(brain: Brain, monkeypatch: pytest.MonkeyPatch) -> None:
    from opticstream.tasks import oct_batch
    from opticstream.tasks.batch_work import BatchWork

    brain.ready()
    whole = oct_batch.sync_file

    def taken_over(handle: IO[bytes]) -> None:
        """While the contact sheet is written, the lease runs out and a worker of another host takes over."""
        whole(handle)
        with brain.database.write("test") as connection:
            connection.execute(update(claims).values(lease_until=0, host="elsewhere"))
        successor = brain.state.claim(brain.ident(), "process", owner="successor")
        with BatchWork(brain.state, brain.config, successor):
            assert brain.products == []  # the loser's temporary files are swept
            brain.state.fail(successor, "the successor's own error")

    monkeypatch.setattr(oct_batch, "sync_file", taken_over)
    with pytest.raises(ClaimLost, match="Another worker took over"):
        brain.process()
    assert brain.row().error == "the successor's own error" and brain.products == []


def test_the_event_flow_reads_the_payload(brain: Brain) -> None:
    from opticstream.flows.process_tile_batch import process_tile_batch_event_flow

    paths = brain.ready()
    payload = {
        "batch_ident": brain.ident().model_dump(mode="json"),
        "file_list": [str(path) for path in paths],
        "project_base_path": str(brain.config.project_base_path),
        "force_rerun": False,
    }
    assert process_tile_batch_event_flow(payload)["outcome"] == "processed"
    assert process_tile_batch_event_flow(payload | {"force_rerun": True})["outcome"] == "processed"
    with pytest.raises(BadInput, match="batch_ident"):
        process_tile_batch_event_flow({"file_list": []})


def test_an_event_that_arrives_twice_is_processed_once_also_when_it_was_forced(brain: Brain) -> None:
    from opticstream.flows.process_tile_batch import process_tile_batch_event_flow

    brain.ready()
    assert brain.process()["outcome"] == "processed"
    source = brain.row().source or {}
    brain.state.register_ready(brain.ident(), fingerprint="g", source=source, dispatch="event", force=True)
    with brain.database.peek() as connection:
        payload = connection.execute(select(outbox.c.payload).where(outbox.c.event == BATCH_READY)).scalar_one()
    assert payload["force_rerun"] is True
    assert [process_tile_batch_event_flow(payload)["outcome"] for _ in range(2)] == ["processed", "done"]
