"""The stages of a Plan: epochs, batch, steps, learning rates, time, and a bar of memory against the limit."""

from __future__ import annotations

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Vertical

from engine.plan import StagePlan
from tui.text import N_, _
from tui.text.durations import duration
from tui.text.sizes import gibibytes
from tui.widgets.label import Label
from tui.widgets.meter import Meter
from tui.wizard.planner import PlanPreview

STAGE_NAMES = {"freeze": N_("freeze"), "unfreeze": N_("unfreeze")}
COLUMNS = (N_("stage"), N_("epochs"), N_("batch"), N_("steps"), N_("learning rate"), N_("time"))


class StageTable(Vertical):
    """A line and a memory bar for each stage, and the sum of the steps below."""

    DEFAULT_CSS = """
    StageTable { height: auto; }
    StageTable > Label, StageTable Meter { height: auto; }
    StageTable > .stage-header { color: $text-muted; }
    StageTable > .stage-total { color: $text-muted; }
    StageTable > .stage-total.-few { color: $warning; }
    """

    def compose(self) -> ComposeResult:
        """Lines for both stages; one that does not run stays away."""
        yield Label(_("Reckoning what will fit ..."), classes="stage-header")
        for name in STAGE_NAMES:
            yield Label(id=f"line-{name}")
            # Up to the limit it fits, the margin included: red is only for what does not.
            yield Meter("  " + _("memory"), full_at=1.0, id=f"memory-{name}")
        yield Label(classes="stage-total")

    def on_mount(self) -> None:
        """Nothing is known yet."""
        for name in STAGE_NAMES:
            self.query_one(f"#line-{name}").display = self.query_one(f"#memory-{name}").display = False

    def wait(self) -> None:
        """Nothing can be reckoned yet."""
        self.query_one(".stage-header", Label).say(_("What will fit is reckoned once nothing above is wrong."))

    def show(self, proposed: PlanPreview, *, untimed: str) -> None:
        """Show a Plan; `untimed` stands where it is not known how long a stage takes."""
        stages = {stage.name: stage for stage in proposed.plan.stages}
        rows = [_cells(stage, untimed) for stage in stages.values()]
        header = [_(column) for column in COLUMNS]
        widths = [max(cell_len(row[number]) for row in (header, *rows)) for number in range(len(header))]
        self.query_one(".stage-header", Label).say(_line(header, widths))
        for name in STAGE_NAMES:
            line, meter = self.query_one(f"#line-{name}", Label), self.query_one(f"#memory-{name}", Meter)
            line.display = meter.display = name in stages
            if name in stages:
                line.say(_line(_cells(stages[name], untimed), widths))
                meter.show(*_memory(stages[name]))
        total = self.query_one(".stage-total", Label)
        total.say(_total(proposed))
        total.set_class(proposed.steps < proposed.advised_steps, "-few")


def _cells(stage: StagePlan, untimed: str) -> list[str]:
    batch = str(stage.batch_size) if stage.accumulate == 1 else f"{stage.batch_size} × {stage.accumulate}"
    return [
        _(STAGE_NAMES[stage.name]),
        f"{stage.first_epoch + 1}–{stage.last_epoch + 1}",
        batch,
        str(stage.epochs * stage.steps_per_epoch),
        f"{stage.init_lr:.2g} → {stage.min_lr:.2g}",
        untimed if stage.seconds_estimate is None else duration(stage.seconds_estimate),
    ]


def _line(cells: list[str], widths: list[int]) -> str:
    """Cells side by side; Chinese characters are two columns wide."""
    padded = [cell + " " * (width - cell_len(cell)) for cell, width in zip(cells, widths, strict=True)]
    return "   ".join(padded).rstrip()


def _memory(stage: StagePlan) -> tuple[float | None, str]:
    need, limit = stage.memory_estimate_bytes, stage.memory_limit_bytes
    if need is None or not limit:
        return None, _("{need} needed", need=gibibytes(need))
    return need / limit, _("{need} of {limit} free", need=gibibytes(need), limit=gibibytes(limit))


def _total(proposed: PlanPreview) -> str:
    return _(
        "{steps} steps in all; {advised} or more are advised.", steps=proposed.steps, advised=proposed.advised_steps
    )
