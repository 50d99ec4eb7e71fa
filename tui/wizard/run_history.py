"""The history of a run for screens: curves and latest values, built from events, live or read from its folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from engine.events import BatchChanged, EpochFinished, Evaluated, Event, RunStarted, StageStarted, Step
from engine.planning.warnings import ADVISED_STEPS, advised_steps

MAX_POINTS = 512


class BoundedSeries:
    """A curve of bounded length. When it is full, neighbouring points are merged into their mean.

    One thread appends while others read: a list that `points` returned only ever grows at its end.
    """

    def __init__(self) -> None:
        self._points: list[float] = []
        self._values_per_point = 1
        self._sum = 0.0
        self._count = 0

    @property
    def points(self) -> list[float]:
        """From the run's first value to its newest."""
        return self._points

    @property
    def values_per_point(self) -> int:
        """How many values one point is the mean of."""
        return self._values_per_point

    def append(self, value: float, count: int = 1) -> None:
        """Add a value at the end, `count` times."""
        while count > 0:
            added = min(count, self._values_per_point - self._count)
            self._sum += added * value
            self._count += added
            count -= added
            if self._count == self._values_per_point:
                self._add_point(self._sum / self._count)

    def _add_point(self, point: float) -> None:
        self._points.append(point)
        self._sum, self._count = 0.0, 0
        if len(self._points) >= MAX_POINTS:
            pairs = zip(self._points[::2], self._points[1::2], strict=True)
            self._points = [(left + right) / 2 for left, right in pairs]
            self._values_per_point *= 2


class RunHistory:
    """Curves and latest values of one run. One thread calls `apply`; other threads read."""

    def __init__(self) -> None:
        self.stages: tuple[dict[str, Any], ...] = ()
        """The plan's stages, as in plan.json."""
        self.run: str | None = None
        self.device = "cpu"
        self.recipe: Mapping[str, Any] = {}
        """The settings that the recipe's method reads."""
        self.latest: Step | None = None
        self.stage: StageStarted | None = None
        self.batch_size: int | None = None
        self.steps = 0
        """Optimizer steps so far."""
        self.train_loss = BoundedSeries()
        self.lr = BoundedSeries()
        self.memory = BoundedSeries()
        self.data_wait = BoundedSeries()
        self.unfreeze_step: int | None = None
        """Steps that were done when the unfreeze stage began; None before."""
        self.validation: list[tuple[int, float]] = []
        """(epoch, loss) of every epoch that was validated."""
        self.maps: list[tuple[int, float, float]] = []
        """(epoch, mAP50, mAP50-95) of every epoch that was evaluated."""
        self.finished_epochs: list[tuple[str, int]] = []
        """(stage, epoch) in their order."""
        self.timer = StepTimer()

    @property
    def advised_steps(self) -> int | None:
        """The number of steps that the method should have at least; None where the recipe is unknown."""
        method, optimizer = self.recipe.get("method"), self.recipe.get("optimizer_type")
        if not isinstance(method, str) or not isinstance(optimizer, str) or optimizer not in ADVISED_STEPS:
            return None
        return advised_steps(method, optimizer)

    @property
    def last_epoch(self) -> int | None:
        """The last planned epoch, counted from 0."""
        return int(self.stages[-1]["last_epoch"]) if self.stages else None

    @property
    def stage_losses(self) -> list[float]:
        """Validation losses of the current stage; a trend is only defined within one stage."""
        if self.stage is None:
            return []
        epochs = {epoch for stage, epoch in self.finished_epochs if stage == self.stage.stage}
        return [loss for epoch, loss in self.validation if epoch in epochs]

    @property
    def lowest_loss(self) -> tuple[int, float] | None:
        """The epoch with the lowest validation loss, and that loss."""
        return min(self.validation, key=lambda point: point[1], default=None)

    def apply_all(self, events: Iterable[Event]) -> RunHistory:
        """Add the events of a run folder."""
        for event in events:
            self.apply(event)
        return self

    def apply(self, event: Event) -> None:
        """Add the next event."""
        match event:
            case Step():
                self._apply_step(event)
            case RunStarted():
                self.run = event.run
                self.stages = tuple(event.plan.get("stages", ()))
                self.device = str(event.plan.get("device", "cpu"))
                self.recipe = event.plan.get("recipe", {})
                self.timer.interrupt()
            case StageStarted():
                if event.stage == "unfreeze" and self.stage is not None and self.stage.stage == "freeze":
                    self.unfreeze_step = self.steps
                self.stage = event
                self.batch_size = event.batch_size
            case BatchChanged():
                self.batch_size = event.batch_size
                self.timer.reset_stage(event.stage)
            case EpochFinished():
                self.finished_epochs.append((event.stage, event.epoch))
                if event.val_loss is not None:
                    self.validation.append((event.epoch, event.val_loss))
            case Evaluated():
                self.maps.append((event.epoch, event.map50, event.map50_95))
        if not isinstance(event, Step):
            self.timer.record_event(event)

    def _apply_step(self, step: Step) -> None:
        self.steps += step.count
        self.train_loss.append(step.loss, step.count)
        self.lr.append(step.lr, step.count)
        self.memory.append(step.memory_bytes, step.count)
        self.data_wait.append(step.data_wait, step.count)
        self.timer.record_step(step)
        self.latest = step

    def seconds_left(self) -> float | None:
        """Estimated seconds until the end of the run, from measured speed; None before there is any."""
        latest = self.latest
        if latest is None or not self.stages or (measured := self.timer.seconds_per_step(latest.stage)) is None:
            return None
        total = 0.0
        for stage in self.stages:
            first, last = int(stage["first_epoch"]), int(stage["last_epoch"])
            epochs = last - max(first, latest.epoch) + 1
            if epochs <= 0:
                continue
            steps = epochs * int(stage["steps_per_epoch"])
            if stage["name"] == latest.stage:
                steps = (epochs - 1) * latest.steps + latest.steps - latest.step - 1
            seconds = self.timer.seconds_per_step(stage["name"]) or measured * self._slowdown(latest.stage, stage)
            total += steps * seconds + epochs * self.timer.seconds_between_epochs
        return total

    def _slowdown(self, measured_stage: str, future: dict[str, Any]) -> float:
        """Seconds of a step of a stage that has not begun, as a multiple of those of `measured_stage`."""
        current = next((stage for stage in self.stages if stage["name"] == measured_stage), future)
        if current.get("seconds_estimate") and future.get("seconds_estimate"):
            return float(_estimated_seconds_per_step(future) / _estimated_seconds_per_step(current))
        # Training everything takes 1.8 to 2.4 times as long per image as with a frozen backbone.
        return 2.0 * int(future["batch_size"]) / int(current["batch_size"])


def _estimated_seconds_per_step(stage: dict[str, Any]) -> float:
    epochs = int(stage["last_epoch"]) - int(stage["first_epoch"]) + 1
    return float(stage["seconds_estimate"]) / max(1, epochs * int(stage["steps_per_epoch"]))


class StepTimer:
    """Seconds of a step, and between two epochs, computed from the times of events."""

    WEIGHT_OF_NEWEST = 0.1
    """In the running mean: about the last twenty steps count."""

    def __init__(self) -> None:
        self._previous: float | None = None
        self._means: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._epoch_end: float | None = None
        self.seconds_between_epochs = 0.0
        """Validation, weights and checkpoint, as measured at the latest epoch."""

    def record_step(self, step: Step) -> None:
        """Add a step."""
        if self._epoch_end is not None:
            own = step.count * self._means.get(step.stage, 0.0)
            self.seconds_between_epochs = max(0.0, step.time - self._epoch_end - own)
            self._previous = self._epoch_end = None
        if self._previous is not None:
            self._measure(step.stage, step.time - self._previous, step.count)
        self._previous = step.time
        if step.step + 1 == step.steps:
            self._epoch_end = step.time

    def record_event(self, event: Event) -> None:
        """Add an event that is no step: the time until it belongs to no step."""
        if self._epoch_end is None:
            self._previous = event.time

    def interrupt(self) -> None:
        """Ignore the time until the next step."""
        self._previous = self._epoch_end = None

    def reset_stage(self, stage: str) -> None:
        """Forget the steps of a stage: its batch size changed."""
        self._means.pop(stage, None)
        self._counts.pop(stage, None)

    def seconds_per_step(self, stage: str) -> float | None:
        """Mean of the newest steps of a stage; None before its third, since the first steps are slower."""
        return self._means.get(stage) if self._counts.get(stage, 0) >= 2 else None

    def _measure(self, stage: str, seconds: float, steps: int) -> None:
        if seconds < 0:  # in logs of older versions, where the clock was set back
            return
        self._counts[stage] = count = self._counts.get(stage, 0) + steps
        mean, newest = self._means.get(stage), seconds / steps
        if mean is None or count == 2:  # the first step of a process is slower: caches and kernels are set up
            self._means[stage] = newest
        else:
            self._means[stage] = newest + (1 - self.WEIGHT_OF_NEWEST) ** steps * (mean - newest)
