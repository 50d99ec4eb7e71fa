"""What the processes of a training exchange in one optimizer step, always the same calls in the same order.

    counts       what the sums of the loss are divided by, of all batches of all processes (`StepCounts`)
    check        of each batch, where the loss is checked before backward: the loss of all processes
    gradients    while the last backward pass runs (`Replica`)
    parts        the loss of the step, where it was not summed by the checks
    statistics   of batch norm
    commit       whether a process has failed: before the first weight changes

A process that fails makes the calls that are left with zeros (`abandon`). With SyncBatchNorm it cannot: each layer has calls of
its own within the passes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.parallel.group import ProcessGroup
from engine.training.loss.terms import StepCounts
from engine.training.peers import raise_in_all
from engine.training.replica import Replica


class NonFiniteParts(Exception):
    """The loss of a batch is infinite or NaN."""


class StepExchange:
    """One step of `batches` batches in each process. A group of one process exchanges nothing."""

    def __init__(self, group: ProcessGroup, replica: Replica, batches: int, *, checks: bool) -> None:
        """`checks`: whether `check` is called for each batch; the host waits for each."""
        self._group = group
        self._replica = replica
        self._batches = batches
        self._checks_left = batches if checks else 0
        self._has_checks = checks
        self._has_counted = self._has_summed = False
        replica.reduced_buckets = 0

    def step_counts(self, counts: Sequence[Tensor | None]) -> StepCounts | None:
        """From the `Loss.target_counts` of each batch of this process; None for a step of a single batch."""
        total = None
        for of_batch in counts:
            total = of_batch if total is None else total + of_batch if of_batch is not None else None
        self._has_counted = True
        if total is not None:
            self._group.sum(total)
        batches = self._batches * self._group.world_size
        return None if batches == 1 else StepCounts(total, batches)

    def check(self, parts: Tensor) -> Tensor:
        """(4,) the loss parts of a batch -> those of all processes.

        Raises:
            NonFiniteParts: the loss of a process is not finite.
            PeerFailure: another process failed.
        """
        self._checks_left -= 1
        if not self._group.is_single:
            with_flag = torch.cat((parts, parts.new_zeros(1)))
            self._group.sum(with_flag)
            if with_flag[4] > 0:
                raise_in_all(self._group, None)
            parts = with_flag[:4]
        if not parts[0].isfinite():
            raise NonFiniteParts
        return parts

    def commit(self, parts: Tensor) -> Tensor:
        """After the last backward pass; (4,) the parts of the step -> those of all processes.

        Raises:
            PeerFailure: another process failed.
        """
        if not self._group.is_single:
            self._sum_parts(parts)
            self._replica.merge_statistics()
            raise_in_all(self._group, None)
        return parts

    def abandon(self, failure: Exception, no_counts: Tensor | None) -> None:
        """After a failure of this process: make the calls that are left, then raise `failure` here and PeerFailure in the others.

        Args:
            failure: no longer holds the tensors of the step.
            no_counts: zeros in the form of the loss's counts; None for a loss that has none.
        """
        if self._group.is_single or self._replica.is_synchronous:
            raise failure
        if not self._has_counted:
            self.step_counts([no_counts])
        if self._checks_left:
            self._group.sum(torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0]))
        else:
            self._replica.sum_no_gradients()
            self._sum_parts(torch.zeros(4, device=self._group.device))
            self._replica.merge_statistics(is_complete=False)
        raise_in_all(self._group, failure)

    def _sum_parts(self, parts: Tensor) -> None:
        if not self._has_checks and not self._has_summed:
            self._has_summed = True
            self._group.sum(parts)
