"""A scope that records on a disk which fills up, and gets room again; run as a script, with two folders.

It copies the files to the second folder when the disk has room, since nobody else sees the disk, and prints a JSON
object: the scope's status at each step.
"""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

ROOM = 100_000
"""Bytes that are left free when the disk is made full: less than a file's next chunks need."""


def main(disk: Path, out: Path) -> None:
    """Fill the disk twice while a scope records."""
    from opticstream.scope.acquisition import Acquisition, AcquisitionMode
    from opticstream.scope.cameras import DummyCameraBeads
    from opticstream.scope.commands.broadcasts import SetAcquisitionDirOnCommand, SetAcquisitionModeCommand
    from opticstream.scope.files import read_tracking_file
    from support.running_scope import family, make_scope, running
    from support.scope_faults import alive, recording_begun, tracks_go_on
    from support.small_disk import leave_room
    from support.waiting import until

    scope = make_scope(settings={"video buffer n images": 40})
    camera = DummyCameraBeads(width=160, height=100)
    # A chunk of a tracking file is 4096 frames, and only a new one needs room on the disk.
    for name, value in {"fixed_n": 2, "tethered_n": 0, "framerate": 800}.items():
        camera[name] = value
    scope.camera_manager.camera = camera
    scope.begin_with(Acquisition(True, str(disk), True, AcquisitionMode.TRACK_AND_VIDEO_FULL))
    said: dict[str, Any] = {}

    def told(words: str) -> int:
        return sum(words in text for _, text, _ in scope.problems)

    with running(scope):
        children = [one for one in family(os.getpid()) if "resource_tracker" not in " ".join(one.cmdline())]
        first = recording_begun(scope)
        until(lambda: scope.problems, "the video has filled the disk")
        tracks_go_on(scope, 200)
        said["full of video"] = scope.status()

        scope.send(SetAcquisitionDirOnCommand(False))
        until(lambda: read_tracking_file(Path(first)).closed, "its file is closed")
        tracks_go_on(scope, 100)
        _carry(disk, out)
        scope.send(SetAcquisitionModeCommand(AcquisitionMode.TRACK))
        scope.send(SetAcquisitionDirOnCommand(True))
        second = recording_begun(scope, first)
        ballast = leave_room(disk, ROOM)
        until(lambda: told("tracked but not saved"), "a chunk that finds no room")
        tracks_go_on(scope, 200)
        said["full"] = scope.status()

        ballast.unlink()
        third = Path(recording_begun(scope, second))
        until(lambda: read_tracking_file(third).ledger, "the ledger is in the new file")
        until(lambda: told("all is saved again") == 2, "the scope has heard that there is room again")
        said["room again"] = scope.status()
        leave_room(disk, 0)  # the end is on a full disk, too
    said["end"] = scope.summary()
    until(lambda: not alive(children), "its processes are gone")
    said["left"] = [one.pid for one in alive(children)]
    (disk / "ballast").unlink()
    _carry(disk, out)
    print(json.dumps(said, default=str))


def _carry(disk: Path, out: Path) -> None:
    """Move everything to where others see it."""
    for path in disk.iterdir():
        shutil.move(path, out / path.name)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main(Path(sys.argv[1]), Path(sys.argv[2]))
