"""Step events. On a GPU the loss of a step is fetched one step later, so that the training does not wait for it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.events import Step
from engine.hardware import process_memory_bytes
from engine.plan import StagePlan
from engine.training.checkpoint import Progress
from engine.training.learner import NonFiniteLoss


@dataclass(slots=True)
class _Pending:
    event: Step
    parts: Tensor
    indices: NDArray[np.int32]


class StepReports:
    """Steps that are done but not reported yet, oldest first."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pending: deque[_Pending] = deque()
        self.max_pending = 0 if device.type == "cpu" else 1
        """How many reports may stay on the device during training."""

    def add(
        self, stage: StagePlan, progress: Progress, steps: int, lr: float, seconds: float, waited: float, parts: Tensor,
        indices: NDArray[np.int32],
    ) -> None:  # fmt: skip
        """Add the step that `progress` has just counted.

        Args:
            stage: the stage with its current batch size.
            progress: after the step.
            steps: number of steps in the epoch.
            lr: the learning rate.
            seconds: duration of the step.
            waited: how many of these seconds the step waited for images.
            parts: (4,) total, box, objectness, classes, on the device.
            indices: its images in the data set.
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
            memory_bytes=self._memory_bytes(),
        )
        self._pending.append(_Pending(event, parts, indices))

    def pop(self, max_pending: int) -> Iterator[Step]:
        """Remove and yield the oldest steps, with their losses, until `max_pending` are left.

        Raises:
            NonFiniteLoss: the loss of one of them is infinite or NaN.
        """
        while len(self._pending) > max_pending:
            report = self._pending.popleft()
            parts = report.parts.tolist()
            if not all(map(math.isfinite, parts)):
                raise NonFiniteLoss(report.indices.tolist())
            loss, box, objectness, classes = parts
            yield replace(report.event, loss=loss, box=box, objectness=objectness, classes=classes)

    def clear(self) -> None:
        """Drop all pending reports."""
        self._pending.clear()

    def _memory_bytes(self) -> int:
        if self._device.type == "cuda":
            return torch.cuda.memory_reserved(self._device)
        return process_memory_bytes()
