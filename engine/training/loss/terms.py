"""Parts and terms of a loss, and how the terms of several batches become the loss of one optimizer step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class LossParts:
    """Scalars: `total` has the gradient; the others are its weighted terms."""

    total: Tensor
    box: Tensor
    objectness: Tensor
    classes: Tensor

    def detached(self) -> Tensor:
        """(4,) total, box, objectness, classes without gradient: one transfer for all of them."""
        return torch.stack((self.total, self.box, self.objectness, self.classes)).detach()


@dataclass(frozen=True, slots=True)
class Terms:
    """The loss before its means are taken, so that the terms of several batches can be added up.

    Each is (3, groups): box, objectness and classes of each group that has a mean of its own, for example each level.
    """

    sums: Tensor
    counts: Tensor
    weights: Tensor

    def __add__(self, other: Terms) -> Terms:
        """The terms of both batches together."""
        return Terms(self.sums + other.sums, self.counts + other.counts, self.weights)

    def cpu(self) -> Terms:
        """The same in host memory."""
        return Terms(self.sums.cpu(), self.counts.cpu(), self.weights.cpu())

    def parts(self, step: StepCounts | None = None) -> LossParts:
        """Weighted means, added up over the groups: those of this batch, or with `step` its share of the loss of the whole step."""
        counts = self.counts.clamp(min=1) if step is None else step.divisors(self.counts)
        box, objectness, classes = (self.weights * self.sums / counts).sum(-1)
        return LossParts(box + objectness + classes, box, objectness, classes)


@dataclass(frozen=True, slots=True)
class StepCounts:
    """What the sums of each batch of a step are divided by, so that the gradient of the step is that of all its images.

    The loss of an optimizer step of several batches, in one process after the other or in several at once, is one mean over all
    of them: the sums are divided by counts of the whole step. These must be known before the first backward pass. Counts that
    depend on the network's outputs are not: there each batch has a mean of its own, and the step the mean of these.
    """

    counts: Tensor | None
    """(3, groups), summed over the batches; NaN where they depend on the outputs. None: all do."""
    batches: int
    """Number of batches in the step, of all processes."""

    def divisors(self, own: Tensor) -> Tensor:
        """(3, groups); `own` are the counts of one batch."""
        of_batch = own.clamp(min=1) * self.batches
        return of_batch if self.counts is None else torch.where(self.counts.isnan(), of_batch, self.counts.clamp(min=1))
