"""The network as several devices train it together: one process for each (DDP), or one process for all (DP).

What DDP does: it adds up the gradients of all processes while the backward pass still runs, in buckets. What is different here
from its defaults:

- Gradients are summed, not averaged: each process divides its loss by counts of the whole step (`StepCounts`).
- The buckets stay as they are from the first step on (`find_unused_parameters`), so that the order of the additions, and with it
  the last bits, is the same after a resume.
- The running statistics of batch norm are merged by `merge_statistics`, after every step: all processes always have the same.

Only parameters that are trained are given to DDP: each stage has its own, and a frozen backbone is not exchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from engine.network.detector import Detector
from engine.parallel.group import SINGLE, ProcessGroup
from engine.torch_internals import ddp_bucket_sizes
from engine.training.peers import guarded

if TYPE_CHECKING:
    from torch.nn.parallel import DistributedDataParallel


class Replica:
    """The copy of the network in this process, or its copies on several cards; calling it computes raw outputs."""

    def __init__(
        self,
        network: Detector,
        group: ProcessGroup = SINGLE,
        devices: Sequence[torch.device] = (),
        *,
        sync_bn: bool = False,
    ) -> None:
        """`devices`: of DP, the first of them that of the network; fewer than two: the network alone."""
        self.network = network
        self._group = group
        self._forward: nn.Module = network
        if len(devices) > 1:
            self._forward = nn.DataParallel(network, [device.index for device in devices])
        self.is_synchronous = sync_bn and not group.is_single
        """Whether batch norm exchanges its statistics within each pass."""
        if self.is_synchronous:
            nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        self._norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
        self._weights = [] if group.is_single or self.is_synchronous else [self._compound(norm) for norm in self._norms]
        self._ddp: DistributedDataParallel | None = None
        self._trained: list[nn.Parameter] = []
        self._bucket_sizes: list[int] = []
        self.reduced_buckets = 0
        """How many buckets of gradients were summed in this step."""

    def __call__(self, images: Tensor) -> tuple[Tensor, ...]:
        """Raw outputs for (batch, 3, height, width), with gradient."""
        outputs: tuple[Tensor, ...] = (self._ddp or self._forward)(images)
        return outputs

    # Gradients

    def enter_stage(self) -> None:
        """Collective. After the parameters of the stage were chosen."""
        trained = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        if self._group.is_single or (self._ddp is not None and _same(trained, self._trained)):
            return
        self._ddp, self._trained = None, trained
        with guarded(
            self._group
        ):  # memory for the buckets: within DDP, a process cannot tell the others that it has none
            torch.empty(sum(parameter.numel() for parameter in trained), device=trained[0].device)
        self._ddp = self._build()

    def reset(self) -> None:
        """After a step that failed: build a new DDP, since the old one cannot be used again. Collective, as `enter_stage`."""
        if self._ddp is not None:
            self._ddp = None
            self.enter_stage()

    def accumulating(self) -> AbstractContextManager[Any]:
        """Inside the context a backward pass only adds to the gradients of this process: a later one sums them all."""
        return nullcontext() if self._ddp is None else self._ddp.no_sync()

    def sum_no_gradients(self) -> None:
        """In a step that failed in this process: zeros for the buckets that it has not given to the others."""
        if self._ddp is None:
            return
        sizes = self._bucket_sizes[self.reduced_buckets :]
        device = self._trained[0].device
        for size in sizes:
            self._group.sum(torch.zeros(size, device=device))
        if sizes:  # else DDP has sent this too: which parameters were used
            self._group.sum(torch.zeros(len(self._trained), dtype=torch.int32, device=device))
        self.reduced_buckets = len(self._bucket_sizes)

    def _build(self) -> DistributedDataParallel:
        from torch.nn.parallel import DistributedDataParallel

        device = self._trained[0].device
        ddp = DistributedDataParallel(
            self.network,
            device_ids=[device] if device.type == "cuda" else None,
            forward_sync_buffers=False,
            find_unused_parameters=True,
            gradient_as_bucket_view=True,
        )
        ddp.register_comm_hook(None, lambda _, bucket: self._sum_bucket(bucket))  # torch reads annotations
        self._bucket_sizes = ddp_bucket_sizes(ddp)
        return ddp

    def _sum_bucket(self, bucket: Any) -> torch.futures.Future[Tensor]:
        self.reduced_buckets += 1
        work = dist.all_reduce(bucket.buffer(), async_op=True)
        future: torch.futures.Future[Tensor] = work.get_future().then(lambda result: result.value()[0])
        return future

    # Batch norm

    def _compound(self, norm: Any) -> float:
        """Have `norm` move its running statistics as far as a pass in every process would; returns the weight of this process.

        One process that takes the batches of N processes one after the other updates the statistics N times:
        r <- (1 - m) r + m s. After that they are (1 - m)^N r + sum of m (1 - m)^(N - 1 - k) s_k. A process that knows only its
        own s_k, with the momentum m' = 1 - (1 - m)^N, has (1 - m') r + m' s_k; the mean of these over all processes, weighted by
        m (1 - m)^(N - 1 - k) / m', is the same. That holds for several batches in each process as well.
        """
        count, rank, momentum = self._group.world_size, self._group.rank, norm.momentum
        norm.momentum = 1 - (1 - momentum) ** count
        return float(momentum * (1 - momentum) ** (count - 1 - rank) / norm.momentum)

    @torch.no_grad()
    def merge_statistics(self, *, is_complete: bool = True) -> None:
        """Replace the running statistics of batch norm by their mean over all processes. Collective.

        Not those of a frozen backbone, which do not change. `is_complete`: whether this process has done its passes.
        """
        if not self._weights:
            return
        pairs = [
            (weight, tensor)
            for weight, norm in zip(self._weights, self._norms, strict=True)
            if norm.training
            for tensor in (norm.running_mean, norm.running_var)
            if tensor is not None
        ]
        flat = torch.cat([tensor * weight for weight, tensor in pairs])
        self._group.sum(flat if is_complete else torch.zeros_like(flat))
        means = torch.split(flat, [tensor.numel() for _, tensor in pairs])
        for (_, tensor), mean in zip(pairs, means, strict=True):
            tensor.copy_(mean)


def _same(one: Sequence[nn.Parameter], other: Sequence[nn.Parameter]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))
