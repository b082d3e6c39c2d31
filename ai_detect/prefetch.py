"""`prefetch(array, row)` for compiled functions: fetch a row into the cache now, since it is read soon.

A loop that reads rows all over an array that no cache holds waits for memory at each of them. One that only asks for
them, a few hundred rows before they are read, does not.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_READ, _KEEP_CLOSE, _DATA = 0, 3, 1  # how LLVM's instruction names what it is told


@intrinsic  # type: ignore[untyped-decorator]
def prefetch(typing_context: Any, array: Any, row: Any) -> tuple[Any, Any]:
    """Ask for the memory at the start of array[row]; `row`, unsigned, may lie anywhere: nothing is read."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        base, stride = _start(context, builder, signature.args[0], arguments[0])
        address = builder.add(base, builder.mul(arguments[1], stride))
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [pointer], kind)
        told = [ir.Constant(number, one) for one in (_READ, _KEEP_CLOSE, _DATA)]
        return builder.call(function, [builder.inttoptr(address, pointer), *told])

    return types.void(array, row), generate


def _start(context: Any, builder: Any, kind: Any, value: Any) -> tuple[Any, Any]:
    """Return the address of an array's data and the bytes from one of its rows to the next."""
    array = context.make_array(kind)(context, builder, value)
    return builder.ptrtoint(array.data, ir.IntType(64)), builder.extract_value(array.strides, 0)
