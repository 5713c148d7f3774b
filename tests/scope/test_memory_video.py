"""Frames between camera and trackers."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from opticstream.core.errors import BadInput
from opticstream.scope.memory import BufferOverflow, BufferUnderflow, NotEnoughMemory, VideoBuffer
from support.memory_children import fresh_name


@pytest.fixture
def video() -> Iterator[VideoBuffer]:
    with VideoBuffer(fresh_name(), True, n_stacks=3, n_images=2, width=5, height=4, bits=16) as buffer:
        yield buffer


def _image(value: int) -> bytes:
    return np.full(20, value, np.uint16).tobytes()


@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (16, np.uint16), (32, np.uint32), (64, np.uint64)])
def test_shapes_are_the_documented_ones(bits: int, dtype: type) -> None:
    with VideoBuffer(fresh_name(), True, n_stacks=2, n_images=3, width=7, height=4, bits=bits) as buffer:
        rows = np.arange(28, dtype=dtype).reshape(4, 7)
        for number in range(3):
            buffer.write_image_and_timestamp(rows.tobytes(), number / 10)
        stack = buffer.peak_stack()
        assert buffer.image_shape == (7, 4) == buffer.peak_image().image.shape
        assert buffer.stack_shape == (7, 4, 3) == stack.images.shape
        assert stack.images.dtype == dtype == buffer.dtype
        assert (stack.images[..., 1] == rows.T).all()
        assert stack.frames.flags.c_contiguous
        assert (stack.frames[2] == rows).all()
        assert stack.timestamps.tolist() == [0.0, 0.1, 0.2]


@pytest.mark.parametrize("wrong", [{"bits": 12}, {"bits": None}, {"n_stacks": 0}, {"width": None}, {"height": -1}])
def test_what_cannot_be_made_is_named(wrong: dict[str, int | None]) -> None:
    given: dict[str, int | None] = {"n_stacks": 2, "n_images": 2, "width": 4, "height": 4, "bits": 8}
    with pytest.raises(ValueError, match=next(iter(wrong))) as caught:
        VideoBuffer(fresh_name(), True, **(given | wrong))
    assert isinstance(caught.value, BadInput)


def test_more_than_the_free_memory_is_one_clear_error() -> None:
    with pytest.raises(NotEnoughMemory, match=r"MiB free; expected \d+ MiB. Ask for fewer"):
        VideoBuffer(fresh_name(), True, n_stacks=100_000, n_images=1000, width=5000, height=5000, bits=16)


def test_an_array_is_written_as_it_is_read(video: VideoBuffer) -> None:
    image = np.arange(20, dtype=np.uint16).reshape(5, 4)
    video.write_image_and_timestamp(image, 1.5, 40)
    assert (video.peak_image().image == image).all()
    assert video.peak_image()[1:] == (1.5, 40)


@pytest.mark.parametrize("image", [bytes(39), np.zeros((4, 5), np.uint16), np.zeros((5, 4), np.uint8)])
def test_an_image_that_does_not_fit_is_refused_and_nothing_written(video: VideoBuffer, image: object) -> None:
    with pytest.raises(ValueError, match="image"):
        video.write_image_and_timestamp(image, 0.0)  # type: ignore[arg-type]
    assert video.frames_written == video.next_number == 0


def test_a_slot_is_filled_in_place(video: VideoBuffer) -> None:
    video.next_slot()[:] = 7
    assert video.frames_written == 0
    assert video.write_timestamp(2.0) == 0
    assert (video.peak_image().image == 7).all()


def test_full_overflows_and_a_dropped_frame_is_a_gap(video: VideoBuffer) -> None:
    for value in range(6):
        video.write_image_and_timestamp(_image(value), value)
    assert video.get_level() == 1
    with pytest.raises(BufferOverflow, match="6 frames that are not released"):
        video.write_image_and_timestamp(_image(6), 6)
    with pytest.raises(BufferOverflow):
        video.next_slot()
    assert [video.drop(), video.drop()] == [6, 7]
    assert video.peak_image().number == 5
    assert video.release() == 0
    assert video.write_image_and_timestamp(_image(8), 8) == 8
    assert video.write_image_and_timestamp(_image(9), 9, 20) == 20
    assert video.frames_dropped == 2 + 11
    assert [stack.numbers.tolist() for stack in video.peak_stacks(9)] == [[2, 3], [4, 5], [8, 20]]


def test_numbers_never_go_back(video: VideoBuffer) -> None:
    video.write_image_and_timestamp(_image(1), 0, 100)
    for call in (lambda: video.drop(100), lambda: video.write_image_and_timestamp(_image(1), 0, 7)):
        with pytest.raises(ValueError, match="101 or more"):
            call()
    assert video.frames_dropped == 0  # the first number is where the camera began


def test_stacks_are_views_by_number_until_released(video: VideoBuffer) -> None:
    for value in range(5):
        video.write_image_and_timestamp(_image(value), value)
    second = video.stack(1)
    assert second.images[0, 0].tolist() == [2, 3]
    assert np.shares_memory(second.images, video.peak_stacks(2)[1].images)
    with pytest.raises(BufferUnderflow, match="stack 2: found not full yet; expected one of 0 to 1"):
        video.stack(2)
    assert video.read_stack_no_return() == 0
    with pytest.raises(BufferUnderflow, match="released already"):
        video.stack(0)
    assert video.get_unread_stack_count() == 1
    assert video.release() == 1
    assert not video.check_read_stack()
    for call in (video.peak_stack, video.release, video.read_stack_no_return):
        with pytest.raises(BufferUnderflow):
            call()


def test_no_frame_is_an_underflow(video: VideoBuffer) -> None:
    for call in (video.peak_image, video.read_image, video.peak_stack):
        with pytest.raises(BufferUnderflow):
            call()
    assert video.get_level() == video.frames_dropped == 0


def test_a_frame_begun_in_the_only_place_is_not_delivered() -> None:
    with VideoBuffer(fresh_name(), True, n_stacks=1, n_images=1, width=2, height=2, bits=8) as buffer:
        buffer.write_image_and_timestamp(bytes(4), 0)
        buffer.release()
        buffer.next_slot()[0] = 1
        with pytest.raises(BufferUnderflow, match="no whole frame"):
            buffer.peak_image()
        buffer.write_timestamp(1)
        assert buffer.peak_image().timestamp == 1


class _Ring(RuleBasedStateMachine):
    """The ring against a list of (number, value) that are not released."""

    STACKS, IMAGES = 3, 2

    def __init__(self) -> None:
        super().__init__()
        self.buffer = VideoBuffer(
            fresh_name(), True, n_stacks=self.STACKS, n_images=self.IMAGES, width=3, height=2, bits=8
        )
        self.other = VideoBuffer(self.buffer.name, False)
        self.values = itertools.count()
        self.kept: list[tuple[int, int]] = []
        self.newest: tuple[int, int] | None = None
        self.first: int | None = None
        self.following = self.written = self.released = 0

    def teardown(self) -> None:
        for buffer in (self.buffer, self.other):
            buffer.close()
            buffer.unlink()

    def _use(self, number: int) -> None:
        self.first = number if self.first is None else self.first
        self.following = number + 1

    @rule(skip=st.none() | st.integers(0, 3), in_place=st.booleans())
    def write(self, skip: int | None, in_place: bool) -> None:
        value = next(self.values) % 256
        number = None if skip is None else self.following + skip
        full = len(self.kept) >= self.STACKS * self.IMAGES
        try:
            if in_place:
                self.buffer.next_slot()[:] = value
                got = self.buffer.write_timestamp(value, number)
            else:
                got = self.buffer.write_image_and_timestamp(bytes([value]) * 6, value, number)
        except BufferOverflow:
            assert full
            return
        assert not full
        assert got == (self.following if number is None else number)
        self._use(got)
        self.written += 1
        self.newest = got, value
        self.kept.append(self.newest)

    @rule(skip=st.none() | st.integers(0, 3))
    def drop(self, skip: int | None) -> None:
        got = self.buffer.drop(None if skip is None else self.following + skip)
        assert got == self.following + (skip or 0)
        self._use(got)

    @precondition(lambda self: len(self.kept) >= self.IMAGES)
    @rule(discard=st.booleans())
    def release(self, discard: bool) -> None:
        index = self.other.read_stack_no_return() if discard else self.other.release()
        assert index == self.released // self.IMAGES
        del self.kept[: self.IMAGES]
        self.released += self.IMAGES

    @rule()
    def restart(self) -> None:
        """Another process goes on as the camera, and had begun a frame."""
        if len(self.kept) < self.STACKS * self.IMAGES:
            self.buffer.next_slot()[:1] = 255
        self.buffer.close()
        self.buffer = VideoBuffer(self.other.name, False)

    @invariant()
    def agrees(self) -> None:
        stacks = self.other.peak_stacks(99)
        whole = len(self.kept) // self.IMAGES
        assert len(stacks) == whole == self.other.get_unread_stack_count()
        seen = [(int(n), int(v)) for s in stacks for n, v in zip(s.numbers, s.images[1, 1], strict=True)]
        assert seen == self.kept[: whole * self.IMAGES]
        assert all((s.images == s.timestamps.astype(np.uint8)).all() for s in stacks)
        assert self.other.frames_written == self.written
        assert self.other.stacks_written == self.written // self.IMAGES
        assert self.other.stacks_released == self.released // self.IMAGES
        assert self.other.get_level() == len(self.kept) / (self.STACKS * self.IMAGES)
        assert self.other.next_number == self.following
        dropped = 0 if self.first is None else self.following - self.first - self.written
        assert self.other.frames_dropped == dropped
        if self.newest is not None:
            image, timestamp, number = self.other.peak_image()
            assert (number, int(timestamp)) == self.newest
            assert (image == self.newest[1]).all()


_Ring.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestRing = _Ring.TestCase


def test_reading_by_image_leaves_its_stack_out(video: VideoBuffer) -> None:
    for value in range(4):
        video.write_image_and_timestamp(_image(value), value)
    assert video.read_image().number == 0
    assert video.get_unread_stack_count() == 1
    assert video.peak_stack().numbers.tolist() == [2, 3]
    assert video.release() == 1
    with pytest.raises(BufferUnderflow):
        video.read_image()
