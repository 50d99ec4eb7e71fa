"""An exponential moving average of the weights, which detects better than the weights themselves while these still change much."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.network.detector import Detector
from engine.torch_internals import foreach_copy_, foreach_lerp_


class Ema:
    """Exponential moving average of every parameter and buffer of a network.

    Computed with `lerp`, so that the average of a constant value (a frozen backbone) stays bit-identical to it.
    """

    def __init__(self, network: Detector, decay: float) -> None:
        """Averages `network`. The effective decay rises as (1 + t) / (10 + t) to `decay`, so that the first weights soon lose weight."""
        self.decay = decay
        self.network = network.clone()
        self.network.eval().requires_grad_(requires_grad=False)
        # References stay valid: loading a state dict copies into the tensors and never replaces them.
        self._average_floats, self._average_ints = _tensors_by_kind(self.network)
        self._current_floats, self._current_ints = _tensors_by_kind(network)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move the average towards the network; `step` counts the updates before this one."""
        decay = min(self.decay, (1 + step) / (10 + step))
        foreach_lerp_(self._average_floats, self._current_floats, 1 - decay)
        foreach_copy_(self._average_ints, self._current_ints)


def ema_decay(total_steps: int) -> float:
    """The decay with an average over a tenth of the training: 0.98 for five hundred steps, at most 0.9998."""
    return min(max(1 - 10 / max(total_steps, 1), 0.9), 0.9998)


def _tensors_by_kind(network: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """A network's floating point tensors, and its integers (batch norm's `num_batches_tracked`)."""
    tensors = [tensor.detach() for tensor in (*network.parameters(), *network.buffers())]
    return [t for t in tensors if t.is_floating_point()], [t for t in tensors if not t.is_floating_point()]
