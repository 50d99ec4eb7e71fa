"""A running mean of the weights, which detects better than the weights themselves while they still jump about."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.network.yolov4 import Detector


class Ema:
    """Exponential moving mean of every parameter and buffer of a network.

    Written with `lerp`, so that a value that does not change stays bit-identical in the mean (a frozen backbone does).
    """

    def __init__(self, network: Detector, decay: float) -> None:
        """Of `network`, which trains. `decay` is reached by way of (1 + t) / (10 + t), so that the first weights are soon forgotten."""
        self.decay = decay
        self.network = network.clone()
        self.network.eval().requires_grad_(requires_grad=False)
        # Both networks keep their tensors for as long as they train: weights are loaded into them, never put in their place.
        self._floating, self._counting = _tensors(self.network)
        self._floating_now, self._counting_now = _tensors(network)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move the mean towards the network; `step` counts the updates before this one."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._floating, self._floating_now, 1 - decay)
        torch._foreach_copy_(self._counting, self._counting_now)


def ema_decay(total_steps: int) -> float:
    """The decay whose memory is a tenth of the training: 0.98 for five hundred steps, at most 0.9998."""
    return min(max(1 - 10 / max(total_steps, 1), 0.9), 0.9998)


def _tensors(network: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """A network's floating point tensors, and those that count (batch norm's number of batches)."""
    every = [tensor.detach() for tensor in (*network.parameters(), *network.buffers())]
    return [t for t in every if t.is_floating_point()], [t for t in every if not t.is_floating_point()]
