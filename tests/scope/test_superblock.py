"""The checksum of HDF5's metadata, by its author's examples."""

import pytest

from opticstream.scope.files.superblock import lookup3


@pytest.mark.parametrize(("data", "expected"), [(b"", 0xDEADBEEF), (b"Four score and seven years ago", 0x17770551)])
def test_the_authors_examples(data: bytes, expected: int) -> None:
    assert lookup3(data) == expected
