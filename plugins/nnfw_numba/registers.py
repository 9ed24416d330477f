"""Sums of products in vector registers, for convolutions.

A tile of sums stays in registers during the loop over their terms; each line of numbers that is loaded serves all rows
of the tile. Every sum adds its terms in one order, whatever the tile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from nnfw_numba.tiles import register, spread
from nnfw_numba.untyped import Untyped

ROWS, COLUMNS = (8, 4, 2, 1), (3, 2, 1)
"""Sizes of a tile of :func:`weigh`: rows, and registers in each."""

LINES, OTHERS = (4, 2, 1), (6, 3, 1)
"""Sizes of a tile of :func:`correlate`: lines, and other lines that each is multiplied by."""

REGISTER = register() or 16
"""Bytes of a vector register."""

_WORD = ir.IntType(64)

_tuple: Untyped = types.UniTuple
_unpacked: Untyped = cgutils.unpack_tuple


class _Vectors:
    """Builds code for numbers of one type in registers."""

    def __init__(self, context: Untyped, builder: Untyped, dtype: Untyped) -> None:
        self.builder, self.number = builder, context.get_data_type(dtype)
        self.size = int(context.get_abi_sizeof(self.number))
        self.lanes = REGISTER // self.size
        self.vector = ir.VectorType(self.number, self.lanes)

    def number_at(self, address: Untyped, index: int) -> Untyped:
        """Load a number."""
        return self.builder.load(self._pointer(address, index * self.size, self.number))

    def vector_at(self, address: Untyped, index: int) -> Untyped:
        """Load a register."""
        return self.builder.load(self._pointer(address, index * REGISTER, self.vector), align=self.size)

    def store(self, value: Untyped, address: Untyped, index: int) -> None:
        """Store a register."""
        self.builder.store(value, self._pointer(address, index * REGISTER, self.vector), align=self.size)

    def spread(self, value: Untyped) -> Untyped:
        """Fill a register with a number."""
        return spread(self.builder, value, self.lanes)

    def moved(self, address: Untyped, index: Untyped, size: int) -> Untyped:
        """Return the address of an item of `size` bytes."""
        return self.builder.add(address, self.builder.mul(index, _WORD(size)))

    def variable(self, value: Untyped) -> Untyped:
        """Return a place for a sum, which the compiler keeps in a register."""
        return cgutils.alloca_once_value(self.builder, value)  # type: ignore[no-untyped-call]

    def add_product(self, total: Untyped, a: Untyped, b: Untyped) -> None:
        """Add a product to a sum, rounded once if the processor can."""
        term = self.builder.fmul(a, b, flags=("contract",))
        self.builder.store(self.builder.fadd(self.builder.load(total), term, flags=("contract",)), total)

    def sum_of(self, value: Untyped) -> Untyped:
        """Return the sum of the numbers in a register, halves first."""
        count = self.lanes
        while count > 1:
            count //= 2
            kind = ir.VectorType(ir.IntType(32), count)
            halves = (ir.Constant(kind, list(range(start, start + count))) for start in (0, count))
            value = self.builder.fadd(*(self.builder.shuffle_vector(value, value, half) for half in halves))
        return self.builder.extract_element(value, ir.IntType(32)(0))

    def _pointer(self, address: Untyped, offset: int, kind: Untyped) -> Untyped:
        return self.builder.inttoptr(self.builder.add(address, _WORD(offset)), kind.as_pointer())

    @contextmanager
    def _if_equal(self, pairs: Iterator[tuple[Untyped, int]]) -> Iterator[None]:
        equal = [self.builder.icmp_signed("==", value, _WORD(size)) for value, size in pairs]
        with self.builder.if_then(self.builder.and_(*equal)):
            yield

    def for_each_size(
        self, values: tuple[Untyped, Untyped], sizes: tuple[tuple[int, ...], tuple[int, ...]], emit: Callable[..., None]
    ) -> None:
        """Emit code for each pair of sizes, to be run where the values are these."""
        for found in product(*sizes):
            with self._if_equal(zip(values, found, strict=True)):
                emit(*found)


def _weigh(context: Untyped, builder: Untyped, signature: Untyped, arguments: Untyped) -> Untyped:
    """Return nothing: out_r ← w_0r + Σ_k w_kr x at offset k, for some rows r and registers.

    Takes an array of the dtype; rows and registers; the address of x; address and count of the offsets, in numbers;
    the address of the weights, those of all rows together; address of out, and numbers between its rows.
    """
    rows, columns, x, offsets, count, weights, out, pitch = _unpacked(builder, arguments[1])
    vectors = _Vectors(context, builder, signature.args[0].dtype)

    def tile(height: int, width: int) -> None:
        first = [vectors.spread(vectors.number_at(weights, r)) for r in range(height)]
        sums = [[vectors.variable(value) for _ in range(width)] for value in first]
        with cgutils.for_range(builder, count) as loop:
            offset = builder.load(builder.inttoptr(vectors.moved(offsets, loop.index, 8), _WORD.as_pointer()))
            line = vectors.moved(x, offset, vectors.size)
            seen = [vectors.vector_at(line, v) for v in range(width)]
            own = vectors.moved(weights, builder.add(loop.index, _WORD(1)), height * vectors.size)
            for r, totals in enumerate(sums):
                weight = vectors.spread(vectors.number_at(own, r))
                for total, value in zip(totals, seen, strict=True):
                    vectors.add_product(total, weight, value)
        for r, totals in enumerate(sums):
            row = vectors.moved(out, builder.mul(pitch, _WORD(r)), vectors.size)
            for v, total in enumerate(totals):
                vectors.store(builder.load(total), row, v)

    vectors.for_each_size((rows, columns), (ROWS, COLUMNS), tile)
    return context.get_dummy_value()


def _correlate(context: Untyped, builder: Untyped, signature: Untyped, arguments: Untyped) -> Untyped:
    """Return nothing: out_rs ← out_rs + Σ_n Σ_q d_nr at q · x_n at q + offset s.

    Takes an array of the dtype; lines r and offsets s; address of d, numbers between its lines and between examples;
    address of x, numbers between examples; address of the offsets; counts of examples n and registers q; address of
    out, and numbers between its rows.
    """
    numbers = _unpacked(builder, arguments[1])
    lines, others, d, d_line, d_next, x, x_next, offsets, examples, registers, out, pitch = numbers
    vectors = _Vectors(context, builder, signature.args[0].dtype)

    def tile(height: int, width: int) -> None:
        zero = ir.Constant(vectors.vector, [0.0] * vectors.lanes)
        sums = [[vectors.variable(zero) for _ in range(width)] for _ in range(height)]
        places = builder.inttoptr(offsets, _WORD.as_pointer())
        shifts = [builder.load(builder.gep(places, [_WORD(s)])) for s in range(width)]
        with cgutils.for_range(builder, examples) as example:
            own = vectors.moved(d, builder.mul(example.index, d_next), vectors.size)
            seen = vectors.moved(x, builder.mul(example.index, x_next), vectors.size)
            starts = [vectors.moved(own, builder.mul(d_line, _WORD(r)), vectors.size) for r in range(height)]
            shifted = [vectors.moved(seen, shift, vectors.size) for shift in shifts]
            with cgutils.for_range(builder, registers) as loop:
                at = builder.mul(loop.index, _WORD(REGISTER))
                left = [vectors.vector_at(builder.add(start, at), 0) for start in starts]
                for s, start in enumerate(shifted):
                    right = vectors.vector_at(builder.add(start, at), 0)
                    for r, value in enumerate(left):
                        vectors.add_product(sums[r][s], value, right)
        for r, totals in enumerate(sums):
            row = vectors.moved(out, builder.mul(pitch, _WORD(r)), vectors.size)
            for s, total in enumerate(totals):
                place = builder.inttoptr(builder.add(row, _WORD(s * vectors.size)), vectors.number.as_pointer())
                builder.store(builder.fadd(builder.load(place), vectors.sum_of(builder.load(total))), place)

    vectors.for_each_size((lines, others), (LINES, OTHERS), tile)
    return context.get_dummy_value()


def _taking(count: int, code: Callable[..., Untyped]) -> Untyped:
    """Return the intrinsic of code that takes an array, for its dtype, and a tuple of whole numbers."""
    return intrinsic(lambda _, like, numbers: (types.void(like, _tuple(types.int64, count)), code))


weigh, correlate = _taking(8, _weigh), _taking(12, _correlate)
