"""The form of the recipe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.events import DescendantBlur, DescendantFocus
from textual.widget import Widget

from engine.hardware import Hardware
from engine.messages import BadInput
from tui.screens.base import WizardScreen
from tui.text import N_, _, translate
from tui.widgets.field_row import FieldRow
from tui.widgets.label import Label
from tui.widgets.stage_table import STAGE_NAMES, StageTable
from tui.wizard.free_memory import MemoryWatch
from tui.wizard.planner import NO_DATA, DryRunner, Planner, PlanPreview, PlanRequest
from tui.wizard.recipe_draft import RecipeDraft, change, plain, recipe_draft, reset
from tui.wizard.recipe_fields import beside, field_of, problems_by_field, recipe_fields
from tui.workers.latest_query import LatestQuery

if TYPE_CHECKING:
    from engine.planning.dry_run.dry_run import DryRunResult
    from engine.recipe import Recipe

IDLE = 3.0
"""Seconds without a change after which the first steps are timed: a rehearsal is work for the whole machine."""


class Form(VerticalScroll, inherit_bindings=False):
    """Scrolls by pages; the arrow keys go from field to field."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pageup", "page_up", show=False),
        Binding("pagedown", "page_down", show=False),
    ]


class TuneScreen(WizardScreen):
    """A line for each setting; below them what follows from all of them."""

    place: ClassVar[str] = "tune"
    heading: ClassVar[str] = N_("Anything to change?")
    reason: ClassVar[str] = N_("Every value is suggested; Enter takes them all.")

    AUTO_FOCUS = ""  # Enter goes on; who wants to change something goes there
    DEFAULT_CSS = """
    TuneScreen #body { overflow: hidden; }
    TuneScreen #form { height: 1fr; scrollbar-size-vertical: 1; }
    TuneScreen #about { height: 2; margin-top: 1; }
    TuneScreen.-low #about { margin-top: 0; }
    TuneScreen.-low #head #reason { display: none; }
    TuneScreen.-wide FieldRow > Input { width: 26; margin: 0 2 0 0; }
    TuneScreen.-wide FieldRow > CycleSelect { width: 26; margin: 0 2 0 0; }
    TuneScreen.-wide FieldRow > .field-name { width: 24; }
    TuneScreen #about.-warning { color: $warning; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f2", "more", N_("all settings")),
        Binding("ctrl+r", "reset", N_("as in the preset")),
        Binding("down", "app.focus_next", show=False),
        Binding("up", "app.focus_previous", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._errors: dict[str, str] = {}
        self._refused: dict[str, str] = {}
        self._proposed: PlanPreview | None = None
        self._everything = False
        planner = Planner()
        self._plans = LatestQuery(self, planner.propose, self._planned, self._refuse)
        self._rehearser = DryRunner()
        self._rehearsals = LatestQuery(self, self._rehearser.rehearse, self._rehearsed, lambda error: None)
        self._short: dict[str, str] = {}
        """Batch sizes with which the rehearsal ran out of memory, and the sentence."""
        self._tried: Recipe | None = None
        self._memory = MemoryWatch()

    def compose_body(self) -> Iterator[Widget]:
        """The form, what the focused field means, the stages."""
        with Form(id="form", can_focus=False):
            for field in recipe_fields():
                yield FieldRow(field, self._change)
        yield Label(id="about")
        yield StageTable()

    def on_mount(self) -> None:
        """Fill the form."""
        self._idle = self.set_timer(IDLE, self._rehearse, pause=True)
        self._follow()

    def on_unmount(self) -> None:
        """Nobody waits any more."""
        self._rehearser.stop()

    def show_hardware(self, hardware: Hardware) -> None:
        """Ask again where what is free has changed."""
        device = None if self._proposed is None else self._proposed.plan.device
        if self._rehearsals.pending:
            self._memory.ignore_for_a_moment()  # what the rehearsal itself takes comes back
        elif not self._plans.pending and self._memory.changed(hardware, device):
            self._ask()

    # What was entered, and what follows from it

    def _proposal(self) -> RecipeDraft | None:
        try:
            return recipe_draft(self.state, self.wizard.workspace)
        except BadInput as error:
            self.show_refusal(error)
            return None

    def _follow(self) -> None:
        """Let every line show its value, what is wrong with it, and ask for a new Plan where nothing is."""
        proposal = self._proposal()
        if proposal is None:
            return
        try:
            recipe = proposal.recipe()
        except BadInput as error:
            recipe, self._errors = None, problems_by_field(error)
        else:
            self._errors = {}
        for row in self.query(FieldRow):
            name = row.field.name
            touched = name in proposal.changes
            row.display = row.field.read_by(proposal.method) and (
                self._everything or not row.field.advanced or touched or name in self._errors
            )
            if touched:
                row.show(proposal.changes[name], changed=True)
            else:
                value = proposal.untouched(name) if recipe is None else plain(getattr(recipe, name))
                row.show(value, changed=name in proposal.start)
        if recipe is None:
            if self._proposed is None:
                self.query_one(StageTable).wait()
            self._plans.drop()
            self._idle.pause()
        else:
            self._ask()
        self._comment()

    def _ask(self) -> None:
        proposal, hardware, source = self._proposal(), self.wizard.hardware, self.state.source
        if proposal is None or hardware is None or source is None or self._errors:
            return
        self._idle.pause()
        self._memory.asked(hardware)
        self._plans.ask(PlanRequest(proposal.settings, source, hardware, self.wizard.workspace))

    def _planned(self, proposed: PlanPreview) -> None:
        self._proposed, self._refused = proposed, {}
        self._show_plan()
        if not proposed.timed and proposed.fits and proposed.plan.recipe != self._tried:
            self._idle.reset()
            self._idle.resume()

    def _refuse(self, error: BadInput) -> None:
        self._refused = problems_by_field(error)
        self._comment()

    def _rehearse(self) -> None:
        if self._proposed is not None:
            self._short, self._tried = {}, self._proposed.plan.recipe
            self._rehearsals.ask(self._proposed)
            self._show_plan()

    def _rehearsed(self, answer: tuple[PlanPreview, DryRunResult]) -> None:
        timed, found = answer
        if self._proposed is None or timed.plan.recipe != self._proposed.plan.recipe:
            return
        self._proposed = timed
        if found.out_of_memory in STAGE_NAMES:
            self._short = {f"{found.out_of_memory}_batch_size": _("Memory ran out in the first steps; take less.")}
        self._show_plan()

    # What is said beside the fields

    def _show_plan(self) -> None:
        if self._proposed is not None:
            untimed = _("being timed") if self._rehearsals.pending else _("not timed yet")
            self.query_one(StageTable).show(self._proposed, untimed=untimed)
        self._comment()

    def _comment(self) -> None:
        warnings = self._warnings()
        suggestions = self._suggestions()
        wrong = self._refused | self._errors
        for row in self.query(FieldRow):
            name = row.field.name
            if name in wrong:
                row.display = True
                row.say(wrong[name], "error")
            elif name in warnings:
                row.say(warnings[name], "warning")
            else:
                row.say(suggestions.get(name, ""), "suggestion")
        self.show_error(wrong.get("", ""))
        if wrong:
            self.suggest("")
        else:
            self.suggest(_("Enter takes these values; Tab or the arrow keys go to one."))
        self._say_about()

    def _warnings(self) -> dict[str, str]:
        if self._proposed is None:
            return {}
        # A batch that was chosen is a suggestion taken; Review tells about it.
        spoken = [message for message in self._proposed.plan.warnings if message.code != "plan.batch_suggested"]
        named = ((field_of(message) or "", translate(message)) for message in reversed(spoken))
        return {name: beside(name, sentence) for name, sentence in named} | self._short

    def _suggestions(self) -> dict[str, str]:
        if self._proposed is None or self._proposed.suggested is None:
            return {}
        batches, recipe = self._proposed.suggested, self._proposed.plan.recipe
        found = {}
        for name, size in (("freeze_batch_size", batches.freeze), ("unfreeze_batch_size", batches.unfreeze)):
            if getattr(recipe, name) == "auto":
                found[name] = _("auto: {size} now", size=size)
            elif getattr(recipe, name) != size:
                found[name] = _("suggested: {size}, or auto", size=size)
        return found

    def _say_about(self) -> None:
        row = self._focused_row()
        if row is None:
            general = self._warnings().get("", "")
            self.query_one("#about", Label).say(general)
            self.query_one("#about").set_class(bool(general), "-warning")
        else:
            allowed = _("Possible: {allowed}", allowed=row.field.allowed)
            self.query_one("#about", Label).say(f"{row.field.description} {allowed}")
            self.query_one("#about").remove_class("-warning")

    def _focused_row(self) -> FieldRow | None:
        node = self.focused
        return next((one for one in node.ancestors if isinstance(one, FieldRow)), None) if node is not None else None

    def explain(self) -> str:
        """Every warning in full."""
        proposed = self._proposed
        warnings = [] if proposed is None else [translate(message) for message in proposed.plan.warnings]
        size = _("How many images there are plays no part in memory; batch size, input and network do.")
        return "\n\n".join([_(self.reason), size, *warnings])

    # What the user does

    def _change(self, name: str, value: Any) -> None:
        """Take what was entered, right or wrong."""
        try:
            change(self.state, self.wizard.workspace, name, value)
        except BadInput as error:
            self.show_refusal(error)
            return
        self._refused = {}  # of what was before
        self._rehearser.stop()
        self._follow()

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """Say what the field means."""
        self._say_about()

    def on_descendant_blur(self, event: DescendantBlur) -> None:
        """Show the value as it is kept."""
        self.call_after_refresh(self._say_about)

    def action_more(self) -> None:
        """Basic settings, or all of them."""
        self._everything = not self._everything
        self._follow()

    def action_reset(self) -> None:
        """The focused field as in the preset; all of them where none has the focus."""
        row = self._focused_row()
        names = list(self.state.settings) if row is None else [row.field.name]
        try:
            for name in names:
                reset(self.state, self.wizard.workspace, name)
        except BadInput as error:
            self.show_refusal(error)
            return
        self._refused = {}
        self._follow()

    def validation_error(self) -> str | None:
        """What is wrong stands beside its field."""
        if self.state.source is None:
            return _(NO_DATA)
        wrong = self._refused | self._errors
        if not wrong:
            return None
        name, sentence = next(iter(wrong.items()))
        return sentence if not name else f"{name}: {sentence}"
