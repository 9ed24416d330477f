"""What numba's Python lacks: pointers, calls by address, and atomic numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

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

_pointers: Untyped = types.CPointer
_tuples: Untyped = types.UniTuple
_arrays: Untyped = types.Array
_unpacked: Untyped = cgutils.unpack_tuple


def _pointer(context: Untyped, builder: Untyped, signature: Untyped, arguments: Untyped) -> Untyped:
    """Return an address as a pointer to numbers of the dtype of another array."""
    return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))


def _address(context: Untyped, builder: Untyped, signature: Untyped, arguments: Untyped) -> Untyped:
    """Return a pointer as an address."""
    return builder.ptrtoint(arguments[0], _WORD)


def _copy(context: Untyped, builder: Untyped, signature: Untyped, arguments: Untyped) -> Untyped:
    """Copy bytes: takes the target's address, the source's address, and the count."""
    memcpy = builder.module.declare_intrinsic("llvm.memcpy", [_BYTES, _BYTES, _WORD])
    ends = [builder.inttoptr(address, _BYTES) for address in arguments[:2]]
    builder.call(memcpy, [*ends, arguments[2], ir.Constant(ir.IntType(1), 0)])
    return context.get_dummy_value()


def _call(context: Untyped, builder: Untyped, signature: Untyped, arguments: Untyped) -> Untyped:
    """Call the function at an address with a tuple of pointers."""
    pointers = _unpacked(builder, arguments[1])
    kind = ir.FunctionType(ir.VoidType(), [_BYTES] * len(pointers))
    function = builder.inttoptr(arguments[0], kind.as_pointer())
    builder.call(function, [builder.inttoptr(pointer, _BYTES) for pointer in pointers])
    return context.get_dummy_value()


def _load(context: Untyped, builder: Untyped, signature: Untyped, arguments: Untyped) -> Untyped:
    """Load the whole number at an address, with acquire ordering: earlier writes by its writer are visible."""
    return builder.load_atomic(builder.inttoptr(arguments[0], _WORD.as_pointer()), "acquire", 8)


def _store(context: Untyped, builder: Untyped, signature: Untyped, arguments: Untyped) -> Untyped:
    """Store a whole number at an address, with release ordering."""
    builder.store_atomic(arguments[1], builder.inttoptr(arguments[0], _WORD.as_pointer()), "release", 8)
    return context.get_dummy_value()


def _exchange(context: Untyped, builder: Untyped, signature: Untyped, arguments: Untyped) -> Untyped:
    """Replace an expected number at an address, atomically; return whether it was there."""
    place = builder.inttoptr(arguments[0], _WORD.as_pointer())
    return builder.extract_value(builder.cmpxchg(place, arguments[1], arguments[2], "acq_rel", "acquire"), 1)


def _vector(context: Untyped, builder: Untyped, signature: Untyped, arguments: Untyped) -> Untyped:
    """Return numbers of an array from an index on, which are contiguous there, as an array in one piece."""
    (kind, _, _), result = signature.args, signature.return_type
    array = make_array(kind)(context, builder, arguments[0])  # type: ignore[no-untyped-call]
    place = builder.bitcast(array.data, _BYTES)
    strides = _unpacked(builder, array.strides)
    for index, stride in zip(_unpacked(builder, arguments[1]), strides, strict=False):
        place = builder.gep(place, [builder.mul(index, stride)], inbounds=True)
    found, size = make_array(result)(context, builder), array.itemsize  # type: ignore[no-untyped-call]
    data = builder.bitcast(place, array.data.type)
    populate_array(found, data=data, shape=[arguments[2]], strides=[size], itemsize=size, meminfo=None)  # type: ignore[no-untyped-call]
    return found._getvalue()


def _fused(context: Untyped, builder: Untyped, signature: Untyped, arguments: Untyped) -> Untyped:
    """Return a b + c, rounded once if the processor can; otherwise a fused product would call the C library."""
    a, b, c = arguments
    can_fuse = binding.get_host_cpu_features().get("fma")
    return builder.fma(a, b, c) if can_fuse else builder.fadd(builder.fmul(a, b), c)


def _elements(context: Untyped, builder: Untyped, signature: Untyped, arguments: Untyped) -> Untyped:
    """Return element k of each array in a tuple, and its numbers in the dtype of another array."""
    kinds, dtype = signature.args[0], signature.return_type.dtype

    def element(value: Untyped, kind: Untyped) -> Untyped:
        if not isinstance(kind, types.Array):
            return context.cast(builder, value, kind, dtype)
        own = dtype(kind, signature.args[1])
        return context.compile_internal(builder, lambda array, k: array.flat[k], own, (value, arguments[1]))

    found = map(element, _unpacked(builder, arguments[0]), kinds)
    return context.make_tuple(builder, signature.return_type, list(found))


pointer: Untyped = intrinsic(lambda _, address, like: (_pointers(like.dtype)(address, like), _pointer))
address: Untyped = intrinsic(lambda _, to: (types.int64(to), _address))
copy: Untyped = intrinsic(lambda _, to, source, count: (types.void(to, source, count), _copy))
call: Untyped = intrinsic(lambda _, address, pointers: (types.void(address, pointers), _call))
load: Untyped = intrinsic(lambda _, address: (types.int64(address), _load))
store: Untyped = intrinsic(lambda _, address, value: (types.void(address, types.int64), _store))
exchange: Untyped = intrinsic(
    lambda _, address, old, new: (types.boolean(address, types.int64, types.int64), _exchange)
)
vector: Untyped = intrinsic(lambda _, array, index, count: (_arrays(array.dtype, 1, "C")(array, index, count), _vector))
fused: Untyped = intrinsic(lambda _, a, b, c: (a(a, a, a), _fused))
elements: Untyped = intrinsic(lambda _, values, k, like: (_tuples(like.dtype, len(values))(values, k, like), _elements))


def decoder(kinds: tuple[types.Type, ...]) -> Callable[[Untyped], tuple[Untyped, ...]]:
    """Return a function, for compiled code, that decodes a program's numbers into arguments.

    Parameters
    ----------
    kinds
        The types of the arguments. An array is encoded as its address, the sizes of its axes and, if it is not
        contiguous, the strides in bytes of all axes but the last; a float as its bits.
    """
    result = types.Tuple(kinds)  # type: ignore[no-untyped-call]

    def code(context: Untyped, builder: Untyped, signature: Untyped, arguments: Untyped) -> Untyped:
        numbers = _numbers(builder, arguments[0])
        return context.make_tuple(builder, result, [_decoded(context, builder, numbers, kind) for kind in kinds])

    made: Untyped = intrinsic(lambda _, p: (result(p), code))
    return made  # type: ignore[no-any-return]


def width(kind: types.Type) -> int:
    """Return how many numbers of a program encode an argument of a type."""
    if not isinstance(kind, types.Array):
        return 1
    ndim = int(kind.ndim)
    return 1 + ndim if kind.layout == "C" else 2 * ndim


def _numbers(builder: Untyped, base: Untyped) -> Iterator[Untyped]:
    """Load the numbers of a program in order."""
    for at in count():
        yield builder.load(cgutils.gep(builder, base, at))  # type: ignore[no-untyped-call]


def _decoded(context: Untyped, builder: Untyped, numbers: Iterator[Untyped], kind: types.Type) -> Untyped:
    if not isinstance(kind, types.Array):
        return builder.bitcast(next(numbers), ir.DoubleType())
    element = context.get_data_type(kind.dtype)
    size = ir.Constant(_WORD, context.get_abi_sizeof(element))
    data = builder.inttoptr(next(numbers), element.as_pointer())
    shape = [next(numbers) for _ in range(kind.ndim)]
    strides = [size]
    for length in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], length))
    if kind.layout != "C":
        strides = [*(next(numbers) for _ in shape[1:]), size]
    array = make_array(kind)(context, builder)  # type: ignore[no-untyped-call]
    populate_array(array, data=data, shape=shape, strides=strides, itemsize=size, meminfo=None)  # type: ignore[no-untyped-call]
    return array._getvalue()
