"""How far a training is, in a few characters: for the step header and the terminal's title."""

from __future__ import annotations

from dataclasses import dataclass

from tui.text import _
from tui.wizard.run_history import RunHistory


@dataclass(frozen=True, slots=True)
class TrainingStatus:
    """What is shown of a running training outside the Train screen. Two equal ones look the same."""

    percent: int
    """Of all optimizer steps; 100 only when every step is done."""
    map50: float | None = None
    """Of the latest evaluation."""
    losses: tuple[float, ...] = ()
    """The train loss from the first step to the newest, as in `RunHistory.train_loss`."""

    @property
    def title(self) -> str:
        """The terminal's title."""
        return terminal_title(_("{percent} %", percent=self.percent), self.map50)


def terminal_title(state: str, map50: float | None) -> str:
    """A title for a terminal's window or tab: how the training is, its mAP if there is one, the program."""
    score = None if map50 is None else f"mAP {map50:.2f}"
    return " · ".join(filter(None, (state, score, "freezetui")))


def training_status(history: RunHistory) -> TrainingStatus:
    """The status of a run; 0 % before its first step."""
    return TrainingStatus(
        percent=int(100 * _done_fraction(history)),
        map50=history.maps[-1][1] if history.maps else None,
        losses=tuple(history.train_loss.points),
    )


def _done_fraction(history: RunHistory) -> float:
    done = total = 0.0
    for stage in history.stages:
        first, last = int(stage["first_epoch"]), int(stage["last_epoch"])
        epochs, steps = last - first + 1, int(stage["steps_per_epoch"])
        total += epochs * steps
        done += min(epochs, max(0.0, history.epochs_done - first)) * steps
    return done / total if total else 0.0
