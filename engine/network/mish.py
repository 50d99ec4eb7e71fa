"""Mish (Misra 2019): x * tanh(softplus(x)). On the processor three times as fast as torch's.

torch computes it there with an exponential, a logarithm and a hyperbolic tangent. With p = sigmoid(x) and n = p * (2 - p)

    tanh(softplus(x)) = n / (2 - n)

which needs one vectorised exponential, has no cancellation and cannot overflow. The operations run over blocks that stay in
the processor's cache, write into memory that is there already, and compute in fp32 what is stored in 16 bits. On other devices,
and in a network that is traced for a file, torch's own is used: there it is one fused kernel, and portable.

The two kernels are registered as operators of torch, so that whatever watches operators (the memory prediction, the profiler)
sees one call and not hundreds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, library
from torch.autograd.function import once_differentiable

BLOCK = 2**17
"""Values in a block: the scratch memory of both threads of a small machine fits into their caches, and the calls cost little."""
SCRATCH_BLOCKS = 3

_OPERATORS: Any = library
_DEFINITIONS = _OPERATORS.Library("freezetui", "DEF")
_DEFINITIONS.define("mish(Tensor x) -> Tensor")
_DEFINITIONS.define("mish_(Tensor(a!) x) -> Tensor(a!)")
_DEFINITIONS.define("mish_backward(Tensor gradient, Tensor x) -> Tensor")
OPERATORS: Any = torch.ops.freezetui
_JIT: Any = torch.jit


def mish(x: Tensor) -> Tensor:
    """The activation, elementwise; without autograd in the memory of `x`."""
    needs_gradient = x.requires_grad and torch.is_grad_enabled()
    if x.device.type != "cpu" or _JIT.is_tracing() or torch.compiler.is_compiling():
        return F.mish(x, inplace=not needs_gradient)
    if needs_gradient:
        activated: Tensor = _Mish.apply(x)
        return activated
    result: Tensor = OPERATORS.mish_(x)
    return result


def mish_backward(gradient: Tensor, x: Tensor) -> Tensor:
    """The gradient of the input `x` of Mish from the `gradient` of its output."""
    operator = OPERATORS.mish_backward if x.device.type == "cpu" else torch.ops.aten.mish_backward
    result: Tensor = operator(gradient, x)
    return result


class _Mish(torch.autograd.Function):
    """Keeps the input, as torch's Mish does."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        result: Tensor = OPERATORS.mish(x)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return mish_backward(gradient, x)


def _mish_kernel(x: Tensor) -> Tensor:
    dense = _dense(x)
    output = torch.empty_like(dense)
    _activate(dense, output)
    return output


def _mish_in_place_kernel(x: Tensor) -> Tensor:
    dense = _dense(x)
    _activate(dense, dense)
    if dense is not x:
        x.copy_(dense)
    return x


def _mish_backward_kernel(gradient: Tensor, x: Tensor) -> Tensor:
    dense = _dense(x)
    output = torch.empty_like(dense)
    dtype = _compute_dtype(x)
    one, two = torch.ones((), dtype=dtype), torch.full((), 2.0, dtype=dtype)
    scratch = torch.empty(SCRATCH_BLOCKS, BLOCK, dtype=dtype)
    for x_block, gradient_block, output_block in _blocks(dense, _like(gradient, dense), output):
        rows, columns = x_block.shape
        a, p, s = (block[: rows * columns].view(rows, columns) for block in scratch)
        a.copy_(x_block)
        torch.sigmoid(a, out=p)
        a.mul_(p)  # x * p
        torch.sub(two, p, out=s)
        p.mul_(s)  # n
        torch.sub(two, p, out=s)
        p.div_(s)  # t = tanh(softplus(x))
        torch.addcmul(one, p, p, value=-1, out=s)
        p.addcmul_(a, s)  # t + x * p * (1 - t^2), the derivative
        if x.dtype == dtype:
            torch.mul(p, gradient_block, out=output_block)
        else:
            a.copy_(gradient_block)
            output_block.copy_(p.mul_(a))
    return output


def _activate(x: Tensor, output: Tensor) -> None:
    """Write mish(x) into `output`, which may be `x`; both are dense and have the same strides."""
    dtype = _compute_dtype(x)
    two = torch.full((), 2.0, dtype=dtype)
    scratch = torch.empty(SCRATCH_BLOCKS, BLOCK, dtype=dtype)
    for x_block, output_block in _blocks(x, output):
        rows, columns = x_block.shape
        a, p, s = (block[: rows * columns].view(rows, columns) for block in scratch)
        if x.dtype == dtype:
            a = x_block
        else:
            a.copy_(x_block)
        torch.sigmoid(a, out=p)
        torch.sub(two, p, out=s)
        p.mul_(s)  # n
        torch.sub(two, p, out=s)
        p.div_(s)  # tanh(softplus(x))
        if x.dtype == dtype:
            torch.mul(p, a, out=output_block)
        else:
            output_block.copy_(p.mul_(a))


def _compute_dtype(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def _dense(x: Tensor) -> Tensor:
    """`x`, or a copy of it if its values do not lie side by side in one of the two layouts of images."""
    is_dense = x.is_contiguous() or (x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last))
    return x if is_dense else x.contiguous(memory_format=_memory_format(x))


def _memory_format(x: Tensor) -> torch.memory_format:
    return torch.channels_last if x.dim() == 4 and x.stride(1) == 1 else torch.contiguous_format


def _like(gradient: Tensor, x: Tensor) -> Tensor:
    """`gradient` in an order of dimensions in which `_rows` walks over it as over `x`."""
    if x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous():
        # A slice of a concatenation's gradient is read where it is.
        channels_last = gradient.permute(0, 2, 3, 1)
        fits = channels_last.stride(3) == 1 and all(
            channels_last.stride(dim) == channels_last.stride(dim + 1) * channels_last.shape[dim + 1] for dim in (0, 1)
        )
        return gradient if fits else gradient.contiguous(memory_format=torch.channels_last)
    return gradient.contiguous()


def _blocks(dense: Tensor, *others: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Matching blocks (rows, columns) of at most `BLOCK` values, in the order of `dense`'s memory."""
    matrices: list[Any]
    if dense.dim() == 4 and dense.is_contiguous(memory_format=torch.channels_last) and not dense.is_contiguous():
        matrices = [tensor.permute(0, 2, 3, 1).flatten(0, 2) for tensor in (dense, *others)]
    else:
        matrices = [tensor.view(-1, 1) for tensor in (dense, *others)]
    if all(matrix.is_contiguous() for matrix in matrices):
        matrices = [matrix.view(1, -1) for matrix in matrices]
        yield from zip(*(matrix.split(BLOCK, dim=1) for matrix in matrices), strict=True)
        return
    columns = matrices[0].shape[1]
    if columns > BLOCK:
        matrices = [matrix.reshape(1, -1) for matrix in matrices]
    yield from zip(*(matrix.split(max(1, BLOCK // columns)) for matrix in matrices), strict=True)


_DEFINITIONS.impl("mish", _mish_kernel, "CPU")
_DEFINITIONS.impl("mish_", _mish_in_place_kernel, "CPU")
_DEFINITIONS.impl("mish_backward", _mish_backward_kernel, "CPU")
_DEFINITIONS.impl("mish", torch.empty_like, "Meta")
_DEFINITIONS.impl("mish_", lambda x: x, "Meta")
_DEFINITIONS.impl("mish_backward", lambda gradient, x: torch.empty_like(x), "Meta")
