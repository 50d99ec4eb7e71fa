"""Reports of steps whose losses may still be on the device: on a GPU they are fetched one step later, so that nothing waits."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.dataset.loader import Batch
from engine.events import Step
from engine.hardware import process_memory_bytes
from engine.plan import StagePlan
from engine.training.checkpoint import Progress


class NonFiniteLoss(Exception):
    """The loss of `batches`, or what a step made of the weights, is infinite or not a number."""

    def __init__(self, batches: list[Batch]) -> None:
        super().__init__("the loss is not finite")
        self.indices = tuple(index for batch in batches for index in batch.indices)


@dataclass(slots=True)
class _Pending:
    event: Step
    parts: Tensor
    batches: list[Batch]


class StepReports:
    """Steps that are done and not yet reported, oldest first."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pending: deque[_Pending] = deque()
        self.kept = 0 if device.type == "cpu" else 1
        """How many reports are left on the device while the training goes on."""

    def add(
        self, stage: StagePlan, progress: Progress, steps: int, lr: float, seconds: float, waited: float, parts: Tensor,
        batches: list[Batch],
    ) -> None:  # fmt: skip
        """Take in the step that `progress` has just counted.

        Args:
            stage: the stage as it now is.
            progress: after the step.
            steps: how many the epoch has.
            lr: the learning rate.
            seconds: how long the step took, `waited` of them for images.
            waited: see there.
            parts: (4,) total, box, objectness, classes, on the device.
            batches: what it learned from.
        """
        event = Step(
            stage=stage.name,
            epoch=progress.epoch,
            step=progress.step - 1,
            steps=steps,
            loss=math.nan,
            box=math.nan,
            objectness=math.nan,
            classes=math.nan,
            lr=lr,
            images_per_second=stage.batch_size * stage.accumulate / max(seconds, 1e-9),
            data_wait=waited / max(seconds, 1e-9),
            memory_bytes=self._memory(),
        )
        self._pending.append(_Pending(event, parts, batches))

    def arrived(self, keep: int) -> Iterator[Step]:
        """The events of all but the newest `keep` steps, with their losses.

        Raises:
            NonFiniteLoss: one of them is not a number.
        """
        while len(self._pending) > keep:
            done = self._pending.popleft()
            values = done.parts.tolist()
            if not all(map(math.isfinite, values)):
                raise NonFiniteLoss(done.batches)
            loss, box, objectness, classes = values
            yield replace(done.event, loss=loss, box=box, objectness=objectness, classes=classes)

    def clear(self) -> None:
        """Forget them."""
        self._pending.clear()

    def _memory(self) -> int:
        if self._device.type == "cuda":
            return torch.cuda.memory_reserved(self._device)
        return process_memory_bytes()
