"""What numba's Python lacks: pointers, calls by address, and atomic numbers."""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import binding, ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

from nnfw_numba.untyped import Untyped

INDICES = types.CPointer(types.intp)  # type: ignore[no-untyped-call]
"""The type of a pointer to a program's numbers."""

_BYTES = ir.IntType(8).as_pointer()
_WORD = ir.IntType(64)


def _pointing(context: Untyped, address: Untyped, like: Untyped) -> Untyped:  # noqa: ARG001
    """Return an address as a pointer to numbers of the dtype of `like`."""
    result: Untyped = types.CPointer(like.dtype)  # type: ignore[no-untyped-call]

    def code(context: Untyped, builder: Untyped, signature: Untyped, arguments: Untyped) -> Untyped:  # noqa: ARG001
        return builder.inttoptr(arguments[0], context.get_value_type(result))

    return result(address, like), code


def _locating(context: Untyped, to: Untyped) -> Untyped:  # noqa: ARG001
    """Return a pointer as an address."""

    def code(context: Untyped, builder: Untyped, signature: Untyped, arguments: Untyped) -> Untyped:  # noqa: ARG001
        return builder.ptrtoint(arguments[0], _WORD)

    return types.int64(to), code


def _copying(context: Untyped, to: Untyped, source: Untyped, count: Untyped) -> Untyped:  # noqa: ARG001
    """Copy bytes from one address to another."""

    def code(context: Untyped, builder: Untyped, signature: Untyped, arguments: Untyped) -> Untyped:  # noqa: ARG001
        memcpy = builder.module.declare_intrinsic("llvm.memcpy", [_BYTES, _BYTES, _WORD])
        ends = [builder.inttoptr(address, _BYTES) for address in arguments[:2]]
        builder.call(memcpy, [*ends, arguments[2], ir.Constant(ir.IntType(1), 0)])
        return context.get_dummy_value()

    return types.void(to, source, count), code


def _calling(context: Untyped, address: Untyped, pointers: Untyped) -> Untyped:  # noqa: ARG001
    """Call the function at `address` with pointers."""

    def code(context: Untyped, builder: Untyped, signature: Untyped, arguments: Untyped) -> Untyped:  # noqa: ARG001
        function = _function(builder, arguments[0], ir.FunctionType(ir.VoidType(), [_BYTES] * len(pointers)))
        values = (builder.extract_value(arguments[1], k) for k in range(len(pointers)))
        builder.call(function, [builder.inttoptr(value, _BYTES) for value in values])
        return context.get_dummy_value()

    return types.void(address, pointers), code


def _function(builder: Untyped, address: Untyped, kind: ir.FunctionType) -> Untyped:
    return builder.inttoptr(address, kind.as_pointer())


def _loading(context: Untyped, address: Untyped) -> Untyped:  # noqa: ARG001
    """Load the whole number at an address, with acquire ordering: earlier writes by its writer are visible."""

    def code(context: Untyped, builder: Untyped, signature: Untyped, arguments: Untyped) -> Untyped:  # noqa: ARG001
        return builder.load_atomic(builder.inttoptr(arguments[0], _WORD.as_pointer()), "acquire", 8)

    return types.int64(address), code


def _storing(context: Untyped, address: Untyped, value: Untyped) -> Untyped:  # noqa: ARG001
    """Store a whole number at an address, with release ordering."""

    def code(context: Untyped, builder: Untyped, signature: Untyped, arguments: Untyped) -> Untyped:  # noqa: ARG001
        builder.store_atomic(arguments[1], builder.inttoptr(arguments[0], _WORD.as_pointer()), "release", 8)
        return context.get_dummy_value()

    return types.void(address, types.int64), code


def _exchanging(context: Untyped, address: Untyped, old: Untyped, new: Untyped) -> Untyped:  # noqa: ARG001
    """Replace `old` at an address by `new`, atomically; return whether `old` was there."""

    def code(context: Untyped, builder: Untyped, signature: Untyped, arguments: Untyped) -> Untyped:  # noqa: ARG001
        place = builder.inttoptr(arguments[0], _WORD.as_pointer())
        return builder.extract_value(builder.cmpxchg(place, arguments[1], arguments[2], "acq_rel", "acquire"), 1)

    return types.boolean(address, types.int64, types.int64), code


def _fusing(context: Untyped, a: Untyped, b: Untyped, c: Untyped) -> Untyped:  # noqa: ARG001
    """Return a b + c, rounded once if the processor can; otherwise a fused product would call the C library."""
    fused = bool(binding.get_host_cpu_features().get("fma"))

    def code(context: Untyped, builder: Untyped, signature: Untyped, arguments: Untyped) -> Untyped:  # noqa: ARG001
        a, b, c = arguments
        return builder.fma(a, b, c) if fused else builder.fadd(builder.fmul(a, b), c)

    return a(a, a, a), code


pointer: Untyped = intrinsic(_pointing)
address: Untyped = intrinsic(_locating)
copy: Untyped = intrinsic(_copying)
call: Untyped = intrinsic(_calling)
fused: Untyped = intrinsic(_fusing)
load: Untyped = intrinsic(_loading)
store: Untyped = intrinsic(_storing)
exchange: Untyped = intrinsic(_exchanging)


def decoder(kinds: tuple[types.Type, ...], start: int = 0) -> Callable[[Untyped], tuple[Untyped, ...]]:
    """Return a function, for compiled code, that decodes a program's numbers into arguments.

    Parameters
    ----------
    kinds
        The types of the arguments. An array is encoded as its address, the sizes of its axes and, if it is not
        contiguous, the strides in bytes of all axes but the last; a float as its bits.
    start
        The position of the first number; 0 by default.
    """
    result = types.Tuple(kinds)  # type: ignore[no-untyped-call]

    def typing(context: Untyped, p: Untyped) -> Untyped:  # noqa: ARG001
        def code(context: Untyped, builder: Untyped, signature: Untyped, arguments: Untyped) -> Untyped:  # noqa: ARG001
            numbers = _Numbers(builder, arguments[0], start)
            return context.make_tuple(builder, result, [_decoded(context, numbers, kind) for kind in kinds])

        return result(p), code

    made: Untyped = intrinsic
    return made(typing)  # type: ignore[no-any-return]


def width(kind: types.Type) -> int:
    """Return how many numbers of a program encode an argument of a type."""
    if not isinstance(kind, types.Array):
        return 1
    ndim = int(kind.ndim)
    return 1 + ndim if kind.layout == "C" else 2 * ndim


class _Numbers:
    """Reads the numbers of a program in order."""

    def __init__(self, builder: Untyped, base: Untyped, start: int) -> None:
        self.builder, self._base, self._at = builder, base, start

    def next(self) -> Untyped:
        self._at += 1
        return self.builder.load(cgutils.gep(self.builder, self._base, self._at - 1))  # type: ignore[no-untyped-call]


def _decoded(context: Untyped, numbers: _Numbers, kind: types.Type) -> Untyped:
    builder = numbers.builder
    if not isinstance(kind, types.Array):
        return builder.bitcast(numbers.next(), ir.DoubleType())
    element = context.get_data_type(kind.dtype)
    size = ir.Constant(_WORD, context.get_abi_sizeof(element))
    data = builder.inttoptr(numbers.next(), element.as_pointer())
    shape = [numbers.next() for _ in range(kind.ndim)]
    strides = [size]
    for length in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], length))
    if kind.layout != "C":
        strides = [*(numbers.next() for _ in shape[1:]), size]
    array = make_array(kind)(context, builder)  # type: ignore[no-untyped-call]
    populate_array(array, data=data, shape=shape, strides=strides, itemsize=size, meminfo=None)  # type: ignore[no-untyped-call]
    return array._getvalue()
