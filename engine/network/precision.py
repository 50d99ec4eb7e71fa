"""The number format a network computes in, and the conversion of images into its input.

A training may compute in 16 bits. Whatever measures or uses trained weights (validation, evaluation, prediction) computes in
fp32, so that the same weights have the same scores everywhere. Only `predict --precision` asks for less.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def compute_dtype(precision: str) -> torch.dtype:
    """The number format of a `precision`."""
    return _DTYPES.get(precision, torch.float32)


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """The context for a forward pass in `precision`: fp32 (does nothing), bf16 or fp16."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, _DTYPES[precision])


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """Inside the context this thread computes on `count` threads: another number adds in another order, and rounds differently."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on `device`. The copy is asynchronous on CUDA only: on MPS it may read memory that was freed meanwhile."""
    return tensor.to(device, non_blocking=device.type == "cuda")


def network_input(images: Tensor, device: torch.device) -> Tensor:
    """(batch, 3, height, width) uint8 -> the same as float 0 to 1 on `device`, channels last."""
    return to_device(images, device).to(torch.float32, memory_format=torch.channels_last).div_(255)
