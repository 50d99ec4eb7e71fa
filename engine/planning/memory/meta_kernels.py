"""The forms of what the operations of both networks and of both losses make, found faster than by torch's own rules.

Most of torch's rules are Python and general: they take most of a walk's time, and the first of them imports torch's compiler,
which takes a second. Everything that is not here is asked of torch itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from engine.planning.memory.strides import broadcast, broadcast_strides, empty_in_order, suggested

_aten = torch.ops.aten


def _convolution(
    images: Tensor,
    kernel: Tensor,
    bias: Tensor | None = None,  # noqa: ARG001
    stride: Sequence[int] = (1, 1),
    padding: Sequence[int] = (0, 0),
    dilation: Sequence[int] = (1, 1),
    *_: Any,
) -> Tensor:
    sides = [
        (side + 2 * pad - reach * (length - 1) - 1) // step + 1
        for side, length, step, pad, reach in zip(
            images.shape[2:], kernel.shape[2:], stride, padding, dilation, strict=True
        )
    ]
    return _channels_last((images.shape[0], kernel.shape[0], *sides), images.dtype)


def _convolution_backward(gradient: Tensor, images: Tensor, kernel: Tensor, *rest: Any) -> tuple[Tensor | None, ...]:
    for_images, for_kernel, for_bias = rest[-1]
    return (
        _channels_last(images.shape, images.dtype) if for_images else None,
        _channels_last(kernel.shape, kernel.dtype) if for_kernel else None,
        _vector(gradient.shape[1], gradient.dtype) if for_bias else None,
    )


def _batch_norm(images: Tensor, weight: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    training = rest[3]
    channels = images.shape[1] if training else 0
    return _like(images), _vector(channels, weight.dtype), _vector(channels, weight.dtype)


def _batch_norm_backward(
    gradient: Tensor,  # noqa: ARG001
    images: Tensor,
    weight: Tensor,
    *rest: Any,
) -> tuple[Tensor | None, ...]:
    return tuple(
        _like(of) if is_wanted else None for of, is_wanted in zip((images, weight, weight), rest[-1], strict=True)
    )


def _second(first: Tensor, second: Tensor, *_: Any) -> Tensor:  # noqa: ARG001
    return _like(second)


def _like(first: Tensor, *_: Any, dtype: torch.dtype | None = None, **__: Any) -> Tensor:
    return empty_in_order(first.shape, [first.stride()], dtype or first.dtype)


def _norm(tensor: Tensor, *_: Any) -> Tensor:
    return torch.empty((), dtype=tensor.dtype, device="meta")


def _channels_last(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    return torch.empty(shape, dtype=dtype, device="meta", memory_format=torch.channels_last)


def _vector(length: int, dtype: torch.dtype) -> Tensor:
    return torch.empty(length, dtype=dtype, device="meta")


def _elementwise(dtype_of: Callable[..., torch.dtype]) -> Callable[..., Tensor]:
    """The rule of an operation value by value; `dtype_of` its arguments is what it makes."""

    def rule(*args: Any, **_: Any) -> Tensor:
        tensors = [argument for argument in args if isinstance(argument, Tensor)]
        shape = broadcast([tensor.shape for tensor in tensors])
        return empty_in_order(shape, [broadcast_strides(shape, tensor) for tensor in tensors], dtype_of(*args))

    return rule


def _reduced(dtype_of: Callable[[Tensor], torch.dtype]) -> Callable[..., Tensor]:
    """The rule of an operation that makes one value of those along some dimensions."""

    def rule(tensor: Tensor, dims: int | Sequence[int], keep: bool = False, **_: Any) -> Tensor:
        gone = {dim % tensor.dim() for dim in ([dims] if isinstance(dims, int) else dims)}
        shape = [1 if dim in gone else side for dim, side in enumerate(tensor.shape)]
        made = empty_in_order(shape, [tensor.stride()], dtype_of(tensor))
        return made if keep else made.view([side for dim, side in enumerate(shape) if dim not in gone])

    return rule


def _promoted(first: Any, second: Any, *_: Any) -> torch.dtype:
    return torch.result_type(first, second)


def _truth(*_: Any) -> torch.dtype:
    return torch.bool


def _own_dtype(first: Tensor, *_: Any) -> torch.dtype:
    return first.dtype


def _fraction(*args: Any) -> torch.dtype:
    dtype = torch.result_type(*args[:2]) if len(args) > 1 else args[0].dtype
    return dtype if dtype.is_floating_point else torch.get_default_dtype()


def _summed(tensor: Tensor) -> torch.dtype:
    return tensor.dtype if tensor.dtype.is_floating_point else torch.int64


def _whole(_: Tensor) -> torch.dtype:
    return torch.int64


def _clamped(first: Tensor, *bounds: Any) -> torch.dtype:
    return torch.result_type(first, next(bound for bound in bounds if bound is not None))


def _chosen(_: Tensor, first: Any, second: Any) -> torch.dtype:
    return torch.result_type(first, second)


def _cross_entropy(logits: Tensor, targets: Tensor, *rest: Any) -> Tensor:
    reduction = rest[2] if len(rest) > 2 else 1
    return _norm(logits) if reduction else _elementwise(_promoted)(logits, targets)


def _joined(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    first = tensors[0]
    shape = list(first.shape)
    shape[dim] = sum(tensor.shape[dim] for tensor in tensors)
    layouts = {suggested(tensor) for tensor in tensors}
    layout = layouts.pop() if len(layouts) == 1 else torch.contiguous_format
    return torch.empty(shape, dtype=_promoted_all(tensors), device="meta", memory_format=layout)


def _promoted_all(tensors: Sequence[Tensor]) -> torch.dtype:
    dtype = tensors[0].dtype
    for tensor in tensors[1:]:
        dtype = torch.promote_types(dtype, tensor.dtype)
    return dtype


def _stacked(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    first = tensors[0]
    if first.dim() > 2:  # there may be layouts to be kept
        return _aten.stack.default(tensors, dim)  # type: ignore[no-any-return]
    shape = list(first.shape)
    shape.insert(dim % (first.dim() + 1), len(tensors))
    return torch.empty(shape, dtype=_promoted_all(tensors), device="meta")


def _counted(end: float, dtype: torch.dtype | None = None, **_: Any) -> Tensor:
    return _counted_from(0, end, dtype)


def _counted_from(start: float, end: float, dtype: torch.dtype | None = None, **_: Any) -> Tensor:
    whole = isinstance(start, int) and isinstance(end, int)
    return _vector(math.ceil(end - start), dtype or (torch.int64 if whole else torch.get_default_dtype()))


def _taken(tensor: Tensor, indices: Sequence[Tensor | None]) -> Tensor:
    index = indices[0]
    if len(indices) > 1 or index is None or index.dtype != torch.int64 or index.dim() > 1 or not tensor.is_contiguous():
        return _aten.index.Tensor(tensor, indices)  # type: ignore[no-any-return]
    return torch.empty((*index.shape, *tensor.shape[1:]), dtype=tensor.dtype, device="meta")


def _widened(gradient: Tensor, shape: Sequence[int], *_: Any) -> Tensor:
    return torch.empty(shape, dtype=gradient.dtype, device="meta")


def _pooled(
    images: Tensor, length: Sequence[int], step: Sequence[int] = (), pad: Sequence[int] = (0, 0), *rest: Any
) -> tuple[Tensor, Tensor]:
    if rest:  # dilated, or rounded up
        return _aten.max_pool2d_with_indices.default(images, length, step, pad, *rest)  # type: ignore[no-any-return]
    sides = [
        (side + 2 * around - reach) // (by or reach) + 1
        for side, reach, by, around in zip(
            images.shape[2:], _both(length), _both(step or length), _both(pad), strict=True
        )
    ]
    shape, layout = (*images.shape[:2], *sides), suggested(images)
    return (
        torch.empty(shape, dtype=images.dtype, device="meta", memory_format=layout),
        torch.empty(shape, dtype=torch.int64, device="meta", memory_format=layout),
    )


def _both(sides: Sequence[int]) -> Sequence[int]:
    return sides if len(sides) == 2 else (sides[0], sides[0])


def _enlarged(images: Tensor, size: Sequence[int], *_: Any) -> Tensor:
    shape = (*images.shape[:2], *size)
    return torch.empty(shape, dtype=images.dtype, device="meta", memory_format=suggested(images))


def _enlarged_backward(gradient: Tensor, size: Sequence[int], shape: Sequence[int], *_: Any) -> Tensor:  # noqa: ARG001
    return torch.empty(shape, dtype=gradient.dtype, device="meta", memory_format=suggested(gradient))


RULES: Mapping[Any, Callable[..., Any]] = {
    _aten.convolution.default: _convolution,
    _aten.conv2d.default: _convolution,
    _aten.convolution_backward.default: _convolution_backward,
    _aten.native_batch_norm.default: _batch_norm,
    _aten.native_batch_norm_backward.default: _batch_norm_backward,
    _aten.mish.default: _like,
    _aten.mish_backward.default: _second,
    _aten.leaky_relu_backward.default: _second,
    _aten.ones_like.default: _like,
    _aten.zeros_like.default: _like,
    _aten.linalg_vector_norm.default: _norm,
    **dict.fromkeys(
        (
            _aten.add.Scalar,
            _aten.add.Tensor,
            _aten.bitwise_and.Tensor,
            _aten.bitwise_or.Tensor,
            _aten.floor_divide.default,
            _aten.maximum.default,
            _aten.minimum.default,
            _aten.mul.Scalar,
            _aten.mul.Tensor,
            _aten.pow.Tensor_Scalar,
            _aten.remainder.Scalar,
            _aten.rsub.Scalar,
            _aten.sigmoid_backward.default,
            _aten.sub.Tensor,
        ),
        _elementwise(_promoted),
    ),
    **dict.fromkeys(
        (_aten.eq.Tensor, _aten.ge.Scalar, _aten.gt.Scalar, _aten.gt.Tensor, _aten.lt.Scalar, _aten.lt.Tensor),
        _elementwise(_truth),
    ),
    **dict.fromkeys(
        (
            _aten.atan.default,
            _aten.div.Scalar,
            _aten.div.Tensor,
            _aten.exp.default,
            _aten.reciprocal.default,
        ),
        _elementwise(_fraction),
    ),
    _aten.clamp.default: _elementwise(_clamped),
    _aten.masked_fill.Scalar: _elementwise(_own_dtype),
    _aten.neg.default: _elementwise(_own_dtype),
    _aten.sigmoid.default: _elementwise(_fraction),
    _aten.where.self: _elementwise(_chosen),
    _aten.binary_cross_entropy_with_logits.default: _cross_entropy,
    _aten.cumprod.default: _like,
    **dict.fromkeys((_aten.amax.default, _aten.mean.dim), _reduced(_own_dtype)),
    **dict.fromkeys((_aten.prod.dim_int, _aten.sum.dim_IntList), _reduced(_summed)),
    _aten.argmax.default: _reduced(_whole),
    _aten.arange.default: _counted,
    _aten.arange.start: _counted_from,
    _aten.cat.default: _joined,
    _aten.stack.default: _stacked,
    _aten.flip.default: _like,
    _aten.index.Tensor: _taken,
    _aten.index_put.default: _like,
    _aten.scatter_reduce.two: _like,
    _aten.select_backward.default: _widened,
    _aten.slice_backward.default: _widened,
    _aten.max_pool2d_with_indices.default: _pooled,
    _aten.max_pool2d_with_indices_backward.default: _second,
    _aten.upsample_nearest2d.default: _enlarged,
    _aten.upsample_nearest2d_backward.default: _enlarged_backward,
}
