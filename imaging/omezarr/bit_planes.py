"""The bits of numbers, sorted by their place: all lowest bits, then all next ones, up to the highest.

Imported only when numbers are compressed: numba takes a second to import.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

_ITEMS = 64
"""Numbers whose bits are collected at once; one bit of each makes a word of 64 bits."""

_LINE = 64
"""Bytes that are written in one move: a cache line. Planes lie powers of two apart, so that the lines of 16 planes
compete for the same few places of a cache: each must be complete when it is written."""

_RUN = 512
"""Bytes of each plane that are collected before they are written."""


def _generate_split(_typing: Any, runs: Any, at: Any, source: Any, start: Any) -> Any:
    """Write one word to each run: bit ``n`` of 64 items to ``runs[n * _RUN + at :]``."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        size = signature.args[2].dtype.bitwidth // 8
        byte, bit, word = ir.IntType(8), ir.VectorType(ir.IntType(1), _ITEMS), ir.IntType(64)
        read = builder.gep(context.make_array(signature.args[2])(context, builder, args[2]).data, [args[3]])
        whole = ir.VectorType(byte, _ITEMS * size)
        items = builder.load(builder.bitcast(read, whole.as_pointer()), align=size)
        write = context.make_array(signature.args[0])(context, builder, args[0]).data
        zero = ir.Constant(ir.VectorType(byte, _ITEMS), [0] * _ITEMS)
        for place in range(size):
            lanes = ir.Constant(ir.VectorType(ir.IntType(32), _ITEMS), list(range(place, _ITEMS * size, size)))
            part = builder.shuffle_vector(items, ir.Constant(whole, ir.Undefined), lanes)
            for number in reversed(range(8 * place, 8 * place + 8)):
                # The sign is the highest bit; there is an instruction that collects signs.
                signs = builder.icmp_signed("<", part, zero)
                target = builder.gep(write, [builder.add(args[1], ir.Constant(args[1].type, number * _RUN))])
                packed = builder.bitcast(builder.bitcast(signs, bit), word)
                builder.store(packed, builder.bitcast(target, word.as_pointer()), align=1)
                part = builder.add(part, part)
        return context.get_dummy_value()

    return types.void(runs, at, source, start), generate


def _generate_copy_line(_typing: Any, target: Any, at: Any, source: Any, start: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        line = ir.VectorType(ir.IntType(8), _LINE).as_pointer()
        places = [
            builder.bitcast(builder.gep(context.make_array(kind)(context, builder, array).data, [place]), line)
            for kind, array, place in zip(signature.args[::2], args[::2], args[1::2], strict=True)
        ]
        builder.store(builder.load(places[1], align=1), places[0], align=1)
        return context.get_dummy_value()

    return types.void(target, at, source, start), generate


# Numba does not say that it passes the first argument itself.
_split: Any = intrinsic(_generate_split)
_copy_line: Any = intrinsic(_generate_copy_line)

_SIGNATURES = [
    types.void(types.Array(item, 1, "C"), types.int64, types.int64, types.uint8[::1])
    for item in (types.uint16, types.uint8)
]


@njit(_SIGNATURES, nogil=True, cache=True)
def bit_planes_kernel(items: Any, first: int, count: int, out: Any) -> None:
    """Write the planes of ``count`` items, a multiple of 8, to ``out`` from the byte on where these items begin."""
    size = items.itemsize
    bits, plane, at = 8 * size, count // 8, first * size
    runs = np.empty(bits * _RUN, np.uint8)
    whole = plane - plane % (_ITEMS // 8)
    for start in range(0, whole, _RUN):
        run = min(_RUN, whole - start)
        for byte in range(0, run, _ITEMS // 8):
            _split(runs, byte, items, first + (start + byte) * 8)
        lines = run - run % _LINE
        for bit in range(bits):
            place = at + bit * plane + start
            for byte in range(0, lines, _LINE):
                _copy_line(out, place + byte, runs, bit * _RUN + byte)
            for byte in range(lines, run):
                out[place + byte] = runs[bit * _RUN + byte]
    for byte in range(whole, plane):
        for bit in range(bits):
            total = 0
            for item in range(8):
                total |= ((items[first + byte * 8 + item] >> bit) & 1) << item
            out[at + bit * plane + byte] = total
