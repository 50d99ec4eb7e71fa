"""How torch lays out what it makes: which dimension lies innermost in memory."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

import torch
from torch import Tensor


def broadcast(shapes: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """The shape of what is made value by value of operands in these shapes."""
    turned = zip_longest(*(reversed(shape) for shape in shapes), fillvalue=1)
    return tuple(max(sides, key=lambda side: (side != 1, side)) for sides in turned)[::-1]


def broadcast_strides(shape: Sequence[int], tensor: Tensor) -> list[int]:
    """The strides of `tensor` where it is laid over `shape`: 0 where it repeats itself."""
    missing = len(shape) - tensor.dim()
    own = zip(tensor.shape, tensor.stride(), shape[missing:], strict=True)
    return [0] * missing + [0 if side == 1 != whole else stride for side, stride, whole in own]


def empty_in_order(shape: Sequence[int], operands: Sequence[Sequence[int]], dtype: torch.dtype) -> Tensor:
    """As torch lays out what it makes of operands with such strides: dense, in the order of the first that has one.

    An insertion sort from the innermost dimension outwards, since the order is none between dimensions that are broadcast.
    """
    order = list(reversed(range(len(shape))))
    for start in range(1, len(order)):
        moving = start
        for place in range(start - 1, -1, -1):
            found = _compared(order[place], order[moving], shape, operands)
            if found < 0:
                break
            if found > 0:
                order[place], order[moving] = order[moving], order[place]
                moving = place
    strides, size = [0] * len(shape), 1
    for dim in order:
        strides[dim], size = size, size * shape[dim]
    return torch.empty_strided(shape, strides, dtype=dtype, device="meta")


def _compared(inner: int, outer: int, shape: Sequence[int], operands: Sequence[Sequence[int]]) -> int:
    """Below 0 where the dimensions are in order, above where they change places, 0 where no operand says."""
    for strides in operands:
        one, other = strides[inner], strides[outer]
        if one == 0 or other == 0:
            continue
        if one != other:
            return one - other
        if shape[inner] > shape[outer]:
            return 1
    return 0


def suggested(tensor: Tensor) -> torch.memory_format:
    """The layout that torch takes from an argument, also where that is a part of a larger tensor."""
    if tensor.dim() != 4 or tensor.stride(1) == 0:
        return torch.contiguous_format
    least = 0
    for dim in (1, 3, 2, 0):
        stride = tensor.stride(dim)
        if stride < least or (dim == 0 and least == tensor.stride(1)):
            return torch.contiguous_format
        least = stride * max(tensor.shape[dim], 1)
    return torch.channels_last
