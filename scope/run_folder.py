"""What a running scope would leave behind if it were killed, written down so that others can remove it."""

import json
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path

from opticstream.core.files import write_text, writing
from opticstream.core.process_identity import default_host_name, this_process

PREFIX = "opticstream-scope-"
OWNER, SEGMENTS = "owner.json", "segments.txt"


class RunFolder:
    """A scope's folder in the system's temporary folder, for as long as the scope runs.

    It holds the files of its locks, the names of its shared memory and that of the record by which others find it.
    Should the scope's process be killed, :func:`~opticstream.scope.leftovers.remove_leftovers` removes it all.

    Args:
        uid: with which the names of its shared memory begin.
        record: file by which others find the scope; None: nobody can.

    Raises:
        WriteFailed: the temporary folder takes nothing.
    """

    def __init__(self, uid: str, record: Path | None) -> None:
        with writing(Path(tempfile.gettempdir())):
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
        owner = asdict(this_process(default_host_name()))
        about = {"owner": owner, "uid": uid, "record": None if record is None else str(record)}
        try:
            write_text(self.path / OWNER, json.dumps(about))
        except BaseException:
            self.remove()
            raise

    def will_have(self, segment: str) -> None:
        """Write down the name of a piece of shared memory before it is made.

        Raises:
            WriteFailed: the temporary folder is full.
        """
        with writing(self.path / SEGMENTS), (self.path / SEGMENTS).open("a", encoding="utf-8") as file:
            file.write(f"{segment}\n")

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.path, ignore_errors=True)
