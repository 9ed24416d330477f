"""Sums in vector registers, of products for convolutions and of long rows.

A tile of sums stays in registers during the loop over their terms; each line of numbers that is loaded serves all rows
of the tile. Every sum adds its terms in one order, whatever the tile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product, zip_longest

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from nnfw_numba.tiles import register, spread
from nnfw_numba.untyped import Untyped

ROWS, COLUMNS = (8, 4, 2, 1), (3, 2, 1)
"""Sizes of a tile of :func:`weigh`: rows, and registers in each."""

LINES, OTHERS = (4, 2, 1), (6, 3, 1)
"""Sizes of a tile of :func:`correlate`: lines, and other lines that each is multiplied by."""

REGISTER = register() or 16
"""Bytes of a vector register."""

_SIDE_BY_SIDE = 4
"""Registers of sums of one row: additions to one need not wait for those to another, and rounding errors stay small."""

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
        self.zero = ir.Constant(self.vector, [0.0] * self.lanes)

    def number_at(self, address: Untyped, index: int) -> Untyped:
        """Load a number."""
        return self.builder.load(self._pointer(address, index * self.size, self.number))

    def word_at(self, address: Untyped, index: Untyped) -> Untyped:
        """Load a whole number."""
        return self.builder.load(self.builder.inttoptr(self.moved(address, index, 8), _WORD.as_pointer()))

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

    def sums_of(self, values: list[Untyped]) -> list[Untyped]:
        """Return registers that hold the sum of the numbers of each register, in order, then zeros; halves first."""
        half = self.lanes // 2
        while half:
            pairs = zip_longest(values[::2], values[1::2], fillvalue=self.zero)
            values = [self.builder.fadd(*(self._halves(pair, half, of) for of in (0, half))) for pair in pairs]
            half //= 2
        return values

    def _halves(self, pair: tuple[Untyped, Untyped], half: int, of: int) -> Untyped:
        """Return the first halves of all groups of numbers in two registers if `of` is 0, otherwise the second."""
        order = [k for k in range(2 * self.lanes) if k & half == of]
        return self.builder.shuffle_vector(*pair, ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), order))

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

    Takes an array of the dtype; rows and registers; the address of x; that of where in x each register begins; address
    and count of the offsets, in numbers; the address of the weights, those of all rows together; address of out, and
    numbers between its rows.
    """
    rows, columns, x, starts, offsets, count, weights, out, pitch = _unpacked(builder, arguments[1])
    vectors = _Vectors(context, builder, signature.args[0].dtype)

    def tile(height: int, width: int) -> None:
        first = [vectors.spread(vectors.number_at(weights, r)) for r in range(height)]
        sums = [[vectors.variable(value) for _ in range(width)] for value in first]
        lines = [vectors.moved(x, vectors.word_at(starts, _WORD(v)), vectors.size) for v in range(width)]
        with cgutils.for_range(builder, count) as loop:
            offset = vectors.word_at(offsets, loop.index)
            seen = [vectors.vector_at(vectors.moved(line, offset, vectors.size), 0) for line in lines]
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
    address of x, numbers between examples; addresses of the offsets and of where in x each register q begins; counts of
    examples n and registers; address of out, whose rows are contiguous; zeros are added to what follows in its last
    register.
    """
    numbers = _unpacked(builder, arguments[1])
    lines, others, d, d_line, d_next, x, x_next, offsets, begins, examples, registers, out = numbers
    vectors = _Vectors(context, builder, signature.args[0].dtype)

    def tile(height: int, width: int) -> None:
        sums = [[vectors.variable(vectors.zero) for _ in range(width)] for _ in range(height)]
        shifts = [vectors.word_at(offsets, _WORD(s)) for s in range(width)]
        with cgutils.for_range(builder, examples) as example:
            own = vectors.moved(d, builder.mul(example.index, d_next), vectors.size)
            seen = vectors.moved(x, builder.mul(example.index, x_next), vectors.size)
            starts = [vectors.moved(own, builder.mul(d_line, _WORD(r)), vectors.size) for r in range(height)]
            shifted = [vectors.moved(seen, shift, vectors.size) for shift in shifts]
            with cgutils.for_range(builder, registers) as loop:
                at = builder.mul(loop.index, _WORD(REGISTER))
                left = [vectors.vector_at(builder.add(start, at), 0) for start in starts]
                begin = vectors.word_at(begins, loop.index)
                for s, start in enumerate(shifted):
                    right = vectors.vector_at(vectors.moved(start, begin, vectors.size), 0)
                    for r, value in enumerate(left):
                        vectors.add_product(sums[r][s], value, right)
        for v, total in enumerate(vectors.sums_of([builder.load(each) for totals in sums for each in totals])):
            vectors.store(builder.fadd(vectors.vector_at(out, v), total), out, v)

    vectors.for_each_size((lines, others), (LINES, OTHERS), tile)
    return context.get_dummy_value()


def _sums(context: Untyped, builder: Untyped, signature: Untyped, arguments: Untyped) -> Untyped:
    """Return Σ (a_k − s) and Σ (a_k − s) (b_k − s) for contiguous numbers a and b, and a number s."""
    vectors, arrays = _Vectors(context, builder, signature.args[0].dtype), []
    for kind, value in zip(signature.args[:2], arguments, strict=False):
        arrays.append(make_array(kind)(context, builder, value))  # type: ignore[no-untyped-call]
    addresses = [builder.ptrtoint(array.data, _WORD) for array in arrays]
    lanes, count, shift = vectors.lanes, arrays[0].nitems, vectors.spread(arguments[2])
    totals = [[vectors.variable(vectors.zero) for _ in range(2)] for _ in range(_SIDE_BY_SIDE)]

    def add(total: list[Untyped], values: list[Untyped], shift: Untyped) -> None:
        a, b = (builder.fsub(value, shift) for value in values)
        builder.store(builder.fadd(builder.load(total[0]), a), total[0])
        product = builder.fmul(a, b)  # rounded for itself: an infinite one must meet one of the other sign
        builder.store(builder.fadd(builder.load(total[1]), product), total[1])

    start = _WORD(0)
    for some in (totals, totals[:1]):
        step = _WORD(len(some) * lanes)
        end = builder.sub(count, builder.srem(builder.sub(count, start), step))
        with cgutils.for_range_slice(builder, start, end, step) as (index, _):
            places = [vectors.moved(address, index, vectors.size) for address in addresses]
            for v, total in enumerate(some):
                add(total, [vectors.vector_at(place, v) for place in places], shift)
        start = end
    for more in totals[1:]:
        for total, other in zip(totals[0], more, strict=True):
            builder.store(builder.fadd(builder.load(total), builder.load(other)), total)
    (sums, *_) = vectors.sums_of([builder.load(total) for total in totals[0]])
    found = [vectors.variable(builder.extract_element(sums, ir.IntType(32)(k))) for k in range(2)]
    with cgutils.for_range_slice(builder, start, count, _WORD(1)) as (index, _):
        add(found, [vectors.number_at(vectors.moved(each, index, vectors.size), 0) for each in addresses], arguments[2])
    return context.make_tuple(builder, signature.return_type, [builder.load(each) for each in found])


def _taking(count: int, code: Callable[..., Untyped]) -> Untyped:
    """Return the intrinsic of code that takes an array, for its dtype, and a tuple of whole numbers."""
    return intrinsic(lambda _, like, numbers: (types.void(like, _tuple(types.int64, count)), code))


sums: Untyped = intrinsic(lambda _, a, b, s: (_tuple(a.dtype, 2)(a, b, a.dtype), _sums))
weigh, correlate = _taking(9, _weigh), _taking(12, _correlate)
