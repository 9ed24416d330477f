"""What lies below numba's Python: addresses, functions at addresses, bits, and numbers that threads share."""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

_BYTES = ir.IntType(8).as_pointer()
_WORD = ir.IntType(64)


def _pointing(context: Any, address: Any, like: Any) -> Any:  # noqa: ARG001
    """Return an address as a pointer to numbers of the dtype of `like`."""
    result: Any = types.CPointer(like.dtype)  # type: ignore[no-untyped-call]

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.inttoptr(arguments[0], context.get_value_type(result))

    return result(address, like), code


def _locating(context: Any, to: Any) -> Any:  # noqa: ARG001
    """Return a pointer as an address."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.ptrtoint(arguments[0], _WORD)

    return types.int64(to), code


def _copying(context: Any, to: Any, source: Any, count: Any) -> Any:  # noqa: ARG001
    """Copy bytes from one address to another."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        memcpy = builder.module.declare_intrinsic("llvm.memcpy", [_BYTES, _BYTES, _WORD])
        ends = [builder.inttoptr(address, _BYTES) for address in arguments[:2]]
        builder.call(memcpy, [*ends, arguments[2], ir.Constant(ir.IntType(1), 0)])
        return context.get_dummy_value()

    return types.void(to, source, count), code


def _calling(context: Any, address: Any, pointers: Any) -> Any:  # noqa: ARG001
    """Call the function at `address` with pointers."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        function = _function(builder, arguments[0], ir.FunctionType(ir.VoidType(), [_BYTES] * len(pointers)))
        values = (builder.extract_value(arguments[1], k) for k in range(len(pointers)))
        builder.call(function, [builder.inttoptr(value, _BYTES) for value in values])
        return context.get_dummy_value()

    return types.void(address, pointers), code


def _function(builder: Any, address: Any, kind: ir.FunctionType) -> Any:
    return builder.inttoptr(address, kind.as_pointer())


def _bits(context: Any, number: Any) -> Any:  # noqa: ARG001
    """Return the whole number that has the bits of a float64."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.bitcast(arguments[0], _WORD)

    return types.int64(types.float64), code


def _fraction(context: Any, number: Any) -> Any:  # noqa: ARG001
    """Return the float64 that has the bits of a whole number."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), code


def _loading(context: Any, address: Any) -> Any:  # noqa: ARG001
    """Return the whole number at an address, and see all that was written before it was."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.load_atomic(builder.inttoptr(arguments[0], _WORD.as_pointer()), "acquire", 8)

    return types.int64(address), code


def _storing(context: Any, address: Any, value: Any) -> Any:  # noqa: ARG001
    """Write a whole number to an address; who sees it sees all that was written before."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        builder.store_atomic(arguments[1], builder.inttoptr(arguments[0], _WORD.as_pointer()), "release", 8)
        return context.get_dummy_value()

    return types.void(address, types.int64), code


def _exchanging(context: Any, address: Any, old: Any, new: Any) -> Any:  # noqa: ARG001
    """Write `new` where `old` is, and return whether it was there: one thread of several at most finds that."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        place = builder.inttoptr(arguments[0], _WORD.as_pointer())
        return builder.extract_value(builder.cmpxchg(place, arguments[1], arguments[2], "acq_rel", "acquire"), 1)

    return types.boolean(address, types.int64, types.int64), code


pointer: Any = intrinsic(_pointing)
address: Any = intrinsic(_locating)
copy: Any = intrinsic(_copying)
call: Any = intrinsic(_calling)
bits: Any = intrinsic(_bits)
fraction: Any = intrinsic(_fraction)
load: Any = intrinsic(_loading)
store: Any = intrinsic(_storing)
exchange: Any = intrinsic(_exchanging)
