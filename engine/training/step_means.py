"""Fewer lines for the steps of long epochs: neighbouring steps are written as one event with their means.

A line for each of 500 steps an epoch made 49 MB in 300 epochs. Curves of a run are means of neighbouring steps anyway.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from engine.events import Step

LINES_PER_EPOCH = 50
MAX_SECONDS = 5.0
"""A line is written at least this often, so that other processes see that the run trains."""


class StepMeans:
    """Collects steps until they make one event. Groups begin at the same steps after a resume."""

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._started = 0.0

    def add(self, step: Step) -> Step | None:
        """Add a step; returns the event to write, if a group is complete."""
        if not self._steps:
            self._started = time.monotonic()
        self._steps.append(step)
        done, size = step.step + 1, math.ceil(step.steps / LINES_PER_EPOCH)
        is_complete = done % max(1, size) == 0 or done >= step.steps
        return self.pop() if is_complete or time.monotonic() - self._started > MAX_SECONDS else None

    def pop(self) -> Step | None:
        """Remove the collected steps; returns their event, or None where there are none."""
        steps, self._steps = self._steps, []
        return _mean(steps) if steps else None


def _mean(steps: Sequence[Step]) -> Step:
    if len(steps) == 1:
        return steps[0]
    return replace(
        steps[-1],
        loss=fmean(step.loss for step in steps),
        box=fmean(step.box for step in steps),
        objectness=fmean(step.objectness for step in steps),
        classes=fmean(step.classes for step in steps),
        lr=fmean(step.lr for step in steps),
        images_per_second=fmean(step.images_per_second for step in steps),
        data_wait=fmean(step.data_wait for step in steps),
        count=sum(step.count for step in steps),
    )
