"""A run in figures and curves, live or afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.content import Content

from engine.evaluation.trend import trend_of
from engine.hardware import Hardware
from tui.text import N_, _, ngettext
from tui.text.durations import duration
from tui.text.events import STAGES, WHY
from tui.text.sizes import gibibytes
from tui.text.trend_verdicts import COLOURS, LESSON, verdict
from tui.widgets.curve import Curve
from tui.widgets.label import Label
from tui.widgets.stage_bar import StageBar
from tui.wizard.run_history import RunHistory
from tui.workers.training_session import Phase

PHASES = {
    "preparing": N_("getting ready ..."),
    "pausing": N_("pauses after this step ..."),
    "paused": N_("paused"),
    "stopping": N_("stops after this step and saves ..."),
}


class Curves(Container):
    """The six curves of a run."""

    SCOPED_CSS = False  # the screen's size decides
    DEFAULT_CSS = """
    Curves { height: auto; }
    """

    def compose(self) -> ComposeResult:
        """One below the other, so that what happened at the same time stands at the same place."""
        yield Curve(_("train loss"), logarithmic=True, id="train-loss")
        yield Curve(_("val loss"), logarithmic=True, id="val-loss")
        yield Curve("mAP50", least=0.0, id="map")
        yield Curve(_("learning rate"), id="lr")
        yield Curve(_("memory"), least=0.0, id="memory-curve")
        yield Curve(_("data wait"), least=0.0, id="data-wait")

    def show(self, course: RunHistory, hardware: Hardware | None) -> None:
        """Draw a run as it stands."""
        latest = course.latest
        border = None if course.border is None or not course.steps else course.border / course.steps
        self._one("#train-loss").show(course.train_loss.points, "" if latest is None else f"{latest.loss:.4f}", border)
        self._one("#val-loss").show(
            [loss for _epoch, loss in course.validation], _validation_figure(course), _border_among(course)
        )
        self._one("#map").show([map50 for _epoch, map50, _map in course.maps], _map_figure(course))
        self._one("#lr").show(course.lr.points, "" if latest is None else f"{latest.lr:.1e}", border)
        memory = self._one("#memory-curve")
        memory.name_it(_("GPU memory") if course.device.startswith("cuda") else _("memory"))
        memory.show(
            course.memory.points,
            "" if latest is None else _memory_figure(latest.memory_bytes, course, hardware),
            border,
        )
        self._one("#data-wait").show(
            course.data_wait.points, "" if latest is None else f"{latest.data_wait * 100:.0f} %", border
        )

    def _one(self, name: str) -> Curve:
        return self.query_one(name, Curve)


class TrainingPanel(Vertical):
    """Where a training stands: epoch, stages, speed, curves and the verdict."""

    SCOPED_CSS = False  # the screen's size decides
    DEFAULT_CSS = """
    TrainingPanel { height: auto; }
    TrainingPanel Label { height: auto; }
    .-high TrainingPanel #why { margin-bottom: 1; }
    .-high TrainingPanel StageBar { margin: 1 0; }
    TrainingPanel #why { color: $text-muted; }
    TrainingPanel #verdict { text-style: bold; }
    TrainingPanel #lesson { color: $text-muted; }
    """

    def compose(self) -> ComposeResult:
        """From the figures of the moment down to what they mean."""
        yield Label(id="now")
        yield StageBar(id="stages")
        yield Label(id="why")
        yield Curves()
        yield Label(id="verdict")
        yield Label(id="lesson")

    def show(self, course: RunHistory, phase: Phase, hardware: Hardware | None) -> None:
        """Draw the moment."""
        self.query_one("#now", Label).say(on_one_line(tuple(now(course, phase)), self.content_size.width))
        stages = [(str(one["name"]), int(one["last_epoch"]) - int(one["first_epoch"]) + 1) for one in course.stages]
        self.query_one(StageBar).show(stages, _epochs_done(course))
        why = self.query_one("#why", Label)
        why.say("" if course.stage is None else _(WHY[course.stage.stage]))
        self.query_one(Curves).show(course, hardware)

    def show_verdict(self, course: RunHistory) -> None:
        """Say where the validation loss goes, and beside it how many steps there were of those that are advised."""
        sentences: Sequence[str] = tuple(_said(course))
        trend = trend_of(course.losses_of_stage)
        self.query_one("#verdict", Label).say(Content.styled(sentences[0], COLOURS[trend.verdict]))
        self.query_one("#lesson", Label).say("\n".join(sentences[1:]))


def _said(course: RunHistory) -> Iterator[str]:
    if course.stage is not None and not course.validation and course.stage_epochs:
        yield _("No picture validates, so nothing tells when it stops learning.")
    else:
        yield verdict(trend_of(course.losses_of_stage))
    steps = ngettext("{count} step so far", "{count} steps so far", course.steps)
    if course.advised_steps is not None:
        steps = _("{steps}, {advised} or more are advised.", steps=steps, advised=course.advised_steps)
    yield _(LESSON)
    yield steps


def on_one_line(pieces: Sequence[str], width: int) -> str:
    """The pieces side by side, as far apart as `width` cells allow; from the last on they are left out (0: not known yet)."""
    for count in range(len(pieces), 0, -1):
        for gap in ("   ", "  "):
            line = gap.join(pieces[:count])
            if not width or cell_len(line) <= width:
                return line
    return pieces[0] if pieces else ""


def now(course: RunHistory, phase: Phase) -> Iterator[str]:
    """The figures of the moment, each a piece of text."""
    latest, last = course.latest, course.last_epoch
    if latest is not None and last is not None:
        stage = course.stage.stage if course.stage is not None else latest.stage
        yield _("epoch {epoch}/{epochs}", epoch=latest.epoch + 1, epochs=last + 1) + f"  {_(STAGES[stage])}"
        if latest.step + 1 < latest.steps or phase != "training":
            yield _("step {step}/{steps}", step=latest.step + 1, steps=latest.steps)
        else:
            yield _("validates")
    if phase in PHASES:
        yield _(PHASES[phase])
        return
    if latest is None or phase == "ended":
        return
    left = course.seconds_left()
    if left is not None:
        yield _("{time} left", time=duration(left))
    yield _("{speed} images/s", speed=f"{latest.images_per_second:.3g}")
    yield _("batch {batch}", batch=course.batch_size)


def _epochs_done(course: RunHistory) -> float:
    latest = course.latest
    if latest is None or not course.stages:
        return 0.0
    return latest.epoch - int(course.stages[0]["first_epoch"]) + (latest.step + 1) / max(1, latest.steps)


def _validation_figure(course: RunHistory) -> str:
    best = course.best
    if best is None:
        return ""
    newest = f"{course.validation[-1][1]:.4f}"
    return newest + "  " + _("best epoch {epoch}", epoch=best[0] + 1)


def _map_figure(course: RunHistory) -> str:
    if not course.maps:
        return _("not measured yet")
    best = max(course.maps, key=lambda point: point[1])
    if best[1] == 0:
        return f"{course.maps[-1][1]:.3f}"
    return f"{course.maps[-1][1]:.3f}   " + _("best epoch {epoch}", epoch=best[0] + 1)


def _memory_figure(used: int, course: RunHistory, hardware: Hardware | None) -> str:
    total = None
    if hardware is not None and course.device.startswith("cuda"):
        card = hardware.cuda_card(int(course.device.partition(":")[2] or 0))
        total = None if card is None else card.memory_total
    elif hardware is not None and course.device == "cpu":
        total = hardware.memory.total
    return gibibytes(used) if total is None else f"{gibibytes(used)} / {gibibytes(total)}"


def _border_among(course: RunHistory) -> float | None:
    """Where among the validated epochs everything begins to train."""
    frozen = sum(stage == "freeze" for stage, _epoch in course.stage_epochs)
    return frozen / len(course.stage_epochs) if 0 < frozen < len(course.stage_epochs) else None
