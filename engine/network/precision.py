"""From bytes to numbers: the format a network computes in, and the input it takes."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """The context a forward pass runs in; does nothing for fp32."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, _DTYPES[precision])


def on_device(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor there. Only CUDA is not waited for: Apple's may still read from memory that was given back meanwhile."""
    return tensor.to(device, non_blocking=device.type == "cuda")


def network_input(images: Tensor, device: torch.device) -> Tensor:
    """(batch, 3, height, width) uint8 -> the same as float 0 to 1 on `device`, channels last."""
    return on_device(images, device).to(torch.float32, memory_format=torch.channels_last).div_(255)
