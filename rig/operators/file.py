"""An answers file."""

from pathlib import Path

from opticstream.core.files import read_failed
from opticstream.core.operator import Operator
from opticstream.rig.json_object import read_json_object
from opticstream.rig.operators.headless import HeadlessOperator
from opticstream.rig.operators.prepared import PreparedOperator
from opticstream.rig.toml_table import read_toml


class FileOperator(PreparedOperator):
    """Answers from a file, for sessions without a person and for tests of protocols.

    The file is a JSON object, or TOML where its name ends in ``.toml``: a key, and its value for every asking or a
    list of values for one asking after the other. A key that is missing falls back to the question's default.

    Args:
        path: the file; it is read once, here.
        otherwise: is asked what the file does not say; default: nobody.

    Raises:
        BadFile: it cannot be read, or is not what it should be (with line and column).
    """

    def __init__(self, path: Path, otherwise: Operator | None = None) -> None:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise read_failed(path, error) from None
        read = read_toml if path.suffix.lower() == ".toml" else read_json_object
        super().__init__(read(content, str(path)), otherwise or HeadlessOperator(), str(path))
        self.path = path

    @property
    def name(self) -> str:
        """Return the file's path."""
        return str(self.path)
