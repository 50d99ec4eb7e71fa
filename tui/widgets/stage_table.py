"""The stages of a Plan: epochs, batch size, steps, learning rates, time, and memory against the limit."""

from __future__ import annotations

from rich.cells import cell_len
from textual import getters
from textual.app import ComposeResult
from textual.containers import Vertical

from engine.plan import Plan, StagePlan
from engine.planning.request import PreparedPlan
from tui.text import N_, _
from tui.text.devices import batch_text
from tui.text.durations import duration
from tui.text.sizes import format_size
from tui.text.stages import STAGE_NAMES
from tui.text.step_advice import describe_steps
from tui.widgets.label import Label
from tui.widgets.meter import Meter

COLUMNS = (N_("stage"), N_("epochs"), N_("batch"), N_("steps"), N_("learning rate"), N_("time"))


class StageTable(Vertical):
    """A line and a memory bar for each stage, and the total number of steps."""

    DEFAULT_CSS = """
    StageTable { height: auto; }
    StageTable > Label, StageTable Meter { height: auto; }
    StageTable > .stage-header { color: $text-muted; }
    StageTable > .stage-total { color: $text-muted; }
    StageTable > .stage-total.-too-few { color: $warning; }
    StageTable.-outdated > Label { color: $text-muted; }
    """

    _header = getters.query_one(".stage-header", Label)
    _total = getters.query_one(".stage-total", Label)

    def __init__(self) -> None:
        super().__init__()
        self._shows_plan = False

    def compose(self) -> ComposeResult:
        """Lines for both stages; those of a stage that does not run stay hidden."""
        yield Label(_("Calculating which batch sizes fit into memory ..."), classes="stage-header")
        for name in STAGE_NAMES:
            yield Label(id=f"line-{name}")
            # The limit already leaves a margin, so everything below it fits.
            yield Meter("  " + _("memory"), alarm_above=1.0, id=f"memory-{name}")
        yield Label(classes="stage-total")

    def on_mount(self) -> None:
        """Hide the stages until there is a Plan."""
        for name in STAGE_NAMES:
            self.query_one(f"#line-{name}").display = self.query_one(f"#memory-{name}").display = False

    def show_waiting(self) -> None:
        """Show that there is no Plan because of an invalid setting, or that the one that is shown is older than this setting."""
        text = _("Memory and steps are calculated when every setting above is valid.")
        self.set_class(self._shows_plan, "-outdated")
        (self._total if self._shows_plan else self._header).update(text)

    def show(self, prepared: PreparedPlan, *, unknown_time: str) -> None:
        """Show a Plan; `unknown_time` is the text for the time of a stage that was not measured."""
        self._shows_plan = True
        self.remove_class("-outdated")
        stages = {stage.name: stage for stage in prepared.plan.stages}
        rows = [_cells(prepared.plan, stage, unknown_time) for stage in stages.values()]
        header = [_(column) for column in COLUMNS]
        widths = [max(cell_len(row[column]) for row in (header, *rows)) for column in range(len(header))]
        self._header.update(_line(header, widths))
        for name in STAGE_NAMES:
            line, meter = self.query_one(f"#line-{name}", Label), self.query_one(f"#memory-{name}", Meter)
            line.display = meter.display = name in stages
            if name in stages:
                line.update(_line(_cells(prepared.plan, stages[name], unknown_time), widths))
                meter.show(*_memory(stages[name]))
        advice = prepared.step_advice
        self._total.update(describe_steps(advice))
        self._total.set_class(advice.level == "few", "-too-few")


def _cells(plan: Plan, stage: StagePlan, unknown_time: str) -> list[str]:
    return [
        _(STAGE_NAMES[stage.name]),
        f"{stage.first_epoch + 1}–{stage.last_epoch + 1}",
        batch_text(plan, stage),
        str(stage.epochs * stage.steps_per_epoch),
        f"{stage.init_lr:.2g} → {stage.min_lr:.2g}",
        unknown_time if stage.seconds_estimate is None else duration(stage.seconds_estimate),
    ]


def _line(cells: list[str], widths: list[int]) -> str:
    """Cells side by side; a Chinese character is two columns wide."""
    padded = [cell + " " * (width - cell_len(cell)) for cell, width in zip(cells, widths, strict=True)]
    return "   ".join(padded).rstrip()


def _memory(stage: StagePlan) -> tuple[float | None, str]:
    """The fraction of the limit, and its text."""
    need, limit = stage.memory_estimate_bytes, stage.memory_limit_bytes
    if need is None or not limit:
        return None, _("{need} needed", need=format_size(need))
    return need / limit, _("{need} of {limit} free", need=format_size(need), limit=format_size(limit))
