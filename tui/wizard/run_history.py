"""The course of a run as a screen shows it: built from events, live or read from its folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from engine.events import BatchChanged, EpochFinished, Evaluated, Event, RunStarted, StageStarted, Step
from engine.planning.warnings import advised_steps

MOST_POINTS = 512


class History:
    """A curve of bounded length: where it is full, neighbours are merged into their mean.

    One thread appends, others read: what `points` returns is never changed afterwards but for its end.
    """

    def __init__(self) -> None:
        self._points: list[float] = []
        self._together = 1
        self._sum = 0.0
        self._count = 0

    @property
    def points(self) -> list[float]:
        """From the run's first value to its newest."""
        return self._points

    @property
    def together(self) -> int:
        """How many values make one point."""
        return self._together

    def append(self, value: float) -> None:
        """Add a value at the end."""
        self._sum += value
        self._count += 1
        if self._count < self._together:
            return
        self._points.append(self._sum / self._count)
        self._sum, self._count = 0.0, 0
        if len(self._points) >= MOST_POINTS:
            pairs = zip(self._points[::2], self._points[1::2], strict=True)
            self._points = [(before + after) / 2 for before, after in pairs]
            self._together *= 2


class RunHistory:
    """Curves and latest values of one run. `take` is called in one thread; other threads read."""

    def __init__(self) -> None:
        self.stages: tuple[dict[str, Any], ...] = ()
        """The plan's stages, in its JSON form."""
        self.run: str | None = None
        self.device = "cpu"
        self.recipe: Mapping[str, Any] = {}
        """The settings that its method reads."""
        self.latest: Step | None = None
        self.stage: StageStarted | None = None
        self.batch_size: int | None = None
        self.steps = 0
        """Gradient updates so far."""
        self.train_loss = History()
        self.lr = History()
        self.memory = History()
        self.data_wait = History()
        self.border: int | None = None
        """Steps that were done when everything began to train; None before."""
        self.validation: list[tuple[int, float]] = []
        """(epoch, loss), one an epoch."""
        self.maps: list[tuple[int, float, float]] = []
        """(epoch, mAP50, mAP50-95) where it was measured."""
        self.stage_epochs: list[tuple[str, int]] = []
        """(stage, epoch) of every epoch that is done, in their order."""
        self.clock = StepTimer()

    @property
    def advised_steps(self) -> int | None:
        """How many steps its method should have at least; None where the recipe is not known."""
        if "method" not in self.recipe or "optimizer_type" not in self.recipe:
            return None
        return advised_steps(str(self.recipe["method"]), str(self.recipe["optimizer_type"]))

    @property
    def last_epoch(self) -> int | None:
        """The last epoch planned, counted from 0."""
        return int(self.stages[-1]["last_epoch"]) if self.stages else None

    @property
    def losses_of_stage(self) -> list[float]:
        """Validation losses of the stage that runs: what a trend may be read from."""
        if self.stage is None:
            return []
        mine = {epoch for stage, epoch in self.stage_epochs if stage == self.stage.stage}
        return [loss for epoch, loss in self.validation if epoch in mine]

    @property
    def best(self) -> tuple[int, float] | None:
        """The epoch of the least validation loss, and that loss."""
        return min(self.validation, key=lambda point: point[1], default=None)

    def take_all(self, events: Iterable[Event]) -> RunHistory:
        """Take in what a run folder holds."""
        for event in events:
            self.take(event)
        return self

    def take(self, event: Event) -> None:
        """Take in the next event."""
        match event:
            case Step():
                self._step(event)
            case RunStarted():
                self.run = event.run
                self.stages = tuple(event.plan.get("stages", ()))
                self.device = str(event.plan.get("device", "cpu"))
                self.recipe = event.plan.get("recipe", {})
                self.clock.pause()
            case StageStarted():
                if event.stage == "unfreeze" and self.stage is not None and self.stage.stage == "freeze":
                    self.border = self.steps
                self.stage = event
                self.batch_size = event.batch_size
            case BatchChanged():
                self.batch_size = event.batch_size
                self.clock.forget(event.stage)
            case EpochFinished():
                self.stage_epochs.append((event.stage, event.epoch))
                if event.val_loss is not None:
                    self.validation.append((event.epoch, event.val_loss))
            case Evaluated():
                self.maps.append((event.epoch, event.map50, event.map50_95))
        if not isinstance(event, Step):
            self.clock.hear(event)

    def _step(self, step: Step) -> None:
        self.steps += 1
        self.train_loss.append(step.loss)
        self.lr.append(step.lr)
        self.memory.append(step.memory_bytes)
        self.data_wait.append(step.data_wait)
        self.clock.count(step)
        self.latest = step

    def seconds_left(self) -> float | None:
        """How long the run will take yet, from measured speed; None before there is any."""
        latest = self.latest
        if latest is None or not self.stages or (measured := self.clock.seconds_per_step(latest.stage)) is None:
            return None
        left = 0.0
        for stage in self.stages:
            first, last = int(stage["first_epoch"]), int(stage["last_epoch"])
            epochs = last - max(first, latest.epoch) + 1
            if epochs <= 0:
                continue
            steps = epochs * int(stage["steps_per_epoch"])
            if stage["name"] == latest.stage:
                steps = (epochs - 1) * latest.steps + latest.steps - latest.step - 1
            speed = self.clock.seconds_per_step(stage["name"]) or measured * self._slower(latest.stage, stage)
            left += steps * speed + epochs * self.clock.seconds_between_epochs
        return left

    def _slower(self, measured: str, coming: dict[str, Any]) -> float:
        """How much longer a step of a stage takes that has not begun: as estimated before the run, else from its batch."""
        now = next(stage for stage in self.stages if stage["name"] == measured)
        if now.get("seconds_estimate") and coming.get("seconds_estimate"):
            return float(_seconds_per_step(coming) / _seconds_per_step(now))
        # Training everything takes 1.8 to 2.4 times as long for each image as with a frozen backbone.
        return 2.0 * int(coming["batch_size"]) / int(now["batch_size"])


def _seconds_per_step(stage: dict[str, Any]) -> float:
    epochs = int(stage["last_epoch"]) - int(stage["first_epoch"]) + 1
    return float(stage["seconds_estimate"]) / max(1, epochs * int(stage["steps_per_epoch"]))


class StepTimer:
    """How long steps take, and what comes between two epochs, from when events were made."""

    NEW = 0.1
    """Weight of a new step in the running mean: the last ten or twenty count."""

    def __init__(self) -> None:
        self._before: float | None = None
        self._means: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._epoch_ended: float | None = None
        self.seconds_between_epochs = 0.0
        """Validation, weights and checkpoint, as they took the last time."""

    def count(self, step: Step) -> None:
        """A step is done."""
        if self._epoch_ended is not None:
            self.seconds_between_epochs = max(0.0, step.time - self._epoch_ended - (self._means.get(step.stage) or 0.0))
            self._before = self._epoch_ended = None
        if self._before is not None:
            self._measure(step.stage, step.time - self._before)
        self._before = step.time
        if step.step + 1 == step.steps:
            self._epoch_ended = step.time

    def hear(self, event: Event) -> None:
        """Something else happened, which took time that is not a step's."""
        if self._epoch_ended is None:
            self._before = event.time

    def pause(self) -> None:
        """The time until the next step says nothing."""
        self._before = self._epoch_ended = None

    def forget(self, stage: str) -> None:
        """The stage's steps are others now."""
        self._means.pop(stage, None)
        self._counts.pop(stage, None)

    def seconds_per_step(self, stage: str) -> float | None:
        """Mean of the newest steps of a stage; None before its third, since the first are slower."""
        return self._means.get(stage) if self._counts.get(stage, 0) >= 2 else None

    def _measure(self, stage: str, seconds: float) -> None:
        self._counts[stage] = count = self._counts.get(stage, 0) + 1
        before = self._means.get(stage)
        if before is None or count == 2:  # the first step of a process warms up what later ones find ready
            self._means[stage] = seconds
        else:
            self._means[stage] = before + self.NEW * (seconds - before)
