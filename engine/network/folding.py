"""A network for inference only: batch norm folded into the convolutions.

Batch norm with running statistics scales and shifts each channel, which the convolution before it can do as well: its output is the
same but for rounding. Weights files and checkpoints always hold the network that is not folded.
"""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from engine.network.blocks import LEAK, ConvBNAct
from engine.network.detector import Detector
from engine.network.mish import mish

ModuleT = TypeVar("ModuleT", bound=nn.Module)


class FoldedConv(nn.Module):
    """What a `ConvBNAct` in eval mode computes, with one convolution that has a bias. It has no backward."""

    def __init__(self, source: ConvBNAct, dtype: torch.dtype | None = None) -> None:
        """`dtype` of its weights; None: that of `source`."""
        super().__init__()
        conv, norm = source.conv, source.norm
        assert norm.running_mean is not None
        assert norm.running_var is not None
        kernel = conv.weight.detach()
        scale = norm.weight.detach().double() / torch.sqrt(norm.running_var.double() + norm.eps)  # (out_channels,)
        shift = norm.bias.detach().double() - norm.running_mean.double() * scale
        self.conv = nn.Conv2d(
            conv.in_channels,
            conv.out_channels,
            (conv.kernel_size[0], conv.kernel_size[1]),
            (conv.stride[0], conv.stride[1]),
            (int(conv.padding[0]), int(conv.padding[1])),
            device="meta",
        )
        dtype = dtype or kernel.dtype
        folded = (kernel.double() * scale.view(-1, 1, 1, 1)).to(dtype)
        self.conv.weight = nn.Parameter(folded.contiguous(memory_format=torch.channels_last), requires_grad=False)
        self.conv.bias = nn.Parameter(shift.to(dtype), requires_grad=False)
        self.activation = source.activation

    def forward(self, x: Tensor) -> Tensor:
        """(b, in_channels, h, w) -> (b, out_channels, h / stride, w / stride)."""
        x = self.conv(x)
        if self.activation == "leaky":
            return F.leaky_relu(x, LEAK, inplace=True)
        return mish(x)


def fold_batch_norm(network: Detector) -> Detector:
    """A copy of `network`, in eval mode, whose batch norm is folded; `network` itself if there is nothing to fold.

    Its outputs differ from those of `network` in eval mode by rounding only. It is for inference: its tensors have other names.
    """
    return _folded_copy(network) or network


def fold_backbone(network: Detector, dtype: torch.dtype) -> nn.Module | None:
    """A copy of the backbone in `dtype` whose batch norm is folded; None if there is nothing to fold."""
    folded = _folded_copy(network.backbone, dtype)
    if folded is None or all(tensor.dtype == dtype for tensor in folded.parameters()):
        return folded
    return folded.to(dtype)


def _folded_copy(module: ModuleT, dtype: torch.dtype | None = None) -> ModuleT | None:
    # deepcopy takes the copy of an object from its memo: so nothing that is replaced is copied first.
    replaced: dict[int, object] = {
        id(child): FoldedConv(child, dtype) for child in module.modules() if isinstance(child, ConvBNAct)
    }
    return copy.deepcopy(module, replaced).eval().requires_grad_(False) if replaced else None
