"""The history of a run for screens: curves and latest values, built from events, live or read from its folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.events import (
    BatchChanged,
    EpochFinished,
    Evaluated,
    Event,
    Finished,
    RunStarted,
    StageStarted,
    Step,
)
from engine.planning.advice import ADVISED_STEPS, StageLength, StepAdvice, step_advice
from tui.wizard.bounded_series import BoundedSeries
from tui.wizard.run_times import StepTimer, Stopwatch


class RunHistory:
    """Curves and latest values of one run. One thread calls `apply`; other threads read."""

    def __init__(self) -> None:
        self.stages: tuple[dict[str, Any], ...] = ()
        """The plan's stages, as in plan.json, with the batch sizes and numbers of steps that they have now."""
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
        self.epochs_done = 0.0
        """Epochs so far, counted from the run's first: 2.5 in the middle of the third."""
        self._batch_change: _BatchChange | None = None
        """In the current epoch."""
        self.batch_changes: list[tuple[int, int]] = []
        """(epoch, batch size) of every change during the run."""
        self.unfreeze_step: int | None = None
        """Steps that were done when the unfreeze stage began; None before."""
        self.validation: list[tuple[int, float]] = []
        """(epoch, loss) of every epoch that was validated."""
        self.maps: list[tuple[int, float, float]] = []
        """(epoch, mAP50, mAP50-95) of every epoch that was evaluated."""
        self.per_class: Mapping[str, float] = {}
        """Class -> AP50 in the latest epoch that was evaluated; empty in runs of older versions."""
        self.finished_epochs: list[tuple[str, int]] = []
        """(stage, epoch) in their order."""
        self.timer = StepTimer()
        self.stopwatch = Stopwatch()
        self.has_ended = False
        """Whether all its epochs are done."""
        self._train_images: int | None = None

    @property
    def first_epoch(self) -> int:
        """The first planned epoch, counted from 0."""
        return int(self.stages[0]["first_epoch"]) if self.stages else 0

    @property
    def epochs_begun(self) -> int:
        """The epochs that are done, and the current one; 0 before the first."""
        return 0 if self.latest is None else self.latest.epoch + 1

    @property
    def unfreeze_epoch(self) -> int | None:
        """The epoch with which the unfreeze stage begins, where a freeze stage precedes it."""
        starts = {str(stage["name"]): int(stage["first_epoch"]) for stage in self.stages}
        return starts.get("unfreeze") if "freeze" in starts else None

    @property
    def step_advice(self) -> StepAdvice | None:
        """What the plan's number of steps is compared with; None where the recipe or the stages are unknown."""
        method, optimizer = self.recipe.get("method"), self.recipe.get("optimizer_type")
        if method not in ("modern", "tutorial") or not isinstance(optimizer, str) or optimizer not in ADVISED_STEPS:
            return None
        if self.last_epoch is None:
            return None
        lengths = (
            StageLength(int(stage["last_epoch"]) - int(stage["first_epoch"]) + 1, int(stage["steps_per_epoch"]))
            for stage in self.stages
        )
        return step_advice(method, optimizer, self.last_epoch + 1, tuple(lengths))

    @property
    def advised_steps(self) -> int | None:
        """The number of steps that the training should have at least; None where this is unknown."""
        advice = self.step_advice
        return None if advice is None else advice.advised

    @property
    def last_epoch(self) -> int | None:
        """The last planned epoch, counted from 0."""
        return int(self.stages[-1]["last_epoch"]) if self.stages else None

    @property
    def next_evaluation(self) -> int:
        """The epoch, counted from 1, after which mAP is measured next."""
        period = self.recipe.get("eval_period")
        last = (self.last_epoch or 0) + 1
        current = (self.first_epoch if self.latest is None else self.latest.epoch) + 1
        if not isinstance(period, int) or period < 1:
            return last
        return max(current, min(last, -(-current // period) * period))

    @property
    def stage_losses(self) -> list[float]:
        """Validation losses of the current stage; a trend is only defined within one stage."""
        if self.stage is None:
            return []
        epochs = {epoch for stage, epoch in self.finished_epochs if stage == self.stage.stage}
        return [loss for epoch, loss in self.validation if epoch in epochs]

    @property
    def best_map(self) -> tuple[int, float] | None:
        """The epoch with the highest mAP50, and that; None where nothing was detected yet."""
        epoch, map50, _map = max(self.maps, key=lambda point: point[1], default=(0, 0.0, 0.0))
        return (epoch, map50) if map50 > 0 else None

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
        self.stopwatch.record(event)
        match event:
            case Step():
                self._apply_step(event)
            case Finished():
                self.has_ended = True
            case RunStarted():
                self.run, self.has_ended = event.run, False
                self.stages = tuple(event.plan.get("stages", ()))
                self.device = str(event.plan.get("device", "cpu"))
                self.recipe = event.plan.get("recipe", {})
                images = event.plan.get("images")
                self._train_images = _count(images.get("train")) if isinstance(images, dict) else None
                self.timer.interrupt()
            case StageStarted():
                if event.stage == "unfreeze" and self.stage is not None and self.stage.stage == "freeze":
                    self.unfreeze_step = self.steps
                self.stage = event
                self.batch_size = event.batch_size
                self._set_batch(event.stage, event.batch_size)
            case BatchChanged():
                fraction = self.epochs_done - event.epoch
                self._batch_change = _BatchChange(event.epoch, event.step, fraction) if 0 < fraction < 1 else None
                self.batch_size = event.batch_size
                self.batch_changes.append((event.epoch, event.batch_size))
                self._set_batch(event.stage, event.batch_size, event.accumulate)
                self.timer.reset_stage(event.stage)
            case EpochFinished():
                self.finished_epochs.append((event.stage, event.epoch))
                if event.val_loss is not None:
                    self.validation.append((event.epoch, event.val_loss))
            case Evaluated():
                self.maps.append((event.epoch, event.map50, event.map50_95))
                self.per_class = event.per_class
        if not isinstance(event, Step):
            self.timer.record_event(event)

    def _set_batch(self, stage: str, batch_size: int, accumulate: int | None = None) -> None:
        """Give a stage another batch size; the stages after it get at most that."""
        names = [str(each["name"]) for each in self.stages]
        current = names.index(stage) if stage in names else len(names)
        self.stages = tuple(
            each
            if index < current
            else self._with_batch(each, batch_size, accumulate)
            if index == current
            else self._with_batch(each, min(batch_size, int(each["batch_size"])))
            for index, each in enumerate(self.stages)
        )

    def _with_batch(self, stage: dict[str, Any], batch_size: int, accumulate: int | None = None) -> dict[str, Any]:
        """`stage` with another batch size and the number of steps that follows from it."""
        before = _count(stage.get("accumulate")) or 1
        accumulate = before if accumulate is None else accumulate
        if (batch_size, accumulate) == (int(stage["batch_size"]), before):
            return stage
        # Where the number of images is unknown, as many as make the steps of the plan.
        images = self._train_images or int(stage["steps_per_epoch"]) * int(stage["batch_size"]) * before
        steps = max(1, images // max(1, batch_size * accumulate))
        return {**stage, "batch_size": batch_size, "accumulate": accumulate, "steps_per_epoch": steps}

    def _apply_step(self, step: Step) -> None:
        self.steps += step.count
        self.epochs_done = self._position(step)
        middle = self.epochs_done - (step.count - 1) / 2 / max(1, step.steps)
        self.train_loss.append(step.loss, step.count, middle)
        self.lr.append(step.lr, step.count, middle)
        self.memory.append(step.memory_bytes, step.count, middle)
        self.data_wait.append(step.data_wait, step.count, middle)
        self.timer.record_step(step)
        self.latest = step

    def _position(self, step: Step) -> float:
        """Where `step` is in epochs. After another batch size, the rest of the epoch has other steps than its beginning."""
        change = self._batch_change
        if change is None or change.epoch != step.epoch or step.steps <= change.step:
            self._batch_change = None
            return step.epoch + (step.step + 1) / max(1, step.steps)
        rest = (step.step + 1 - change.step) / (step.steps - change.step)
        return step.epoch + change.fraction + rest * (1 - change.fraction)

    def seconds_left(self) -> float | None:
        """Estimated seconds until the end of the run, from measured speed; None before there is any."""
        seconds = [self._seconds_left_in(stage) for stage in self.stages]
        known = [value for value in seconds if value is not None]
        return sum(known) if known and len(known) == len(seconds) else None

    def stage_seconds_left(self) -> float | None:
        """The same until the end of the current stage."""
        latest = self.latest
        current = (stage for stage in self.stages if latest is not None and stage["name"] == latest.stage)
        return next((self._seconds_left_in(stage) for stage in current), None)

    def _seconds_left_in(self, stage: Mapping[str, Any]) -> float | None:
        latest = self.latest
        if latest is None or (seconds := self._seconds_per_step(stage, latest.stage)) is None:
            return None
        epochs = int(stage["last_epoch"]) - max(int(stage["first_epoch"]), latest.epoch) + 1
        if epochs <= 0:
            return 0.0
        steps = epochs * int(stage["steps_per_epoch"])
        if stage["name"] == latest.stage:
            steps = (epochs - 1) * int(stage["steps_per_epoch"]) + latest.steps - latest.step - 1
        return steps * seconds + epochs * self.timer.seconds_between_epochs

    def _seconds_per_step(self, stage: Mapping[str, Any], current: str) -> float | None:
        """As measured in `stage`; else from the current stage or the one before it; else as the Plan estimates it."""
        if (own := self.timer.seconds_per_step(stage["name"])) is not None:
            return own
        names = [str(each["name"]) for each in self.stages]
        done = names[: names.index(current) + 1] if current in names else names
        for name in reversed(done):
            if (measured := self.timer.seconds_per_step(name)) is not None:
                return measured * self._slowdown(name, stage)
        return _estimated_seconds_per_step(stage) if stage.get("seconds_estimate") else None

    def _slowdown(self, measured_stage: str, future: Mapping[str, Any]) -> float:
        """Seconds of a step of a stage that has not begun, as a multiple of those of `measured_stage`."""
        current = next((stage for stage in self.stages if stage["name"] == measured_stage), future)
        if current.get("seconds_estimate") and future.get("seconds_estimate"):
            return float(_estimated_seconds_per_step(future) / _estimated_seconds_per_step(current))
        # Training everything takes 1.8 to 2.4 times as long per image as with a frozen backbone.
        return 2.0 * int(future["batch_size"]) / int(current["batch_size"])


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


@dataclass(frozen=True, slots=True)
class _BatchChange:
    """Another batch size after `step` steps of an epoch, when `fraction` of its images were done."""

    epoch: int
    step: int
    fraction: float


def _estimated_seconds_per_step(stage: Mapping[str, Any]) -> float:
    epochs = int(stage["last_epoch"]) - int(stage["first_epoch"]) + 1
    return float(stage["seconds_estimate"]) / max(1, epochs * int(stage["steps_per_epoch"]))
