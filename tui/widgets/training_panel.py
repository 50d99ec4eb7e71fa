"""The numbers and curves of a run, during the training or afterwards."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from rich.cells import cell_len
from textual import getters
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from engine.evaluation.trend import trend_of
from engine.events import Event
from engine.hardware import Hardware
from tui.text import N_, _, ngettext
from tui.text.durations import duration, time_of_day
from tui.text.stages import STAGE_EXPLANATIONS, STAGE_NAMES
from tui.text.trend_verdicts import COLOURS, TREND_NOTE, describe_trend
from tui.widgets.class_scores import ClassScores
from tui.widgets.event_lines import EventLines
from tui.widgets.label import Label
from tui.widgets.sample_images import SampleImages
from tui.widgets.stage_bar import StageBar
from tui.widgets.training_curves import Curves
from tui.wizard.run_history import RunHistory
from tui.wizard.training_phase import Phase

PHASES = {
    "preparing": N_("preparing ..."),
    "pausing": N_("pausing after this step ..."),
    "paused": N_("paused"),
    "stopping": N_("saving and stopping after this step ..."),
    "detaching": N_("moving into the background ..."),
}
View = Literal["curves", "classes", "images"]
VIEWS: tuple[View, ...] = ("curves", "classes", "images")
NOTABLE_OTHERS = 20
"""Percent of the processor that other programs take before it is said."""


class TrainingPanel(Vertical):
    """Epoch, stages, speed, curves, and what the validation loss means."""

    SCOPED_CSS = False  # the size of the screen decides what is shown
    DEFAULT_CSS = """
    TrainingPanel { height: 1fr; min-height: 14; }
    .-low TrainingPanel.-failed { min-height: 10; }
    .-low TrainingPanel.-failed #time-left, .-low TrainingPanel.-failed #metrics { display: none; }
    TrainingPanel Label { height: auto; }
    TrainingPanel #status { text-style: bold; }
    TrainingPanel #stage-reason { color: $text-muted; }
    .-low TrainingPanel #stage-reason, .-low TrainingPanel #trend-note { display: none; }
    .-high TrainingPanel #stage-reason { margin-bottom: 1; }
    TrainingPanel #verdict { text-style: bold; }
    TrainingPanel #steps, TrainingPanel #trend-note { color: $text-muted; }
    TrainingPanel #neighbours { color: $text-warning; }
    TrainingPanel .-hidden { display: none; }
    TrainingPanel EventLines { margin-top: 1; }
    """

    _status = getters.query_one("#status", Label)
    _times = getters.query_one("#time-left", Label)
    _neighbours = getters.query_one("#neighbours", Label)
    _stage_bar = getters.query_one(StageBar)
    _stage_reason = getters.query_one("#stage-reason", Label)
    _curves = getters.query_one(Curves)
    _class_scores = getters.query_one(ClassScores)
    _sample_images = getters.query_one(SampleImages)
    _verdict = getters.query_one("#verdict", Label)
    _steps = getters.query_one("#steps", Label)
    _trend_note = getters.query_one("#trend-note", Label)
    _events = getters.query_one(EventLines)

    def __init__(self) -> None:
        super().__init__()
        self._view: View = "curves"
        self._hardware: Hardware | None = None
        self._others: deque[int] = deque((0, 0), maxlen=2)

    @property
    def view(self) -> View:
        """What the main area shows."""
        return self._view

    @property
    def is_zoomed(self) -> bool:
        """Whether the plots show only the last third of the epochs."""
        return self._curves.is_zoomed

    def compose(self) -> ComposeResult:
        """The current numbers, the main area, the verdict, the last events."""
        yield Label(id="status")
        yield Label(id="time-left")
        yield Label(id="neighbours")
        yield StageBar()
        yield Label(id="stage-reason")
        yield Curves(live=True)
        for view in (ClassScores(), SampleImages()):
            view.display = False
            yield view
        yield Label(id="verdict")
        yield Label(id="steps")
        yield Label(_(TREND_NOTE), id="trend-note")
        yield EventLines()

    def show(self, history: RunHistory, phase: Phase, hardware: Hardware | None, *, is_local: bool = True) -> None:
        """Show the current numbers and curves. `is_local`: the training runs in this process."""
        width = self.content_size.width
        self._status.update(join_to_width(tuple(_status_parts(history, phase)), width))
        times = join_to_width(tuple(_time_parts(history, phase)), width)
        self._times.update(times)
        self._times.display = bool(times) or not history.has_ended
        self._show_neighbours(hardware, is_training=is_local and phase == "training" and history.device == "cpu")
        stages = [
            (str(stage["name"]), int(stage["last_epoch"]) - int(stage["first_epoch"]) + 1) for stage in history.stages
        ]
        self._stage_bar.show(stages, history.epochs_done - history.first_epoch if history.latest is not None else 0.0)
        self._stage_reason.update("" if history.stage is None else _(STAGE_EXPLANATIONS[history.stage.stage]))
        if self._view == "curves":
            self._curves.show(history, hardware)
        self._steps.update(_steps_text(history))

    def _show_neighbours(self, hardware: Hardware | None, *, is_training: bool) -> None:
        """Say that other programs slow a training on the processor down, if they do so for longer than a moment."""
        if hardware is not None and hardware is not self._hardware and hardware.processor.others is not None:
            self._hardware = hardware
            self._others.append(hardware.processor.others)
        percent = min(self._others)
        self._neighbours.display = is_training and percent >= NOTABLE_OTHERS
        if self._neighbours.display:
            self._neighbours.update(
                _("Another program takes {percent} % of the processor, so the training is slower.", percent=percent)
            )

    def show_verdict(self, history: RunHistory) -> None:
        """Show the trend of the validation loss, and how many of the advised steps are done."""
        trend = trend_of(history.stage_losses)
        if history.stage is not None and not history.validation and history.finished_epochs:
            sentence = _("There are no validation images, so it is unknown when the network stops learning.")
        elif not history.stage_losses:
            sentence = _("Whether it learns is seen from the validation loss, after the first epochs of this stage.")
        else:
            sentence = describe_trend(trend, history.steps, history.step_advice, has_ended=history.has_ended)
        self._verdict.update(Content.styled(sentence, COLOURS[trend.verdict]))
        self._steps.update(_steps_text(history))

    def show_verdict_lines(self, visible: bool, *, steps: bool = True) -> None:
        """Show the texts around the curves, or make room for the reason of a failure; `steps`: whether the number of steps stays."""
        self.set_class(not visible, "-failed")
        for label in (self._stage_reason, self._verdict, self._trend_note):
            label.set_class(not visible, "-hidden")
        self._steps.set_class(not (visible and steps), "-hidden")

    def show_events(self, events: Iterable[Event], rows: int) -> None:
        """Show the newest events in `rows` rows below everything else."""
        self._events.show(events, rows)

    def zoom(self, history: RunHistory) -> None:
        """Show the last third of the epochs in the plots, or all of them again."""
        self._curves.zoom(history)

    def next_view(self, history: RunHistory, hardware: Hardware | None) -> None:
        """Show classes instead of curves, then images, then curves again."""
        self.show_view(VIEWS[(VIEWS.index(self._view) + 1) % len(VIEWS)], history, hardware)

    def show_view(self, view: View, history: RunHistory, hardware: Hardware | None) -> None:
        """Show the curves, the classes or the images."""
        self._view = view
        for name, widget in zip(VIEWS, (self._curves, self._class_scores, self._sample_images), strict=True):
            widget.display = name == view
        if view == "curves":
            self.call_after_refresh(self._curves.show, history, hardware)
        else:
            self.call_after_refresh(self.show_evaluation, history)

    def change_image(self, offset: int) -> None:
        """Show another sample image."""
        self._sample_images.change_image(offset)

    def show_evaluation(self, history: RunHistory) -> None:
        """Show the classes or images of the latest evaluation, if they are in view."""
        if self._view == "classes":
            epoch = history.maps[-1][0] + 1 if history.maps else 0
            title = _("Average precision at 50 % overlap (AP50) after epoch {epoch}, weakest class first.", epoch=epoch)
            self._class_scores.show(title if history.per_class else _not_evaluated(history), history.per_class)
        elif self._view == "images" and history.run is not None:
            self._sample_images.show_run(Path(history.run), _not_evaluated(history))


def _not_evaluated(history: RunHistory) -> str:
    """Why there is nothing to show of an evaluation."""
    if history.maps:
        return _("This run has no results of single classes or images.")
    return _("Nothing is evaluated yet. The first evaluation comes after epoch {epoch}.", epoch=history.next_evaluation)


def _steps_text(history: RunHistory) -> str:
    if not history.steps:
        return ""
    if history.has_ended:
        steps = ngettext("{count} step", "{count} steps", history.steps)
    else:
        steps = ngettext("{count} step so far", "{count} steps so far", history.steps)
    if history.advised_steps is None:
        return steps
    return _("{steps}; at least {advised} are advised.", steps=steps, advised=history.advised_steps)


def join_to_width(parts: Sequence[str], width: int) -> str:
    """The parts in one line of `width` cells (0: unlimited), three or two spaces apart. The last ones are left out if they do not fit."""
    for count in range(len(parts), 0, -1):
        for gap in ("   ", "  "):
            line = gap.join(parts[:count])
            if not width or cell_len(line) <= width:
                return line
    return parts[0] if parts else ""


def _status_parts(history: RunHistory, phase: Phase) -> Iterator[str]:
    latest, last_epoch = history.latest, history.last_epoch
    if latest is not None and last_epoch is not None:
        stage = history.stage.stage if history.stage is not None else latest.stage
        begins = stage != latest.stage and phase == "training"  # its first step is not done yet
        epoch = latest.epoch + 1 + begins
        yield _("epoch {epoch}/{epochs}", epoch=epoch, epochs=last_epoch + 1) + f"  {_(STAGE_NAMES[stage])}"
        if begins:
            yield _("starting")
        elif latest.step + 1 < latest.steps or phase != "training":
            yield _("step {step}/{steps}", step=latest.step + 1, steps=latest.steps)
        elif history.next_evaluation == latest.epoch + 1:
            yield _("validating, measuring mAP")
        else:
            yield _("validating")
    if phase in PHASES:
        yield _(PHASES[phase])
    elif latest is not None and phase != "ended":
        yield _("{speed} images/s", speed=f"{latest.images_per_second:.3g}")
        yield _("batch {batch}", batch=history.batch_size)


def _time_parts(history: RunHistory, phase: Phase) -> Iterator[str]:
    """How long it takes yet, and until when; of the stage too, if another one follows; how long it took."""
    elapsed = _("elapsed: {time}", time=duration(history.stopwatch.seconds))
    latest, seconds_left, stage_left = history.latest, history.seconds_left(), history.stage_seconds_left()
    if latest is None or history.has_ended:  # how long it took is said where it ends
        return
    if phase == "ended" or seconds_left is None:
        yield elapsed
        return
    left = _("{time} left", time=duration(seconds_left))
    if phase != "training":  # nothing moves on the clock of the last step
        yield left
    else:
        yield _("{left}, until {time}", left=left, time=time_of_day(latest.time + seconds_left, latest.time))
    if stage_left is not None and round(stage_left) < round(seconds_left):
        yield _("this stage: {time}", time=duration(stage_left))
    yield elapsed
