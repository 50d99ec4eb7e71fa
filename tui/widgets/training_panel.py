"""The numbers and curves of a run, during the training or afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from textual import getters
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.content import Content

from engine.evaluation.trend import trend_of
from engine.hardware import Hardware
from tui.text import N_, _, ngettext
from tui.text.durations import duration
from tui.text.sizes import format_size
from tui.text.stages import STAGE_EXPLANATIONS, STAGE_NAMES
from tui.text.trend_verdicts import COLOURS, TREND_NOTE, describe_trend
from tui.widgets.curve import Curve
from tui.widgets.label import Label
from tui.widgets.stage_bar import StageBar
from tui.wizard.run_history import RunHistory
from tui.workers.training_session import Phase

PHASES = {
    "preparing": N_("preparing ..."),
    "pausing": N_("pausing after this step ..."),
    "paused": N_("paused"),
    "stopping": N_("saving and stopping after this step ..."),
}


class Curves(Container):
    """The six curves of a run, above each other on the same time axis."""

    SCOPED_CSS = False  # the size of the screen decides the height of a curve
    DEFAULT_CSS = """
    Curves { height: auto; }
    """

    _train_loss = getters.query_one("#train-loss", Curve)
    _val_loss = getters.query_one("#val-loss", Curve)
    _map50 = getters.query_one("#map", Curve)
    _lr = getters.query_one("#lr", Curve)
    _memory = getters.query_one("#memory-curve", Curve)
    _data_wait = getters.query_one("#data-wait", Curve)

    def compose(self) -> ComposeResult:
        """Empty curves."""
        yield Curve(_("train loss"), logarithmic=True, id="train-loss")
        yield Curve(_("val loss"), logarithmic=True, id="val-loss")
        yield Curve("mAP50", minimum=0.0, id="map")
        yield Curve(_("learning rate"), id="lr")
        yield Curve(_("memory"), minimum=0.0, id="memory-curve")
        yield Curve(_("data wait"), minimum=0.0, id="data-wait")

    def show(self, history: RunHistory, hardware: Hardware | None) -> None:
        """Show a run; `hardware` gives the total memory."""
        latest, boundary = history.latest, _boundary_by_steps(history)
        self._train_loss.show(history.train_loss.points, "" if latest is None else f"{latest.loss:.4f}", boundary)
        losses = [loss for _epoch, loss in history.validation]
        self._val_loss.show(losses, _val_loss_text(history), _boundary_by_epochs(history))
        self._map50.show([map50 for _epoch, map50, _map in history.maps], _map_text(history))
        self._lr.show(history.lr.points, "" if latest is None else f"{latest.lr:.1e}", boundary)
        self._memory.set_label(_("GPU memory") if history.device.startswith("cuda") else _("memory"))
        memory = "" if latest is None else _memory_text(latest.memory_bytes, history, hardware)
        self._memory.show(history.memory.points, memory, boundary)
        data_wait = "" if latest is None else f"{latest.data_wait * 100:.0f} %"
        self._data_wait.show(history.data_wait.points, data_wait, boundary)


class TrainingPanel(Vertical):
    """Epoch, stages, speed, curves, and what the validation loss means."""

    SCOPED_CSS = False  # the size of the screen decides the margins
    DEFAULT_CSS = """
    TrainingPanel { height: auto; }
    TrainingPanel Label { height: auto; }
    .-high TrainingPanel #stage-reason { margin-bottom: 1; }
    .-high TrainingPanel StageBar { margin: 1 0; }
    TrainingPanel #stage-reason { color: $text-muted; }
    TrainingPanel #verdict { text-style: bold; }
    TrainingPanel #verdict-notes { color: $text-muted; }
    """

    _status = getters.query_one("#status", Label)
    _stage_bar = getters.query_one(StageBar)
    _stage_reason = getters.query_one("#stage-reason", Label)
    _curves = getters.query_one(Curves)
    _verdict = getters.query_one("#verdict", Label)
    _verdict_notes = getters.query_one("#verdict-notes", Label)

    def __init__(self) -> None:
        super().__init__()
        self._shown_steps: tuple[int, int | None] | None = None
        """The steps so far and those advised, as shown."""

    def compose(self) -> ComposeResult:
        """The current numbers, the curves, the verdict."""
        yield Label(id="status")
        yield StageBar()
        yield Label(id="stage-reason")
        yield Curves()
        yield Label(id="verdict")
        yield Label(id="verdict-notes")

    def show(self, history: RunHistory, phase: Phase, hardware: Hardware | None) -> None:
        """Show the current numbers and curves."""
        self._status.update(join_to_width(tuple(_status_parts(history, phase)), self.content_size.width))
        stages = [
            (str(stage["name"]), int(stage["last_epoch"]) - int(stage["first_epoch"]) + 1) for stage in history.stages
        ]
        self._stage_bar.show(stages, _epochs_done(history))
        self._stage_reason.update("" if history.stage is None else _(STAGE_EXPLANATIONS[history.stage.stage]))
        self._curves.show(history, hardware)
        self._show_steps(history)

    def show_verdict(self, history: RunHistory) -> None:
        """Show the trend of the validation loss, and how many of the advised steps are done."""
        trend = trend_of(history.stage_losses)
        if history.stage is not None and not history.validation and history.finished_epochs:
            sentence = _("There are no validation images, so it is unknown when the network stops learning.")
        else:
            sentence = describe_trend(trend)
        self._verdict.update(Content.styled(sentence, COLOURS[trend.verdict]))
        self._show_steps(history)

    def _show_steps(self, history: RunHistory) -> None:
        if (steps := (history.steps, history.advised_steps)) != self._shown_steps:
            self._shown_steps = steps
            self._verdict_notes.update(f"{_(TREND_NOTE)}\n{_steps_text(history)}")

    def show_verdict_lines(self, visible: bool) -> None:
        """Show or hide the texts around the curves, to make room for another text."""
        for label in (self._stage_reason, self._verdict, self._verdict_notes):
            label.display = visible


def _steps_text(history: RunHistory) -> str:
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
        yield _("epoch {epoch}/{epochs}", epoch=latest.epoch + 1, epochs=last_epoch + 1) + f"  {_(STAGE_NAMES[stage])}"
        if latest.step + 1 < latest.steps or phase != "training":
            yield _("step {step}/{steps}", step=latest.step + 1, steps=latest.steps)
        else:
            yield _("validating")
    if phase in PHASES:
        yield _(PHASES[phase])
        return
    if latest is None or phase == "ended":
        return
    seconds_left = history.seconds_left()
    if seconds_left is not None:
        yield _("{time} left", time=duration(seconds_left))
    yield _("{speed} images/s", speed=f"{latest.images_per_second:.3g}")
    yield _("batch {batch}", batch=history.batch_size)


def _epochs_done(history: RunHistory) -> float:
    latest = history.latest
    if latest is None or not history.stages:
        return 0.0
    return latest.epoch - int(history.stages[0]["first_epoch"]) + (latest.step + 1) / max(1, latest.steps)


def _val_loss_text(history: RunHistory) -> str:
    if history.lowest_loss is None:
        return ""
    latest = f"{history.validation[-1][1]:.4f}"
    return latest + "  " + _("best epoch {epoch}", epoch=history.lowest_loss[0] + 1)


def _map_text(history: RunHistory) -> str:
    if not history.maps:
        return _("not measured yet")
    latest = f"{history.maps[-1][1]:.3f}"
    best_epoch, best_map50, _best_map = max(history.maps, key=lambda point: point[1])
    return latest if best_map50 == 0 else latest + "   " + _("best epoch {epoch}", epoch=best_epoch + 1)


def _memory_text(used: int, history: RunHistory, hardware: Hardware | None) -> str:
    total = None
    if hardware is not None and history.device.startswith("cuda"):
        card = hardware.cuda_card(int(history.device.partition(":")[2] or 0))
        total = None if card is None else card.memory_total
    elif hardware is not None and history.device == "cpu":
        total = hardware.memory.total
    return format_size(used) if total is None else f"{format_size(used)} / {format_size(total)}"


def _boundary_by_steps(history: RunHistory) -> float | None:
    """Where the unfreeze stage begins, as a fraction of the steps so far."""
    if history.unfreeze_step is None or not history.steps:
        return None
    return history.unfreeze_step / history.steps


def _boundary_by_epochs(history: RunHistory) -> float | None:
    """Where the unfreeze stage begins, as a fraction of the finished epochs."""
    frozen = sum(stage == "freeze" for stage, _epoch in history.finished_epochs)
    return frozen / len(history.finished_epochs) if 0 < frozen < len(history.finished_epochs) else None
