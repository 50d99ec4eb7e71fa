"""The forms of what the commonest operations of both networks make, faster than torch's own rules find them.

torch's rules are Python, general, and take most of a walk's time for a few operations that are called hundreds of times.
Everything that is not here is asked of torch itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

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
    if not (first.is_contiguous() or first.is_contiguous(memory_format=torch.channels_last)):
        return torch.empty_like(first, dtype=dtype)  # a part of another tensor is laid out anew
    return torch.empty_strided(first.shape, first.stride(), dtype=dtype or first.dtype, device="meta")


def _norm(tensor: Tensor, *_: Any) -> Tensor:
    return torch.empty((), dtype=tensor.dtype, device="meta")


def _channels_last(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    return torch.empty(shape, dtype=dtype, device="meta", memory_format=torch.channels_last)


def _vector(length: int, dtype: torch.dtype) -> Tensor:
    return torch.empty(length, dtype=dtype, device="meta")


RULES: Mapping[Any, Callable[..., Any]] = {
    _aten.convolution.default: _convolution,
    _aten.conv2d.default: _convolution,
    _aten.convolution_backward.default: _convolution_backward,
    _aten.native_batch_norm.default: _batch_norm,
    _aten.native_batch_norm_backward.default: _batch_norm_backward,
    _aten.mish.default: _like,
    _aten.mish_backward.default: _second,
    _aten.leaky_relu_backward.default: _second,
    _aten.zeros_like.default: _like,
    _aten.linalg_vector_norm.default: _norm,
}
