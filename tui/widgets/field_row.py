"""One setting of the recipe in a line: name, value, and a note beside it (meaning, suggestion, warning or error)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

from textual import getters
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Input

from tui.text import N_, _
from tui.widgets.cycle_select import CycleSelect
from tui.widgets.label import Label
from tui.wizard.recipe_fields import RecipeField

NoteKind = Literal["suggestion", "warning", "error"]


class FieldInput(Input):
    """An Input whose Enter key is shown in the footer."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "submit", N_("next"))]


class FieldRow(Horizontal):
    """A line of the form. An `Input` for text, a `CycleSelect` for a few fixed values."""

    DEFAULT_CSS = """
    FieldRow { height: auto; }
    FieldRow > .field-name { width: 22; color: $text-muted; }
    FieldRow.-changed > .field-name { color: $primary; text-style: bold; }
    FieldRow > Input, FieldRow > CycleSelect { width: 16; margin: 0 1 0 0; }
    FieldRow > .field-note { width: 1fr; height: 1; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; }
    FieldRow.-suggestion > .field-note { color: $success; }
    FieldRow.-warning > .field-note { color: $warning; height: auto; text-wrap: wrap; }
    FieldRow.-error > .field-note { color: $error; height: auto; text-wrap: wrap; }
    FieldRow.-error > Input { color: $error; }
    """

    _name_label = getters.query_one(".field-name", Label)
    _note_label = getters.query_one(".field-note", Label)

    def __init__(self, field: RecipeField, on_change: Callable[[str, Any], None]) -> None:
        """`on_change(name, value)` is called at every change; the value may be invalid."""
        super().__init__(id=f"field-{field.name}")
        self.field = field
        self._on_change = on_change
        self._reported_text = ""
        """The text of the Input when `on_change` was last called."""

    def compose(self) -> ComposeResult:
        """Name, value, note."""
        yield Label(f"  {self.field.name}", classes="field-name")
        if self.field.choices:
            yield CycleSelect(self.field.choices, self.field.text)
        else:
            yield FieldInput(compact=True, select_on_focus=False)
        yield Label(self.field.description, classes="field-note")

    def show(self, value: Any, *, changed: bool) -> None:
        """Show a value, and whether the user changed it. Text that the user is typing is not overwritten."""
        self.set_class(changed, "-changed")
        self._name_label.update(f"{'•' if changed else ' '} {self.field.name}")
        if self.field.choices:
            self.query_one(CycleSelect).show(value)
        else:
            text_input = self.query_one(Input)
            if text_input.has_focus and text_input.value != self._reported_text:
                return  # the user typed on since `value` was made
            if self.field.parse(text_input.value) != value or not text_input.value:
                with self.prevent(Input.Changed):
                    text_input.value = self._reported_text = self.field.text(value)

    def show_note(self, text: str, kind: NoteKind) -> None:
        """Show a note beside the value; without text, the meaning of the setting."""
        for each in ("suggestion", "warning", "error"):
            self.set_class(bool(text) and each == kind, f"-{each}")
        self._note_label.update(text or self.field.description)

    def help_text(self) -> str:
        """Text for F1."""
        only = self.field.schema.get("only")
        lines = [
            self.field.name,
            "",
            self.field.description,
            "",
            _("Allowed: {allowed}", allowed=self.field.allowed),
            _("Default: {value}", value=self.field.text(self.field.default)),
        ]
        if only is not None:
            lines.append(_("Only used by the {method} method.", method=only))
        if (note := str(self._note_label.content)) != self.field.description:
            lines += ["", note]
        return "\n".join(lines)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Report what was typed."""
        event.stop()
        self._reported_text = event.value
        self._on_change(self.field.name, self.field.parse(event.value))

    def on_cycle_select_changed(self, event: CycleSelect.Changed) -> None:
        """Report what was chosen."""
        event.stop()
        self._on_change(self.field.name, event.value)
