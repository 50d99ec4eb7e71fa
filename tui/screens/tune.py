"""The form of the recipe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from textual import getters
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.events import DescendantBlur, DescendantFocus
from textual.widget import Widget

from engine.hardware import Hardware
from engine.messages import BadInput
from engine.planning.request import PlanRequest, PreparedPlan
from engine.recipe import Recipe, to_plain_value
from tui.screens.base import WizardScreen
from tui.text import N_, _, translate
from tui.text.stages import STAGE_NAMES
from tui.widgets.field_row import FieldRow
from tui.widgets.label import Label
from tui.widgets.stage_table import StageTable
from tui.wizard.anchor_offer import AnchorOffer, anchor_offer, anchor_settings
from tui.wizard.free_memory import FreeMemoryMonitor
from tui.wizard.planner import NO_DATA, DryRunner
from tui.wizard.recipe_draft import RecipeDraft, change_setting, recipe_draft, reset_setting
from tui.wizard.recipe_fields import field_of, problems_by_field, recipe_fields, strip_field_name
from tui.workers.latest_query import LatestQuery

if TYPE_CHECKING:
    from engine.planning.dry_run.dry_run import DryRunResult
    from tui.workers.wizard_protocol import Wizard

DRY_RUN_DELAY = 3.0
"""Seconds after the last change until the first steps are timed: a dry run keeps the whole machine busy."""


class Form(VerticalScroll, inherit_bindings=False):
    """Scrolls by pages only, so that the arrow keys can move the focus."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pageup", "page_up", show=False),
        Binding("pagedown", "page_down", show=False),
    ]


class TuneScreen(WizardScreen):
    """One line for each setting; below them the Plan that results."""

    screen_name: ClassVar[str] = "tune"
    heading: ClassVar[str] = N_("Adjust the settings")
    reason: ClassVar[str] = N_("Every setting has a suggested value; Enter accepts them all.")

    AUTO_FOCUS = ""  # without a focused field, Enter shows the next screen
    DEFAULT_CSS = """
    TuneScreen #body { overflow: hidden; }
    TuneScreen #form { height: 1fr; scrollbar-size-vertical: 1; }
    TuneScreen #field-help { height: 2; margin-top: 1; }
    TuneScreen.-low #field-help { margin-top: 0; }
    TuneScreen.-low #head #reason { display: none; }
    TuneScreen.-wide FieldRow > Input { width: 26; margin: 0 2 0 0; }
    TuneScreen.-wide FieldRow > CycleSelect { width: 26; margin: 0 2 0 0; }
    TuneScreen.-wide FieldRow > .field-name { width: 24; }
    TuneScreen #field-help.-warning { color: $warning; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f2", "toggle_all", N_("all settings")),
        Binding("f3", "use_anchors", show=False),
        Binding("ctrl+r", "reset", N_("reset this setting")),
        Binding("down", "app.focus_next", show=False),
        Binding("up", "app.focus_previous", show=False),
    ]

    _field_help = getters.query_one("#field-help", Label)
    _stage_table = getters.query_one(StageTable)

    def __init__(self, wizard: Wizard) -> None:
        super().__init__(wizard)
        self._setting_errors: dict[str, str] = {}
        """Sentences by setting (empty name: none): why there is no Recipe."""
        self._plan_errors: dict[str, str] = {}
        """The same: why there is no Plan for the Recipe."""
        self._out_of_memory: dict[str, str] = {}
        """The same, for batch sizes with which the dry run ran out of memory."""
        self.prepared: PreparedPlan | None = None
        self._shows_all = False
        self._plan_query = LatestQuery(self, self._prepare, self._show_prepared, self._show_plan_error)
        self._dry_runner = DryRunner()
        self._dry_run_query = LatestQuery(self, self._dry_runner.dry_run, self._show_dry_run, None)
        self._dry_run_recipe: Recipe | None = None
        """The Recipe of the latest dry run."""
        self._free_memory = FreeMemoryMonitor()
        self._anchor_query = LatestQuery(self, anchor_offer, self._show_anchor_offer, None)
        self._anchor_offer: AnchorOffer | None = None
        self._anchors_asked_for: tuple[object, ...] = ()
        """The data set and the settings of the latest query for anchors."""

    def compose_body(self) -> Iterator[Widget]:
        """The form, help on the focused field, the stages."""
        with Form(id="form", can_focus=False):
            for field in recipe_fields():
                yield FieldRow(field, self._change_setting)
        yield Label(id="field-help")
        yield StageTable()

    def on_mount(self) -> None:
        """Fill the form."""
        self._dry_run_timer = self.set_timer(DRY_RUN_DELAY, self._start_dry_run, pause=True)
        self._update_form()

    def on_unmount(self) -> None:
        """Stop the dry run."""
        self._dry_runner.stop()

    def show_hardware(self, hardware: Hardware) -> None:
        """Make the Plan again if the free memory has changed."""
        device = None if self.prepared is None else self.prepared.plan.device
        if self._dry_run_query.is_pending:
            self._free_memory.ignore_changes()  # the dry run releases its memory
        elif not self._plan_query.is_pending and self._free_memory.has_changed(hardware, device):
            self._request_plan()

    # From the form to the Plan

    def _draft(self) -> RecipeDraft | None:
        try:
            return recipe_draft(self.state, self.wizard.workspace)
        except BadInput as error:
            self.show_bad_input(error)
            return None

    def _update_form(self) -> None:
        """Show all values and errors; without errors, request the Plan."""
        draft = self._draft()
        if draft is None:
            return
        try:
            recipe = draft.recipe()
        except BadInput as error:
            recipe, self._setting_errors = None, problems_by_field(error)
        else:
            self._setting_errors = {}
        for row in self.query(FieldRow):
            name = row.field.name
            is_changed = name in draft.changes
            row.display = row.field.read_by(draft.method) and (
                self._shows_all
                or not row.field.advanced
                or is_changed
                or name in self._setting_errors
                or (name == "anchors" and self._offered(recipe) is not None)
            )
            if is_changed:
                row.show(draft.changes[name], changed=True)
            else:
                value = draft.unchanged_value(name) if recipe is None else to_plain_value(getattr(recipe, name))
                row.show(value, changed=name in draft.start)
        if recipe is None:
            if self.prepared is None:
                self._stage_table.show_waiting()
            self._plan_query.cancel()
            self._dry_run_timer.pause()
        else:
            self._request_plan()
        self._show_notes()

    def _request_plan(self) -> None:
        draft, hardware, source = self._draft(), self.wizard.hardware, self.state.source
        if draft is None or hardware is None or source is None or self._setting_errors:
            return
        self._dry_run_timer.pause()
        self._free_memory.set_reference(hardware)
        self._plan_query.submit(PlanRequest(draft.recipe(), source, hardware, self.wizard.workspace, check_amp=False))

    def _prepare(self, request: PlanRequest) -> PreparedPlan:
        return self.wizard.planner.prepare(request)

    def _show_prepared(self, prepared: PreparedPlan) -> None:
        self.prepared, self._plan_errors = prepared, {}
        self._show_plan()
        self._request_anchor_offer(prepared)
        if not prepared.is_timed and prepared.fits and prepared.plan.recipe != self._dry_run_recipe:
            self._dry_run_timer.reset()
            self._dry_run_timer.resume()

    def _show_plan_error(self, error: BadInput) -> None:
        self._plan_errors = problems_by_field(error)
        self._show_notes()

    def _start_dry_run(self) -> None:
        if self.prepared is not None:
            self._out_of_memory, self._dry_run_recipe = {}, self.prepared.plan.recipe
            self._dry_run_query.submit(self.prepared)
            self._show_plan()

    def _show_dry_run(self, result: tuple[PreparedPlan, DryRunResult]) -> None:
        prepared, dry_run = result
        if self.prepared is None or prepared.plan.recipe != self.prepared.plan.recipe:
            return
        self.prepared = prepared
        if dry_run.out_of_memory in STAGE_NAMES:
            sentence = _("Memory ran out in the first steps. Choose a smaller batch size.")
            self._out_of_memory = {f"{dry_run.out_of_memory}_batch_size": sentence}
        self._show_plan()

    def _show_plan(self) -> None:
        if self.prepared is not None:
            unknown_time = _("measuring ...") if self._dry_run_query.is_pending else _("not measured yet")
            self._stage_table.show(self.prepared, unknown_time=unknown_time)
        self._show_notes()

    # Anchors

    def _request_anchor_offer(self, prepared: PreparedPlan) -> None:
        asked_for = (self.state.source, *anchor_settings(prepared.plan.recipe))
        if asked_for != self._anchors_asked_for:
            self._anchors_asked_for, self._anchor_offer = asked_for, None
            self._anchor_query.submit(prepared)

    def _show_anchor_offer(self, offer: AnchorOffer | None) -> None:
        self._anchor_offer = offer
        if self.prepared is not None and self._offered(self.prepared.plan.recipe) is not None:
            self.query_one("#field-anchors", FieldRow).display = True
            self._show_notes()

    def _offered(self, recipe: Recipe | None) -> AnchorOffer | None:
        """The offer of other anchors, if there is one for `recipe`."""
        offer = self._anchor_offer
        return offer if offer is not None and recipe is not None and offer.is_for(recipe) else None

    def action_use_anchors(self) -> None:
        """Write the offered anchors into the recipe."""
        offer = None if self.prepared is None else self._offered(self.prepared.plan.recipe)
        if offer is not None:
            self._change_setting("anchors", to_plain_value(offer.suggestion.after.anchors))

    # Notes beside the settings

    @property
    def _errors(self) -> dict[str, str]:
        return self._plan_errors | self._setting_errors

    def _show_notes(self) -> None:
        errors, warnings, suggestions = self._errors, self._warnings(), self._suggestions()
        for row in self.query(FieldRow):
            name = row.field.name
            if name in errors:
                row.display = True
                row.show_note(errors[name], "error")
            elif name in warnings:
                row.show_note(warnings[name], "warning")
            else:
                row.show_note(suggestions.get(name, ""), "suggestion")
        self.show_error(errors.get("", ""))
        hint = _("Enter accepts these values. Tab or the arrow keys select a setting.")
        self.show_hint("" if errors else hint)
        self._show_field_help()

    def _warnings(self) -> dict[str, str]:
        if self.prepared is None:
            return {}
        # That "auto" has chosen a batch size is already shown as a suggestion.
        messages = [message for message in self.prepared.plan.warnings if message.code != "plan.batch_suggested"]
        by_field = ((field_of(message) or "", translate(message)) for message in reversed(messages))
        return {name: strip_field_name(name, sentence) for name, sentence in by_field} | self._out_of_memory

    def _suggestions(self) -> dict[str, str]:
        if self.prepared is None:
            return {}
        recipe, notes = self.prepared.plan.recipe, {}
        if (offer := self._offered(recipe)) is not None:
            before, after = offer.suggestion.before, offer.suggestion.after
            notes["anchors"] = _(
                "F3 fits them: mean IoU {before} → {after}",
                before=f"{before.mean_iou:.2f}",
                after=f"{after.mean_iou:.2f}",
            )
        if (suggested := self.prepared.batch_sizes) is None:
            return notes
        for name, size in (("freeze_batch_size", suggested.freeze), ("unfreeze_batch_size", suggested.unfreeze)):
            if getattr(recipe, name) == "auto":
                notes[name] = _("auto: {size} now", size=size)
            elif getattr(recipe, name) != size:
                notes[name] = _("suggested: {size}, or auto", size=size)
        return notes

    def _show_field_help(self) -> None:
        row = self._focused_row()
        if row is None:
            warning = self._warnings().get("", "")
            self._field_help.update(warning)
            self._field_help.set_class(bool(warning), "-warning")
        else:
            allowed = _("Allowed: {allowed}", allowed=row.field.allowed)
            self._field_help.update(f"{row.field.description} {allowed}")
            self._field_help.remove_class("-warning")

    def _focused_row(self) -> FieldRow | None:
        if self.focused is None:
            return None
        return next((node for node in self.focused.ancestors if isinstance(node, FieldRow)), None)

    def help_text(self) -> str:
        """The screen, and every warning in full length."""
        warnings = [] if self.prepared is None else map(translate, self.prepared.plan.warnings)
        memory = _("The number of images does not affect memory; batch size, input size and network do.")
        anchors = _("Where the anchors fit the boxes of the data set badly, F3 writes fitting ones into the recipe.")
        return "\n\n".join([_(self.reason), memory, anchors, *warnings])

    # Changes

    def _change_setting(self, name: str, value: Any) -> None:
        try:
            change_setting(self.state, self.wizard.workspace, name, value)
        except BadInput as error:
            self.show_bad_input(error)
            return
        self._plan_errors = {}
        self._dry_runner.stop()
        self._update_form()

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """Show help on the field."""
        self._show_field_help()

    def on_descendant_blur(self, event: DescendantBlur) -> None:
        """Show help on the field that has the focus next."""
        self.call_after_refresh(self._show_field_help)

    def action_toggle_all(self) -> None:
        """Show all settings, or only those a beginner needs."""
        self._shows_all = not self._shows_all
        self._update_form()

    def action_reset(self) -> None:
        """Reset the focused setting to the preset's value; all of them if no field has the focus."""
        row = self._focused_row()
        names = list(self.state.settings) if row is None else [row.field.name]
        try:
            for name in names:
                reset_setting(self.state, self.wizard.workspace, name)
        except BadInput as error:
            self.show_bad_input(error)
            return
        self._plan_errors = {}
        self._update_form()

    def validation_error(self) -> str | None:
        """The first error, with the name of its setting."""
        if self.state.source is None:
            return _(NO_DATA)
        if not self._errors:
            return None
        name, sentence = next(iter(self._errors.items()))
        return sentence if not name else f"{name}: {sentence}"
