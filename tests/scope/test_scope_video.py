"""Video beside the tracks, from a running scope."""

import numpy as np
import pytest
import tifffile
import zarr

from opticstream.scope.acquisition import Acquisition, AcquisitionMode
from opticstream.scope.commands.broadcasts import (
    SetAcquisitionDirCommand,
    SetAcquisitionDirOnCommand,
    SetAcquisitionModeCommand,
)
from opticstream.scope.files import read_tracking_file
from support.running_scope import ONE_WORKER, make_scope, running
from support.waiting import until


@pytest.mark.parametrize(
    ("mode", "kind"), [(AcquisitionMode.TRACK_AND_VIDEO_FULL, "zarr"), (AcquisitionMode.TRACK_AND_VIDEO_ROIS, "tiff")]
)
def test_the_video_shows_the_frames_that_were_tracked(tmp_path, mode, kind):
    scope = make_scope()
    scope.begin_with(Acquisition(True, str(tmp_path), True, mode))
    scope.video_processor_manager.video_kind = kind
    with running(scope):
        until(lambda: scope.shared_values.frames_tracked.value >= 60 and scope.beads, "frames")
        until(lambda: "tracking file" in scope.values, "a file")
    assert not scope.problems
    (file,) = tmp_path.glob("*.h5")
    tracked = set(read_tracking_file(file).frame_numbers.tolist())
    (video,) = tmp_path.glob("Video *")
    if kind == "zarr":
        group = zarr.open_group(video, mode="r")
        numbers = group["frame_number"][:]
        frames = group["0"]
        assert frames.shape[1:] == (256, 512)
    else:
        with tifffile.TiffFile(video) as pages:
            numbers = np.array(sorted({page.tags[65000].value for page in pages.pages}))
            assert pages.pages[0].shape == (50, 50)
    assert tracked <= set(numbers.tolist())
    assert (np.diff(numbers) == 1).all()


def test_video_of_the_regions_alone_is_recorded_without_tracks(tmp_path):
    scope = make_scope(settings=ONE_WORKER)
    with running(scope):
        until(lambda: scope.beads, "beads")
        scope.send(SetAcquisitionModeCommand(AcquisitionMode.VIDEO_ROIS))
        scope.send(SetAcquisitionDirCommand(str(tmp_path)))
        scope.send(SetAcquisitionDirOnCommand(True))
        before = scope.shared_values.frames_tracked.value
        until(lambda: scope.shared_values.frames_tracked.value >= before + 60, "frames")
        beads = len(scope.beads)
    assert not scope.problems and not list(tmp_path.glob("*.h5"))
    (video,) = tmp_path.glob("Video *")
    group = zarr.open_group(video, mode="r")
    assert group["0"].shape[1:] == (beads, 50, 50)
    numbers = group["frame_number"][:]
    assert len(numbers) >= 30 and (np.diff(numbers) == 1).all()
