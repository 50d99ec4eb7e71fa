"""Our meta kernels against what torch's real kernels return."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from engine.network.mish import OPERATORS
from engine.planning.memory.meta_kernels import META_KERNELS

aten = torch.ops.aten


def images(channels: int = 6, length: int = 8, dtype: torch.dtype = torch.float32) -> Tensor:
    """A batch of three feature maps in the trainer's memory format."""
    return torch.rand(3, channels, length, length).to(dtype, memory_format=torch.channels_last)


def weight(out_channels: int, in_channels: int, length: int) -> Tensor:
    """A convolution's weight in the trainer's memory format."""
    return torch.rand(out_channels, in_channels, length, length).to(memory_format=torch.channels_last)


def view(channels: int = 3) -> Tensor:
    """A view of half of the channels of a batch."""
    return images(2 * channels)[:, :channels]


def batch_norm_args(training: bool) -> list[Any]:
    return [torch.rand(6), torch.rand(6), torch.rand(6), torch.rand(6), training, 0.1, 1e-5]


def batch_norm_backward_args(mask: list[bool]) -> list[Any]:
    return [images(), images(), *(torch.rand(6) for _ in range(5)), True, 1e-5, mask]


CASES: list[tuple[Any, list[Any]]] = [
    (aten.convolution.default, [images(), weight(4, 6, 3), None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1]),
    (aten.convolution.default, [images(), weight(4, 6, 3), torch.rand(4), [2, 2], [1, 1], [1, 1], False, [0, 0], 1]),
    (aten.convolution.default, [view(), weight(4, 3, 1), None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1]),
    (aten.conv2d.default, [images(), weight(4, 6, 1)]),
    (aten.conv2d.default, [images(), weight(4, 6, 3), None, [2, 2], [1, 1]]),
    *(
        (
            aten.convolution_backward.default,
            [images(4), images(), weight(4, 6, 3), biases, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, mask],
        )
        for biases, mask in (([0], [True, True, False]), ([4], [True, True, True]), ([0], [False, True, False]))
    ),
    (aten.native_batch_norm.default, [images(), *batch_norm_args(training=True)]),
    (aten.native_batch_norm.default, [images(), *batch_norm_args(training=False)]),
    (aten.native_batch_norm.default, [view(6), *batch_norm_args(training=True)]),
    (aten.native_batch_norm.default, [images(dtype=torch.bfloat16), *batch_norm_args(training=True)]),
    (aten.native_batch_norm_backward.default, batch_norm_backward_args([True, True, True])),
    (aten.native_batch_norm_backward.default, batch_norm_backward_args([False, True, True])),
    (aten.mish.default, [images()]),
    (aten.mish.default, [view()]),
    (OPERATORS.mish.default, [images()]),
    (OPERATORS.mish_backward.default, [images(), images()]),
    (OPERATORS.mish_backward.default, [view(), images(3)]),
    (aten.mish_backward.default, [images(), images()]),
    (aten.mish_backward.default, [view(), images(3)]),
    (aten.mish_backward.default, [images(3), view()]),
    (aten.leaky_relu_backward.default, [images(), images(), 0.1, True]),
    (aten.leaky_relu_backward.default, [images(3), view(), 0.1, True]),
    (aten.leaky_relu_backward.default, [view(), images(3), 0.1, True]),
    (aten.zeros_like.default, [weight(4, 6, 3)]),
    (aten.zeros_like.default, [view()]),
    (aten.linalg_vector_norm.default, [weight(4, 6, 3), 2.0]),
    (aten.ones_like.default, [torch.rand(())]),
    (aten.flip.default, [torch.rand(7, 4)[:, :1], [1]]),
    (aten.cumprod.default, [torch.rand(7, 2), 1]),
    (aten.index_put.default, [torch.rand(9, 8), [torch.tensor([1, 4])], torch.rand(2, 8), True]),
    (aten.scatter_reduce.two, [torch.rand(9), 0, torch.tensor([1, 4]), torch.rand(2), "amax"]),
    (aten.select_backward.default, [torch.rand(7), [7, 4], 1, 2]),
    (aten.slice_backward.default, [torch.rand(7, 2), [7, 4], 1, 0, 2, 1]),
    # Elementwise: of the same memory format, of views, broadcast, with numbers
    *(
        (func, [torch.rand(5, 4, 3), torch.rand(5, 4, 1)])
        for func in (aten.add.Tensor, aten.sub.Tensor, aten.mul.Tensor)
    ),
    *((func, [images(), images()]) for func in (aten.add.Tensor, aten.maximum.default, aten.minimum.default)),
    *((func, [view(), torch.rand(3)[:, None, None]]) for func in (aten.mul.Tensor, aten.div.Tensor, aten.eq.Tensor)),
    (aten.add.Tensor, [torch.rand(3, 1).T, torch.rand(5, 1)]),
    (aten.add.Tensor, [torch.rand(5, 7, 3).permute(2, 0, 1), torch.rand(1)]),
    (aten.add.Tensor, [torch.rand(3).expand(4, 3), torch.rand(3, 4).T]),
    (aten.mul.Tensor, [torch.rand(3), torch.rand((), dtype=torch.float64)]),
    (aten.mul.Tensor, [torch.arange(3), 26]),
    (aten.mul.Tensor, [torch.rand(3).bfloat16(), torch.rand(3)]),
    (aten.sub.Tensor, [torch.rand(7, 4)[:, :2], 0.5]),
    (aten.add.Scalar, [torch.rand(7), 1]),
    (aten.mul.Scalar, [torch.rand(7, 2), 2.0]),
    (aten.rsub.Scalar, [torch.rand(7), 1]),
    (aten.pow.Tensor_Scalar, [torch.rand(7, 2), 2]),
    (aten.sigmoid_backward.default, [torch.rand(7, 2), torch.rand(7, 2)]),
    (aten.div.Tensor, [torch.arange(3), 2]),
    (aten.div.Scalar, [torch.rand(7, 1).expand(7, 3), 3]),
    (aten.floor_divide.default, [torch.arange(7), 3]),
    (aten.remainder.Scalar, [torch.arange(7), 3]),
    *(
        (func, [torch.rand(7, 2) > 0.5, torch.rand(7, 1) > 0.5])
        for func in (aten.bitwise_and.Tensor, aten.bitwise_or.Tensor)
    ),
    *((func, [torch.rand(7, 8)[:, :2], 0.5]) for func in (aten.ge.Scalar, aten.gt.Scalar, aten.lt.Scalar)),
    *((func, [torch.rand(7, 2), torch.rand(7, 2)]) for func in (aten.gt.Tensor, aten.lt.Tensor)),
    *((func, [torch.rand(3, 8, 4, 4, 2).permute(0, 2, 3, 1, 4)]) for func in (aten.exp.default, aten.sigmoid.default)),
    *((func, [torch.rand(7)]) for func in (aten.atan.default, aten.neg.default, aten.reciprocal.default)),
    (aten.sqrt.default, [torch.rand(7, dtype=torch.float64)]),
    (aten.sigmoid.default, [torch.arange(3)]),
    (aten.clamp.default, [torch.arange(6).view(3, 2), 0, 25]),
    (aten.clamp.default, [torch.rand(3, 2), 1e-9]),
    (aten.masked_fill.Scalar, [torch.rand(7, 2), torch.rand(7, 2) > 0.5, 0]),
    (aten.where.self, [torch.rand(7) > 0.5, torch.rand(1).expand(7), torch.rand(())]),
    (aten.where.self, [torch.rand(7, 2) > 0.5, torch.rand(7, 2), torch.rand(7, 2)]),
    *(
        (aten.binary_cross_entropy_with_logits.default, [torch.rand(7, 8)[:, :3], torch.rand(7, 3), None, None, how])
        for how in (0, 2)
    ),
    # Reductions
    *((func, [torch.rand(5, 4, 3), [-1]]) for func in (aten.amax.default, aten.mean.dim, aten.sum.dim_IntList)),
    (aten.amax.default, [torch.rand(5, 4, 3), [-1], True]),
    (aten.sum.dim_IntList, [torch.arange(6).view(3, 2).T, [-1]]),
    (aten.sum.dim_IntList, [images(), [2, 3]]),
    (aten.prod.dim_int, [torch.rand(5, 4, 5)[:, :, :2], -1]),
    (aten.prod.dim_int, [torch.arange(6).view(3, 2), 1]),
    (aten.argmax.default, [torch.rand(5, 4, 3), -1, True]),
    # cat, stack, index, arange
    (aten.cat.default, [[images(), images(4)], 1]),
    (aten.cat.default, [[images(), view()], 1]),
    (aten.cat.default, [[images(), torch.rand(3, 2, 8, 8)], 1]),
    (aten.cat.default, [[torch.rand(7, 2), torch.rand(7, 4)[:, :1]], -1]),
    (aten.stack.default, [[torch.rand(7, 4)[:, 1], torch.rand(7)], -1]),
    (aten.stack.default, [[torch.rand(()), torch.rand(())]]),
    (aten.stack.default, [[images(), images()]]),
    (aten.index.Tensor, [torch.rand(9, 8), [torch.tensor([1, 4, 4])]]),
    (aten.index.Tensor, [torch.arange(9), [torch.tensor([1, 4, 4])]]),
    (aten.index.Tensor, [torch.rand(9, 8), [None, torch.tensor([1, 4])]]),
    (aten.arange.default, [26]),
    (aten.arange.default, [2.5]),
    (aten.arange.start, [1, 121]),
    # Pooling and upsampling
    (aten.max_pool2d_with_indices.default, [images(), [2, 2], [2, 2]]),
    (aten.max_pool2d_with_indices.default, [images(), [5], [1], [2]]),
    (aten.max_pool2d_with_indices.default, [view(), [3, 3]]),
    (aten.max_pool2d_with_indices.default, [images(length=9), [2, 2], [2, 2], [0, 0], [1, 1], True]),
    (
        aten.max_pool2d_with_indices_backward.default,
        [images(length=4), images(), [2, 2], [2, 2], [0, 0], [1, 1], False, torch.zeros(3, 6, 4, 4, dtype=torch.int64)],
    ),
    (aten.upsample_nearest2d.default, [images(), [16, 16], 2.0, 2.0]),
    (aten.upsample_nearest2d.default, [torch.rand(3, 6, 8, 8), [16, 16], 2.0, 2.0]),
    (aten.upsample_nearest2d_backward.default, [view(), [8, 8], [3, 3, 4, 4], 2.0, 2.0]),
]


def to_meta(tensor: Tensor) -> Tensor:
    """A meta tensor with the strides of `tensor`, also if it is a view."""
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")


def formats(output: Any) -> list[Any]:
    """Shape, strides and dtype of each result."""
    results = output if isinstance(output, tuple | list) else [output]
    return [None if result is None else (result.shape, result.stride(), result.dtype) for result in results]


@pytest.mark.parametrize(("func", "args"), CASES, ids=lambda value: str(value) if not isinstance(value, list) else "")
def test_a_meta_kernel_returns_the_layout_that_torch_returns(func: Any, args: list[Any]) -> None:
    assert formats(META_KERNELS[func](*tree_map_only(Tensor, to_meta, args))) == formats(func(*args))


def test_every_meta_kernel_is_compared_with_torch() -> None:
    assert {func for func, _ in CASES} == set(META_KERNELS)
