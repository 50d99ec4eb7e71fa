"""The form of the recipe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from textual import getters
from textual.binding import Binding, BindingType
from textual.events import DescendantBlur, DescendantFocus
from textual.widget import Widget

from engine.hardware import Hardware
from engine.messages import BadInput
from engine.planning.request import PlanRequest, PreparedPlan
from engine.recipe import Recipe, to_plain_value
from tui.screens.base import WizardScreen
from tui.text import N_, _, translate
from tui.text.joining import join_sentences, named
from tui.widgets.label import Label
from tui.widgets.recipe_form import RecipeForm
from tui.widgets.stage_table import StageTable
from tui.wizard.anchor_offer import AnchorCheck
from tui.wizard.planner import NO_DATA
from tui.wizard.recipe_draft import RecipeDraft, change_setting, recipe_draft, reset_setting
from tui.wizard.recipe_fields import RecipeField, problems_by_field
from tui.wizard.setting_notes import setting_notes
from tui.workers.plan_preview import PlanPreview

if TYPE_CHECKING:
    from tui.workers.wizard_protocol import Wizard


class TuneScreen(WizardScreen):
    """One line for each setting; below them the Plan that results."""

    screen_name: ClassVar[str] = "tune"
    heading: ClassVar[str] = N_("Adjust the settings")
    reason: ClassVar[str] = N_("Every setting has a suggested value; Enter accepts them all.")

    AUTO_FOCUS = ""  # without a focused field, Enter shows the next screen
    DEFAULT_CSS = """
    TuneScreen #body { overflow: hidden; }
    TuneScreen #form { height: 1fr; scrollbar-size-vertical: 1; }
    TuneScreen #field-help { min-height: 2; max-height: 4; margin-top: 1; }
    TuneScreen.-low #field-help { margin-top: 0; }
    TuneScreen.-low #head #reason { display: none; }
    TuneScreen.-low FieldGroup { margin-bottom: 0; }
    TuneScreen.-wide FieldRow { layout: horizontal; }
    TuneScreen.-wide FieldRow > .field-line { width: 63; }
    TuneScreen.-wide FieldRow Input { max-width: 16; }
    TuneScreen.-wide FieldRow CycleSelect { max-width: 16; }
    TuneScreen.-wide FieldRow > .field-note { width: 1fr; padding-left: 0; }
    TuneScreen.-wide FieldRow.-plain > .field-note { display: block; }
    TuneScreen #field-help.-warning { color: $warning; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f2", "toggle_all", N_("all settings")),
        Binding("f3", "use_anchors", show=False),
        Binding("ctrl+r", "reset", N_("reset this setting")),
        Binding("down", "app.focus_next", show=False),
        Binding("up", "app.focus_previous", show=False),
        Binding("pageup", "scroll_form(-1)", show=False),
        Binding("pagedown", "scroll_form(1)", show=False),
    ]

    _form = getters.query_one(RecipeForm)
    _field_help = getters.query_one("#field-help", Label)
    _stage_table = getters.query_one(StageTable)

    def __init__(self, wizard: Wizard) -> None:
        super().__init__(wizard)
        self._setting_errors: dict[str, str] = {}
        """Sentences by setting (empty name: none): why there is no Recipe."""
        self._general_warning = ""
        """The first warning that is about no setting."""
        self._shows_all = False
        self._preview = PlanPreview(self, wizard.planner, self._show_preview)

    @property
    def prepared(self) -> PreparedPlan | None:
        """The newest Plan."""
        return self._preview.prepared

    @property
    def anchors(self) -> AnchorCheck | None:
        """Whether the anchors of the newest Plan fit; None if that is not known yet."""
        return self._preview.anchors

    def compose_body(self) -> Iterator[Widget]:
        """The form, help on the focused field, the stages."""
        yield RecipeForm(self._change_setting, id="form")
        yield Label(id="field-help")
        yield StageTable()

    def on_mount(self) -> None:
        """Fill the form."""
        self._preview.start()
        self._update_form()

    def on_unmount(self) -> None:
        """Stop the dry run."""
        self._preview.stop()

    def show_hardware(self, hardware: Hardware) -> None:
        """Make the Plan again if the free memory has changed."""
        if self._preview.needs_renewal(hardware):
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
        recipe: Recipe | None = None
        self._setting_errors = {}
        try:
            recipe = draft.recipe()
        except BadInput as error:
            self._setting_errors = problems_by_field(error)
        self._form.show_values(draft, recipe, lambda field: self._is_shown(field, draft))
        if recipe is not None:
            self._request_plan()
        else:
            self._stage_table.show_waiting()
            self._preview.cancel()
        self._show_notes()

    def _is_shown(self, field: RecipeField, draft: RecipeDraft) -> bool:
        return field.read_by(draft.method) and (
            self._shows_all or not field.advanced or field.name in draft.changes or field.name in self._revealed
        )

    @property
    def _revealed(self) -> frozenset[str]:
        """Settings that are shown even to beginners: what is wrong, and what is offered."""
        offers = {"anchors"} if self.anchors is not None and self.anchors.has_offer else set()
        return frozenset(self._errors) | offers

    def _request_plan(self) -> None:
        draft, hardware, source = self._draft(), self.wizard.hardware, self.state.source
        if draft is None or hardware is None or source is None or self._setting_errors:
            return
        self._preview.request(PlanRequest(draft.recipe(), source, hardware, self.wizard.workspace, check_amp=False))

    def _show_preview(self) -> None:
        if self.prepared is not None:
            self._stage_table.show(self.prepared, unknown_time=self._preview.unknown_time)
        self._show_notes()

    def action_use_anchors(self) -> None:
        """Write the offered anchors into the recipe, or say why there are none."""
        check = self.anchors
        if check is None:
            self._say(_("It is not known yet whether the anchors fit your boxes."))
        elif not check.has_offer or check.suggestion is None:
            self._say(check.no_offer_reason())
        else:
            self._change_setting("anchors", to_plain_value(check.suggestion.after.anchors))
            self._say(
                _(
                    "The anchors are fitted to your boxes. The training starts with a higher loss, because the weights were "
                    "trained with other anchors."
                )
            )

    def _say(self, text: str) -> None:
        self.app.notify(text, markup=False)

    # Notes beside the settings

    @property
    def _errors(self) -> dict[str, str]:
        return self._preview.errors | self._setting_errors

    def _show_notes(self) -> None:
        errors = self._errors
        notes = setting_notes(self.prepared, errors, self._preview.out_of_memory, self.anchors)
        self._form.show_notes(notes, revealed=self._revealed)
        self.show_error(errors.get("", ""))
        hint = _("Enter accepts these values. Tab or the arrow keys select a setting.")
        wrong = _("Enter goes to the setting that has to be corrected.") if any(errors) else ""
        self.show_hint(wrong if errors else hint)
        general = notes.get("")
        self._general_warning = "" if general is None or general.kind != "warning" else general.text
        self._show_field_help()

    def _show_field_help(self) -> None:
        row = self._form.focused_row()
        if row is None:
            self._field_help.update(self._general_warning)
        else:
            allowed = _("Allowed: {allowed}", allowed=row.field.allowed)
            self._field_help.update(join_sentences(row.field.description, allowed))
        self._field_help.set_class(row is None and bool(self._general_warning), "-warning")

    def help_text(self) -> str:
        """What the form shows, and every warning in full length."""
        warnings = [] if self.prepared is None else map(translate, self.prepared.plan.warnings)
        form = _(
            "The first column says what a setting is, the second is its name in presets and files. • marks what you changed; "
            "Ctrl+R sets the focused setting back, F2 shows all settings. F1 in a field explains it."
        )
        memory = _("The number of images does not affect memory; batch size, input size and network do.")
        anchors = _(
            "Where the anchors fit the boxes of the data set badly, F3 writes fitting ones into the recipe. The training then "
            "starts with a higher loss, because the weights were trained with other anchors."
        )
        time = _("A few seconds after the last change, the first steps are run to measure their time.")
        return "\n\n".join([form, memory, anchors, time, *warnings])

    # Changes

    def _change_setting(self, name: str, value: Any) -> None:
        try:
            change_setting(self.state, self.wizard.workspace, name, value)
        except BadInput as error:
            self.show_bad_input(error)
            return
        self._preview.forget_errors()
        self._update_form()

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """Show help on the field."""
        self._show_field_help()

    def on_descendant_blur(self, event: DescendantBlur) -> None:
        """Show help on the field that has the focus next."""
        self.call_after_refresh(self._show_field_help)

    def action_scroll_form(self, pages: int) -> None:
        """Scroll by pages, whether or not a field has the focus."""
        self._form.scroll_relative(y=pages * max(1, self._form.size.height - 1), animate=False)

    def action_toggle_all(self) -> None:
        """Show all settings, or only those a beginner needs."""
        self._shows_all = not self._shows_all
        self._update_form()

    def action_reset(self) -> None:
        """Reset the focused setting to the preset's value; all of them if no field has the focus."""
        row = self._form.focused_row()
        names = list(self.state.settings) if row is None else [row.field.name]
        try:
            for name in names:
                reset_setting(self.state, self.wizard.workspace, name)
        except BadInput as error:
            self.show_bad_input(error)
            return
        self._preview.forget_errors()
        self._update_form()

    def validation_error(self) -> str | None:
        """The first error, with the name of its setting."""
        if self.state.source is None:
            return _(NO_DATA)
        if not self._errors:
            return None
        name, sentence = next(iter(self._errors.items()))
        return sentence if not name else named(name, sentence)

    def action_forward(self) -> None:
        """Show the next screen; if a setting has an error, go to that setting instead."""
        super().action_forward()
        if name := next(iter(self._errors), ""):
            self._form.focus_field(name)
