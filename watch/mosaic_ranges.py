"""Which source mosaics to take: ``1:2,5:9``."""

import re
from dataclasses import dataclass

from opticstream.core.errors import BadInput

_SPAN = re.compile(r"\s*([0-9]{1,9})\s*(?::\s*([0-9]{1,9})\s*)?")
ALL_MOSAICS = "1:999999"


@dataclass(frozen=True, slots=True)
class MosaicRanges:
    """A set of source mosaic numbers, as inclusive spans in ascending order that do not touch.

    Source mosaics are those in file names, before the slice offset.
    """

    spans: tuple[tuple[int, int], ...]

    @classmethod
    def parse(cls, text: str = ALL_MOSAICS) -> "MosaicRanges":
        """Read ``first:last`` spans, both ends included, separated by commas; a single number is a span of one.

        Raises:
            BadInput: it is empty, not of this form, counts from below 1, or a span runs backwards.
        """
        spans = []
        for part in text.split(","):
            match = _SPAN.fullmatch(part)
            first = int(match[1]) if match else 0
            last = int(match[2] or match[1]) if match else 0
            if not 1 <= first <= last:
                raise BadInput(
                    "mosaic ranges",
                    found=repr(text if part == text else f"{part} in {text}"),
                    expected="first:last spans of mosaic numbers from 1, such as 1:2,5:9",
                )
            spans.append((first, last))
        merged: list[tuple[int, int]] = []
        for first, last in sorted(spans):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
            else:
                merged.append((first, last))
        return cls(tuple(merged))

    @property
    def first(self) -> int:
        """The lowest mosaic number."""
        return self.spans[0][0]

    @property
    def last(self) -> int:
        """The highest mosaic number."""
        return self.spans[-1][1]

    def __contains__(self, mosaic: int) -> bool:
        for first, last in self.spans:  # noqa: SIM110 - asked for every file, and any() costs three times as much
            if first <= mosaic <= last:
                return True
        return False

    def __str__(self) -> str:
        return ",".join(f"{first}:{last}" for first, last in self.spans)
