"""Activation checkpointing: parts of a network keep only their input, and compute the rest again in the backward pass.

Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost". The second computation must not change anything: batch norm
updates its running statistics in the first one only. The gradients of the parameters leave through the outer graph, once, so it
works under DistributedDataParallel. (`torch.utils.checkpoint` would do too, but its first call imports torch's compiler, which
takes longer than a memory prediction.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from engine.network.mish import mish, mish_backward
from engine.torch_internals import parameters_of

ResultT = TypeVar("ResultT")
"""A tensor or a tuple of tensors."""


def recomputed(module: nn.Module, function: Callable[[Tensor], ResultT], x: Tensor) -> ResultT:
    """`function(x)`, the forward pass of `module`, of which only `x` is kept for the backward pass.

    Without autograd it is just called. The gradients are the same, to the bit where the device's kernels repeat their results.
    `function` must draw no random numbers.
    """
    parameters = [parameter for parameter in parameters_of(module) if parameter.requires_grad]
    if not torch.is_grad_enabled() or not parameters:
        return function(x)
    result: ResultT = _Recomputed.apply(x, module, function, *parameters)
    return result


class _Recomputed(torch.autograd.Function):
    """Keeps the input of a module; computes everything else again in the backward pass."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, module: nn.Module, function: Callable[[Tensor], Any], *parameters: Tensor
    ) -> Tensor | tuple[Tensor, ...]:
        ctx.save_for_backward(x, *parameters)
        ctx.module, ctx.function = module, function
        ctx.autocast = _autocast_now(x.device.type)
        ctx.set_materialize_grads(False)  # an output that nothing uses has no gradient
        output: Tensor | tuple[Tensor, ...] = function(x)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        x, *parameters = ctx.saved_tensors
        needs_x = ctx.needs_input_grad[0]
        with torch.enable_grad(), statistics_unchanged(ctx.module), ctx.autocast:
            x = x.detach().requires_grad_(needs_x)
            output = ctx.function(x)
            seed = _Seed.apply(gradients, *(output if isinstance(output, tuple) else (output,)))
        del output  # its memory is needed no longer
        found = torch.autograd.grad(seed, [x, *parameters] if needs_x else parameters)
        return (*(found[:1] if needs_x else (None,)), None, None, *(found[1:] if needs_x else found))


class _Seed(torch.autograd.Function):
    """A scalar whose backward pass sends `gradients` into the given outputs.

    `torch.autograd.grad(outputs, inputs, gradients)` does that too, but imports torch's symbolic shapes (a second), and keeps
    the outputs in memory.
    """

    @staticmethod
    def forward(ctx: Any, gradients: tuple[Tensor | None, ...], *outputs: Tensor) -> Tensor:
        ctx.gradients = gradients
        return outputs[0].new_zeros(())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, _: Tensor) -> tuple[Tensor | None, ...]:
        return None, *ctx.gradients


def _autocast_now(device_type: str) -> torch.autocast:
    """A context with the autocasting of this moment."""
    return torch.autocast(
        device_type, torch.get_autocast_dtype(device_type), enabled=torch.is_autocast_enabled(device_type)
    )


@contextmanager
def statistics_unchanged(module: nn.Module) -> Iterator[None]:
    """Inside the context batch norm updates copies of its running statistics, which are then dropped."""
    norms = [child for child in module.modules() if isinstance(child, nn.BatchNorm2d | nn.SyncBatchNorm)]
    statistics = [dict(norm.named_buffers(recurse=False)) for norm in norms]
    for norm, buffers in zip(norms, statistics, strict=True):
        _set_buffers(norm, {name: buffer.clone() for name, buffer in buffers.items()})
    try:
        yield
    finally:
        for norm, buffers in zip(norms, statistics, strict=True):
            _set_buffers(norm, buffers)


def _set_buffers(module: nn.Module, buffers: Mapping[str, Tensor]) -> None:
    for name, buffer in buffers.items():
        setattr(module, name, buffer)


def recomputed_norm_mish(x: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    """Mish of the batch norm of `x`, of which only `x` is kept: of three tensors per convolution two remain."""
    activated: Tensor = _NormMish.apply(x, norm.weight, norm.bias, norm)
    return activated


class _NormMish(torch.autograd.Function):
    """Keeps the input of batch norm; its output is computed again in the backward pass, Mish is not."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, norm: nn.Module) -> Tensor:
        ctx.save_for_backward(x, weight, bias)
        ctx.norm = norm
        return mish(norm(x))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias = ctx.saved_tensors
        with torch.enable_grad(), statistics_unchanged(ctx.norm):
            x = x.detach().requires_grad_()
            normed = ctx.norm(x)
            seed = _Seed.apply((mish_backward(gradient, normed.detach()),), normed)
        del gradient, normed
        return *torch.autograd.grad(seed, (x, weight, bias)), None
