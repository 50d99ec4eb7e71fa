"""Memory that operators allocate and free again before they return, which the tracker cannot see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from engine.network.mish import BLOCK, OPERATORS, SCRATCH_BLOCKS
from engine.planning.memory.tracker import Temporaries

_CONVOLUTIONS = (torch.ops.aten.convolution.default, torch.ops.aten.conv2d.default)
"""Without autograd the second one is called."""
_MISH = (OPERATORS.mish.default, OPERATORS.mish_.default, OPERATORS.mish_backward.default)


def no_temporaries(func: Any, args: Sequence[Any], results: Sequence[Tensor]) -> int:  # noqa: ARG001
    """0: what cuDNN allocates is part of the margin."""
    return 0


def cpu_temporaries(bf16_convolutions: bool) -> Temporaries:
    """The rule for convolutions, batch norm and Mish on the CPU, as measured for every shape of both networks.

    oneDNN copies the weight into a layout of its own (as many bytes), and makes two more copies of its gradient. A processor
    without bf16 convolutions (no AVX-512) takes another path in torch: it unfolds the windows of all images, and copies an
    argument that is a view of a larger tensor first. The gradient of batch norm's input is allocated twice at a time.
    """

    def temporaries(func: Any, args: Sequence[Any], results: Sequence[Tensor]) -> int:
        if func in _CONVOLUTIONS:
            weight, output, copies, inputs = args[1], results[0], 1, args[:1]
        elif func is torch.ops.aten.convolution_backward.default:
            weight, output, copies, inputs = args[2], args[0], 2, args[:2]
        elif func is torch.ops.aten.native_batch_norm_backward.default:
            return int(results[0].nbytes)
        elif func in _MISH:
            return SCRATCH_BLOCKS * BLOCK * torch.float32.itemsize
        else:
            return 0
        if weight.dtype == torch.float32 or bf16_convolutions:
            return int(copies * weight.nbytes)
        out_channels, in_channels, height, width = weight.shape
        window = in_channels * height * width if height * width > 1 else 0
        unfolded = output.numel() // out_channels * window * weight.element_size()
        views = (tensor for tensor in inputs if not tensor.is_contiguous(memory_format=torch.channels_last))
        return int(unfolded + sum(tensor.nbytes for tensor in views))

    return temporaries
