"""What a session folder says of the acquisition that runs in it: ``launcher_metadata/acquisition.json``."""

import json
from datetime import datetime
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from opticstream.core.errors import BadFile
from opticstream.core.files import read_failed, write_text
from opticstream.core.validation import problems

FILE_NAME = "acquisition.json"
METADATA_FOLDER = "launcher_metadata"


class AcquisitionRecord(BaseModel):
    """Written before the process starts and again with its number; removed when it ended.

    It is what the next launch knows after this one was killed: the number of a process alone could meanwhile be
    another's, so its birth is with it (`opticstream.core.process_identity.process_birth`).
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: int = 1
    label: str
    """What messages call the acquisition."""
    command: tuple[str, ...]
    mark: str
    """Value of the environment variable OPTICSTREAM_ACQUISITION in all its processes."""
    host: str
    """Where it runs."""
    pid: int | None = None
    """Main process; None in the moment before it is started."""
    birth: str | None = None
    """Which life of that process number."""
    launcher_pid: int
    launcher_birth: str
    started: datetime
    """UTC."""
    logs: tuple[Path, ...] = ()
    """Files its output goes to."""

    def write(self, file: Path) -> None:
        """Write it, whole or not at all."""
        write_text(file, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """Return the record, None when there is none.

        Raises:
            BadFile: it cannot be read or is no such record.
        """
        try:
            text = file.read_text("utf-8")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise read_failed(file, error) from None
        except UnicodeDecodeError:
            raise BadFile(str(file), found="bytes that are not UTF-8", expected="an acquisition record") from None
        try:
            return cls.model_validate(json.loads(text))
        except ValidationError as error:
            raise BadFile(str(file), found=problems(error), expected="an acquisition record") from None
        except ValueError as error:
            raise BadFile(str(file), found=f"no JSON: {error}", expected="an acquisition record") from None


def record_file(session_folder: Path, metadata_folder: Path | None = None) -> Path:
    """Return where a session's record is: in the metadata folder, by default the session's only one."""
    return (metadata_folder or session_folder / METADATA_FOLDER) / FILE_NAME
