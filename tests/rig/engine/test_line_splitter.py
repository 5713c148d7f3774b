from hypothesis import given
from hypothesis import strategies as st

from opticstream.rig.engine.line_splitter import LineSplitter

PIECES = st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([b"\r", b"\n", b"\r\n", "äß".encode(), b"ab"])))


def _lines(pieces: list[bytes], limit: int = 4096) -> list[str]:
    splitter = LineSplitter(limit)
    lines = [line for piece in pieces for line in splitter.feed(piece)]
    return lines + splitter.finish()


@given(PIECES)
def test_how_the_bytes_come_makes_no_difference(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    assert _lines(pieces) == _lines([whole]) == _lines([whole[i : i + 1] for i in range(len(whole))])


@given(PIECES)
def test_lines_are_those_of_the_text(pieces: list[bytes]) -> None:
    text = b"".join(pieces).decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    expected = text.split("\n")
    assert _lines(pieces) == (expected if expected[-1] else expected[:-1])


@given(PIECES, st.integers(1, 8))
def test_a_long_line_is_cut_and_says_so(pieces: list[bytes], limit: int) -> None:
    for short, full in zip(_lines(pieces, limit), _lines(pieces), strict=True):
        cut = len(full) - limit
        assert short == (f"{full[:limit]}… ({cut} characters left out)" if cut > 0 else full)


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    assert _lines([b"a\xff", b"b\n\xc3"]) == ["a�b", "�"]
