"""Frames to chunks: one pass that transposes, keeps the maximum and halves the resolution while a chunk is in cache.

Imported only when a strip is converted: numba takes a second to import.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

BLOCK = 32
"""Edge of the squares that are transposed in registers: 32 pixels of 16 bits are a cache line. Thinner slabs, and
what is left over at the edges, are done in squares of 8, and then pixel by pixel."""

_SMALL = 8

_U = np.uint64


def _vector(context: Any, builder: Any, kind: Any, array: Any, at: Any, edge: int) -> tuple[Any, int]:
    """Return a pointer to ``edge`` items of an array, and the bytes of one."""
    item = context.get_abi_sizeof(context.get_data_type(kind.dtype))
    pointer = builder.gep(context.make_array(kind)(context, builder, array).data, [at])
    vector = ir.VectorType(ir.IntType(8 * item), edge)
    return builder.bitcast(pointer, vector.as_pointer()), item


def _copier() -> Any:
    """Return a function that copies 32 items in one move; a plain loop over so few is not vectorised."""

    @intrinsic
    def copy(_typing: Any, target: Any, at: Any, source: Any, start: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            read, item = _vector(context, builder, signature.args[2], args[2], args[3], BLOCK)
            write, _ = _vector(context, builder, signature.args[0], args[0], args[1], BLOCK)
            builder.store(builder.load(read, align=item), write, align=item)
            return context.get_dummy_value()

        return types.void(target, at, source, start), generate

    return copy


def _transposer(edge: int) -> Any:
    """Return a function that transposes a square of ``edge`` x ``edge`` items in vector registers.

    Each round exchanges one bit of the row number with the same bit of the column number (Eklundh 1972, *IEEE Trans.
    Comput.* C-21, 801).
    """

    @intrinsic
    def transpose(
        _typing: Any, target: Any, at: Any, target_step: Any, source: Any, start: Any, source_step: Any
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            rows, place = [], args[4]
            for _ in range(edge):
                read, item = _vector(context, builder, signature.args[3], args[3], place, edge)
                rows.append(builder.load(read, align=item))
                place = builder.add(place, args[5])
            bit = edge // 2
            while bit:
                rows = _exchange(builder, rows, bit)
                bit //= 2
            place = args[1]
            for row in rows:
                write, item = _vector(context, builder, signature.args[0], args[0], place, edge)
                builder.store(row, write, align=item)
                place = builder.add(place, args[2])
            return context.get_dummy_value()

        return types.void(target, at, target_step, source, start, source_step), generate

    return transpose


def _exchange(builder: Any, rows: list[Any], bit: int) -> list[Any]:
    edge = len(rows)
    mask = ir.VectorType(ir.IntType(32), edge)
    low = ir.Constant(mask, [lane if not lane & bit else edge + lane - bit for lane in range(edge)])
    high = ir.Constant(mask, [lane + bit if not lane & bit else edge + lane for lane in range(edge)])
    exchanged = list(rows)
    for index in range(edge):
        if not index & bit:
            pair = rows[index], rows[index + bit]
            exchanged[index] = builder.shuffle_vector(*pair, low)
            exchanged[index + bit] = builder.shuffle_vector(*pair, high)
    return exchanged


_copy_block, _transpose_block, _transpose_small = _copier(), _transposer(BLOCK), _transposer(_SMALL)


@njit(nogil=True)
def _gather_edge(
    raw: Any, frame_pixels: int, first: int, frame0: int, frame1: int, column0: int, column1: int, out: Any, at: int,
    width: int,
) -> None:  # fmt: skip
    """Transpose some frames and columns of a row, in small squares where they fit."""
    whole_frames = frame0 + (frame1 - frame0) // _SMALL * _SMALL
    whole_columns = column0 + (column1 - column0) // _SMALL * _SMALL
    for frame in range(frame0, whole_frames, _SMALL):
        source = first + frame * frame_pixels
        for column in range(column0, whole_columns, _SMALL):
            _transpose_small(out, at + column * width + frame, width, raw, source + column, frame_pixels)
    for frame in range(frame0, frame1):
        rest = whole_columns if frame < whole_frames else column0
        for column in range(rest, column1):
            out[at + column * width + frame] = raw[first + frame * frame_pixels + column]


@njit(nogil=True)
def _gather_row(
    raw: Any, frame_pixels: int, first: int, frames: int, columns: int, row: Any, out: Any, at: int, width: int
) -> None:
    """Transpose one row of all frames, (frames, columns), to (columns, width) at ``out[at:]``."""
    whole_columns = columns - columns % BLOCK
    whole_frames = frames - frames % BLOCK
    for start in range(0, whole_frames, BLOCK):
        # A frame's pixels lie far from the next frame's; fetched in one go, they cost one walk of the page table.
        for frame in range(BLOCK):
            source = first + (start + frame) * frame_pixels
            for column in range(0, whole_columns, BLOCK):
                _copy_block(row, frame * whole_columns + column, raw, source + column)
        for column in range(0, whole_columns, BLOCK):
            _transpose_block(out, at + column * width + start, width, row, column, whole_columns)
    _gather_edge(raw, frame_pixels, first, 0, whole_frames, whole_columns, columns, out, at, width)
    _gather_edge(raw, frame_pixels, first, whole_frames, frames, 0, columns, out, at, width)


@njit(nogil=True)
def _raise_maximum(values: Any, maximum: Any) -> None:
    for index in range(len(maximum)):
        value = values[index]
        maximum[index] = value if value > maximum[index] else maximum[index]


@njit(nogil=True)
def _pair_sums(words1: Any, words2: Any, low: Any, shift: Any, sums: Any) -> None:
    """Add what two lines hold in pairs; a word is two neighbouring pixels."""
    for index in range(len(sums)):
        first, second = words1[index], words2[index]
        sums[index] = (first & low) + (first >> shift) + (second & low) + (second >> shift)


@njit(nogil=True)
def _rounded(total: Any, shift: Any) -> Any:
    """Divide by a power of two, halves to even."""
    if shift == 0:
        return total
    return (total + ((total >> _U(shift)) & _U(1)) + ((_U(1) << _U(shift - 1)) - _U(1))) >> _U(shift)


@njit(nogil=True)
def _mean_line(sums: Any, first: int, second: int, count: int, shift: int, out: Any, at: int) -> None:
    step = np.uint32(shift)
    half = np.uint32((1 << (shift - 1)) - 1)
    for index in range(count):
        total = np.uint32(sums[_U(first) + _U(index)] + sums[_U(second) + _U(index)])
        out[_U(at) + _U(index)] = (total + ((total >> step) & np.uint32(1)) + half) >> step


@njit(nogil=True)
def _halve_rows(
    words: Any, low: Any, shift: Any, row: int, rows: int, columns: int, frames: int, chunk_columns: int, width: int,
    sums: Any, out: Any, at: int, out_width: int,
) -> None:  # fmt: skip
    """Mean of 2 x 2 x 2 voxels of rows ``row`` and the next; beyond the edges there are zeros and fewer voxels."""
    half = width // 2
    line = chunk_columns * half
    _pair_sums(
        words[row * line : row * line + columns * half],
        words[(row + 1) * line : (row + 1) * line + columns * half],
        low, shift, sums[: columns * half],
    )  # fmt: skip
    if columns % 2:
        sums[columns * half : (columns + 1) * half] = 0
    pairs = frames // 2
    for column in range(0, columns, 2):
        # log2 of how many voxels there are
        there = 1 + (row + 1 < rows) + (column + 1 < columns)
        place = at + column // 2 * out_width
        first, second = column * half, (column + 1) * half
        _mean_line(sums, first, second, pairs, there, out, place)
        if frames % 2:
            total = _U(sums[first + pairs]) + _U(sums[second + pairs])
            out[place + pairs] = _rounded(total, there - 1)


@njit(nogil=True)
def _gather(
    raw: Any, frame_pixels: int, stride_pixels: int, first: int, rows: int, columns: int, frames: int,
    chunk: Any, words: Any, low: Any, shift: Any, chunk_columns: int, width: int, maximum: Any,
    out: Any, at: int, out_columns: int, out_width: int,
) -> None:  # fmt: skip
    line = chunk_columns * width
    scratch = np.empty(BLOCK * max(BLOCK, chunk_columns), raw.dtype)
    sums = np.empty((chunk_columns + 1) * (width // 2), np.uint32)
    for row in range(rows):
        _gather_row(
            raw, frame_pixels, first + row * stride_pixels, frames, columns, scratch, chunk, row * line, width
        )  # fmt: skip
        _raise_maximum(chunk[row * line : (row + 1) * line], maximum)
        if row % 2 or row + 1 == rows:
            even = row - row % 2
            if len(out):
                _halve_rows(
                    words, low, shift, even, rows, columns, frames, chunk_columns, width,
                    sums, out, at + even // 2 * out_columns * out_width, out_width,
                )  # fmt: skip


@njit(nogil=True)
def _halve(
    words: Any, low: Any, shift: Any, rows: int, columns: int, frames: int, chunk_columns: int, width: int,
    out: Any, at: int, out_columns: int, out_width: int,
) -> None:  # fmt: skip
    sums = np.empty((chunk_columns + 1) * (width // 2), np.uint32)
    for row in range(0, rows, 2):
        _halve_rows(
            words, low, shift, row, rows, columns, frames, chunk_columns, width,
            sums, out, at + row // 2 * out_columns * out_width, out_width,
        )  # fmt: skip


def _signatures(words: Any, pixels: Any) -> tuple[Any, Any]:
    number = types.int64
    flat, wide = types.Array(pixels, 1, "C"), types.Array(words, 1, "C")
    target = (flat, number, number, number)
    gathered = (flat, *(number,) * 6, flat, wide, words, words, number, number, flat, *target)
    return types.void(*gathered), types.void(wide, words, words, *(number,) * 5, *target)


_SIGNATURES = [_signatures(types.uint32, types.uint16), _signatures(types.uint16, types.uint8)]


@njit([gather for gather, _ in _SIGNATURES], nogil=True, cache=True)
def gather_kernel(
    raw: Any, frame_pixels: int, stride_pixels: int, first: int, rows: int, columns: int, frames: int,
    chunk: Any, words: Any, low: Any, shift: Any, chunk_columns: int, width: int, maximum: Any,
    out: Any, at: int, out_columns: int, out_width: int,
) -> None:  # fmt: skip
    """Fill a chunk from frames, its maximum over the rows, and its part of the next level; all arrays are flat."""
    _gather(
        raw, frame_pixels, stride_pixels, first, rows, columns, frames, chunk, words, low, shift, chunk_columns, width,
        maximum, out, at, out_columns, out_width,
    )  # fmt: skip


@njit([halve for _, halve in _SIGNATURES], nogil=True, cache=True)
def halve_kernel(
    words: Any, low: Any, shift: Any, rows: int, columns: int, frames: int, chunk_columns: int, width: int,
    out: Any, at: int, out_columns: int, out_width: int,
) -> None:  # fmt: skip
    """Add a chunk's part of the next level; all arrays are flat."""
    _halve(
        words, low, shift, rows, columns, frames, chunk_columns, width, out, at, out_columns, out_width
    )  # fmt: skip
