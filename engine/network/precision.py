"""The number format a network computes in, and the conversion of images into its input."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """The context for a forward pass in `precision`: fp32 (does nothing), bf16 or fp16."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, _DTYPES[precision])


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on `device`. The copy is asynchronous on CUDA only: on MPS it may read memory that was freed meanwhile."""
    return tensor.to(device, non_blocking=device.type == "cuda")


def network_input(images: Tensor, device: torch.device) -> Tensor:
    """(batch, 3, height, width) uint8 -> the same as float 0 to 1 on `device`, channels last."""
    return to_device(images, device).to(torch.float32, memory_format=torch.channels_last).div_(255)
