"""Which units an operator means: a text such as ``1/2/3``, or numbers of the levels with the rest left open."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from opticstream.core.errors import BadInput
from opticstream.core.identifiers import UnitId
from opticstream.state.tree import Tree

_PART = re.compile(r"(?:[a-z]+-)?0*(\d{1,9})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Selection:
    """A subtree: the leading numbers of its units; none selects the whole project."""

    numbers: tuple[int, ...] = ()

    def covers(self, ident: UnitId) -> bool:
        """Say whether a unit lies in the subtree."""
        return ident.numbers[: len(self.numbers)] == self.numbers


def select_by_level(tree: Tree, given: Mapping[str, int | None]) -> Selection:
    """Return the selection of options such as ``--slice 1 --mosaic 2``.

    Raises:
        BadInput: a level is given without the one above it.
    """
    numbers: list[int] = []
    missing: str | None = None
    for level in tree.levels:
        number = given.get(level.name)
        if number is None:
            missing = missing or level.name
        elif missing:
            raise BadInput(f"--{level.name}", found=f"{number} without --{missing}", expected=f"--{missing} as well")
        else:
            numbers.append(number)
    return Selection(tuple(numbers))


def parse_unit(tree: Tree, project: str, text: str) -> UnitId:
    """Return the unit an operator names: ``1/2/3`` or ``slice-01/mosaic-002/batch-003``.

    Raises:
        BadInput: it is neither.
    """
    matches = [_PART.fullmatch(part) for part in text.strip("/").split("/")]
    names = [level.name for level in tree.levels]
    example = "/".join(str(number) for number in range(1, len(names) + 1))
    if not all(matches) or not 1 <= len(matches) <= len(names):
        raise BadInput("UNIT", found=repr(text), expected=f"{'/'.join(names).upper()}, for example {example}")
    kind = tree.levels[len(matches) - 1].ident
    values = {name: int(match[1]) for name, match in zip(names, matches, strict=False) if match}
    try:
        return kind.model_validate({"project": project, **values})
    except ValidationError:
        raise BadInput("UNIT", found=repr(text), expected="numbers from 1") from None
