"""Z-LUTs that were made and are not yet kept."""

from collections.abc import Mapping
from pathlib import Path

from opticstream.core.errors import BadInput
from opticstream.core.files import writing
from opticstream.scope.tracking import ZLut


class ZLutEvaluation:
    """The Z-LUT of each bead of a sweep, one of which is selected; at first that of the lowest bead.

    Args:
        zluts: by bead; at least one.
        failed: why there is none, by bead.
    """

    def __init__(self, zluts: Mapping[int, ZLut], failed: Mapping[int, str]) -> None:
        self.zluts, self.failed = dict(sorted(zluts.items())), dict(sorted(failed.items()))
        self.selected = min(self.zluts)
        self.saved: list[Path] = []
        """Files that were written."""

    @property
    def zlut(self) -> ZLut:
        """The selected bead's."""
        return self.zluts[self.selected]

    def select(self, bead: int) -> ZLut:
        """Select a bead and return its Z-LUT.

        Raises:
            BadInput: there is none of that bead; the error says why.
        """
        if bead not in self.zluts:
            raise BadInput(
                f"Z-LUT of bead {bead}", found=self.failed.get(bead, "no such bead in the sweep"),
                expected=f"one of {', '.join(map(str, self.zluts))}",
            )  # fmt: skip
        self.selected = bead
        return self.zlut

    def save(self, path: Path) -> None:
        """Write the selected Z-LUT as a text file, whole or not at all.

        Raises:
            BadInput: its folder does not exist.
            WriteFailed: it cannot be written.
        """
        if not path.parent.is_dir():
            raise BadInput(str(path), found="no such folder", expected="a file in a folder that exists")
        with writing(path):
            self.zlut.save(path)
        self.saved.append(path)
