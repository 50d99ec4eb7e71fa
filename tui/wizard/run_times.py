"""How long a run has trained, and how long its steps take, from the times of its events."""

from __future__ import annotations

from engine.events import CheckpointSaved, Event, Finished, Resumed, RunStarted, StageStarted, Step, WeightsLoaded

_AFTER_NO_TRAINING = (RunStarted, Resumed, WeightsLoaded, StageStarted, CheckpointSaved)
"""The time until such an event is no training: it was interrupted, paused, loading or saving."""


class Stopwatch:
    """The seconds that a run has trained and validated, from the times of its events; at its end, those that it has counted itself."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._previous: float | None = None

    def record(self, event: Event) -> None:
        """Add the time since the event before."""
        if isinstance(event, Finished):
            self.seconds = event.seconds
        elif self._previous is not None and not isinstance(event, _AFTER_NO_TRAINING):
            self.seconds += max(0.0, event.time - self._previous)
        self._previous = event.time


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
