"""The Plan on one page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget

from engine.hardware import Hardware
from engine.messages import BadInput
from engine.recipe.presets import save_preset
from tui.dialogs.save_preset import SavePresetDialog
from tui.screens.base import WizardScreen
from tui.text import N_, _
from tui.widgets.plan_page import PlanPage
from tui.widgets.stage_table import STAGE_NAMES
from tui.wizard.approved_plan import ApprovedPlan
from tui.wizard.cli_equivalent import cli_words, command_line
from tui.wizard.planner import NO_DATA, DryRunner, Planner, PlanPreview, PlanRequest
from tui.wizard.recipe_draft import RecipeDraft, recipe_draft, start_as_in
from tui.wizard.recipe_fields import said_here
from tui.workers.latest_query import LatestQuery

if TYPE_CHECKING:
    from engine.planning.dry_run.dry_run import DryRunResult


class ReviewScreen(WizardScreen):
    """Everything that will happen, before it does."""

    place: ClassVar[str] = "review"
    heading: ClassVar[str] = N_("This is what will run")
    reason: ClassVar[str] = N_("Both stages are checked before the first epoch, so that nothing fails hours in.")

    DEFAULT_CSS = """
    ReviewScreen.-low #head #reason { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "forward", N_("start training")),
        Binding("c", "copy", N_("copy command")),
        Binding("s", "save", N_("save as preset")),
        Binding("down", "scroll_body(1)", show=False),
        Binding("up", "scroll_body(-1)", show=False),
        Binding("pagedown,space", "scroll_body(12)", show=False),
        Binding("pageup", "scroll_body(-12)", show=False),
        Binding("home", "scroll_body(-10000)", show=False),
        Binding("end", "scroll_body(10000)", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._proposal: RecipeDraft | None = None
        self._proposed: PlanPreview | None = None
        self._refused: str | None = None
        self._short: str | None = None
        """The sentence for a rehearsal that ran out of memory."""
        self._start_when_ready = False
        self._plans = LatestQuery(self, Planner(amp_check=True).propose, self._planned, self._refuse)
        self._rehearser = DryRunner()
        self._rehearsals = LatestQuery(self, self._rehearser.rehearse, self._rehearsed, lambda error: None)

    def compose_body(self) -> Iterator[Widget]:
        """The page."""
        yield PlanPage()

    def on_mount(self) -> None:
        """Make the Plan from what the hardware is now."""
        self._ask()

    def on_unmount(self) -> None:
        """Nobody waits any more."""
        self._rehearser.stop()

    def show_hardware(self, hardware: Hardware) -> None:
        """The first look is enough: what is read here must not change under the reader's eyes."""
        if self._proposed is None and self._refused is None and not self._plans.pending:
            self._ask()

    def _ask(self) -> None:
        source, hardware, workspace = self.state.source, self.wizard.hardware, self.wizard.workspace
        if source is None:
            self._refused = _(NO_DATA)
            self.show_error(self._refused)
            return
        if hardware is None:
            return
        try:
            self._proposal = recipe_draft(self.state, workspace)
            self._plans.ask(PlanRequest(self._proposal.settings, source, hardware, workspace))
        except BadInput as error:
            self._refuse(error)

    def _planned(self, proposed: PlanPreview) -> None:
        self._proposed = proposed
        if self._start_when_ready:
            self.action_forward()
            return
        self.show_error("")
        # On the processor a training that does not fit may take other programs with it; a card just refuses.
        if not proposed.timed and (proposed.fits or proposed.plan.device.startswith("cuda")):
            self._rehearsals.ask(proposed)
        self._show()
        if self.wizard.trains:
            self.suggest(_("A training is running; Enter shows it."))
        else:
            self.suggest(_("Enter starts the training. Stopping at any moment loses nothing."))

    def _refuse(self, error: BadInput) -> None:
        self._refused = "\n".join(said_here(message) for message in error.messages)
        self._start_when_ready = False
        self.show_error(self._refused)

    def _rehearsed(self, answer: tuple[PlanPreview, DryRunResult]) -> None:
        self._proposed, found = answer
        if found.out_of_memory is not None:
            stage = _(STAGE_NAMES.get(found.out_of_memory, found.out_of_memory))
            self._short = _(
                "Memory ran out while the first steps were tried (stage: {stage}). Esc goes back: take a smaller batch. "
                "The number of images plays no part.",
                stage=stage,
            )
            self.show_error(self._short)
        elif found.failed is not None:
            self.show_error(_("The first steps could not be tried: {reason}", reason=found.failed))
        self._show()

    def _show(self) -> None:
        if self._proposed is None or self._proposal is None:
            return
        untimed = _("being timed") if self._rehearsals.pending else _("unknown")
        self.query_one(PlanPage).show(self._proposed, self._proposal, self._command(), untimed=untimed)

    def _command(self, command: str = "train") -> str:
        assert self._proposed is not None
        assert self._proposal is not None
        return command_line(cli_words(self._proposal, self._proposed.plan.data, self.wizard.workspace, command))

    def explain(self) -> str:
        """The step, and its keys."""
        return "\n\n".join(
            (
                _(self.reason),
                _("The memory bars show what each stage needs, its margin included, of what is free now."),
                _("The command line does the same without a screen: on a server, in a script, overnight."),
            )
        )

    # What the user does

    def validation_error(self) -> str | None:
        """A Plan there must be, and one that fits."""
        return self._refused or self._short

    def action_forward(self) -> None:
        """Start; as soon as the Plan is made where it is not yet."""
        if self.wizard.trains:
            self.wizard.go_to("train")  # one training at a time: that one is shown
        elif self.validation_error() is None and self._proposed is None:
            self._start_when_ready = True
            self.show_error(_("Still reckoning; it starts as soon as that is done."))
        else:
            super().action_forward()

    def accept(self) -> None:
        """Hand the Plan to Train."""
        assert self._proposed is not None
        self._rehearser.stop()
        self.wizard.chosen = ApprovedPlan(self._proposed.plan, self._proposed.dataset)
        self.state.run = None  # of a training before this one

    def action_copy(self) -> None:
        """The same run as a command line."""
        if self._proposed is not None:
            self.wizard.copy_to_clipboard(self._command())
            self.notify(_("The command is in the clipboard, if this terminal allows that."), markup=False)

    def action_save(self) -> None:
        """Ask for a name and save."""
        if self._proposal is None:
            return
        suggested = self._proposal.preset.name if not self._own(self._proposal.preset.name) else "my-preset"
        self.app.push_screen(SavePresetDialog(suggested, self._save), self._saved)

    def _own(self, name: str) -> bool:
        """Whether it is a preset that comes with freezetui."""
        return not (self.wizard.workspace / "presets" / f"{name}.toml").exists()

    def _save(self, name: str, replace: bool) -> None:
        assert self._proposal is not None
        summary = _("Saved in the wizard, from {preset}.", preset=self._proposal.preset.name)
        save_preset(self.wizard.workspace, name, self._proposal.settings, name, summary, replace=replace)

    def _saved(self, name: str | None) -> None:
        if name is None:
            return
        self.state.preset, self.state.settings = name, {}
        self.wizard.keep_state()
        self._proposal = recipe_draft(self.state, self.wizard.workspace)
        start_as_in(self.state, self._proposal.preset)
        self._show()
        self.notify(_("Saved: {path}", path=self.wizard.workspace / "presets" / f"{name}.toml"), markup=False)

    def action_scroll_body(self, lines: int) -> None:
        """The page may be longer than the screen."""
        self.query_one("#body", VerticalScroll).scroll_relative(y=lines, animate=False)
