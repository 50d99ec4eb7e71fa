"""Shapes and strides of results, as torch computes them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

import torch
from torch import Tensor


def broadcast(shapes: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """The shape of an elementwise result of operands with these shapes."""
    from_last = zip_longest(*(reversed(shape) for shape in shapes), fillvalue=1)
    return tuple(max(lengths, key=lambda length: (length != 1, length)) for lengths in from_last)[::-1]


def broadcast_strides(shape: Sequence[int], tensor: Tensor) -> list[int]:
    """The strides of `tensor` expanded to `shape`: 0 in an expanded dimension."""
    missing = len(shape) - tensor.dim()
    dims = zip(tensor.shape, tensor.stride(), shape[missing:], strict=True)
    return [0] * missing + [0 if length == 1 != expanded else stride for length, stride, expanded in dims]


def empty_like_operands(shape: Sequence[int], operands: Sequence[Sequence[int]], dtype: torch.dtype) -> Tensor:
    """A dense meta tensor whose dimensions have the order of the first operand's strides that decides it.

    As TensorIterator does it (aten/src/ATen/TensorIterator.cpp, reorder_dimensions): an insertion sort from the innermost
    dimension outwards, since dimensions with stride 0 have no order among each other.
    """
    order = list(reversed(range(len(shape))))
    for start in range(1, len(order)):
        current = start
        for index in range(start - 1, -1, -1):
            comparison = _compare_dims(order[index], order[current], shape, operands)
            if comparison < 0:
                break
            if comparison > 0:
                order[index], order[current] = order[current], order[index]
                current = index
    strides, size = [0] * len(shape), 1
    for dim in order:
        strides[dim], size = size, size * shape[dim]
    return torch.empty_strided(shape, strides, dtype=dtype, device="meta")


def _compare_dims(inner: int, outer: int, shape: Sequence[int], operands: Sequence[Sequence[int]]) -> int:
    """Negative if the two dimensions are in order, positive if they must swap, 0 if no operand decides."""
    for strides in operands:
        inner_stride, outer_stride = strides[inner], strides[outer]
        if inner_stride == 0 or outer_stride == 0:
            continue
        if inner_stride != outer_stride:
            return inner_stride - outer_stride
        if shape[inner] > shape[outer]:
            return 1
    return 0


def suggested_memory_format(tensor: Tensor) -> torch.memory_format:
    """The memory format that torch derives from the strides of an argument, also if it is a view of a larger tensor.

    As c10/core/MemoryFormat.h, is_channels_last_strides_2d.
    """
    if tensor.dim() != 4 or tensor.stride(1) == 0:
        return torch.contiguous_format
    min_stride = 0
    for dim in (1, 3, 2, 0):
        stride = tensor.stride(dim)
        if stride < min_stride or (dim == 0 and min_stride == tensor.stride(1)):
            return torch.contiguous_format
        min_stride = stride * max(tensor.shape[dim], 1)
    return torch.channels_last
