"""One setting of the recipe: what people call it, its name, its value, and a note (meaning, suggestion, warning or error)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from textual import getters
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input

from tui.text import N_, _
from tui.widgets.cycle_select import CycleSelect
from tui.widgets.label import Label
from tui.widgets.text_input import TextInput
from tui.wizard.recipe_fields import RecipeField
from tui.wizard.setting_notes import NOTE_KINDS, Note


class FieldInput(TextInput):
    """A field whose Enter key is shown in the footer."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "submit", N_("next"))]


class FieldRow(Widget):
    """A line of the form. An `Input` for text, a `CycleSelect` for a few fixed values.

    In a wide window the note is beside the value. In a narrow one it is below it, and the meaning is not shown: the screen shows
    that of the focused field.
    """

    DEFAULT_CSS = """
    FieldRow { height: auto; layout: vertical; }
    FieldRow > .field-line { height: 1; layout: horizontal; }
    FieldRow .field-label { width: 25; height: 1; }
    FieldRow .field-name { width: 20; height: 1; color: $text-muted; }
    FieldRow Input, FieldRow CycleSelect { width: 1fr; max-width: 26; }
    FieldRow > .field-note { height: auto; padding-left: 4; color: $text-muted; }
    FieldRow.-plain > .field-note { display: none; }
    FieldRow.-changed .field-label { color: $primary; text-style: bold; }
    FieldRow.-suggestion > .field-note { color: $success; }
    FieldRow.-warning > .field-note { color: $warning; }
    FieldRow.-error > .field-note { color: $error; }
    FieldRow.-error Input { color: $error; }
    """

    _label = getters.query_one(".field-label", Label)
    _note_label = getters.query_one(".field-note", Label)

    def __init__(self, field: RecipeField, on_change: Callable[[str, Any], None]) -> None:
        """`on_change(name, value)` is called at every change; the value may be invalid."""
        super().__init__(id=f"field-{field.name}")
        self.field = field
        self._on_change = on_change
        self._reported_text = ""
        """The text of the Input when `on_change` was last called."""

    def compose(self) -> ComposeResult:
        """Label, name, value; note."""
        with Horizontal(classes="field-line"):
            yield Label(f"  {self.field.label}", classes="field-label")
            yield Label(self.field.name, classes="field-name")
            if self.field.choices:
                yield CycleSelect(self.field.choices, self.field.text)
            else:
                yield FieldInput(compact=True)
        yield Label(self.field.description, classes="field-note")

    def show(self, value: Any, *, changed: bool) -> None:
        """Show a value, and whether the user changed it. Text that the user is typing is not overwritten."""
        self.set_class(changed, "-changed")
        self._label.update(f"{'•' if changed else ' '} {self.field.label}")
        if self.field.choices:
            self.query_one(CycleSelect).show(value)
        else:
            text_input = self.query_one(Input)
            if text_input.has_focus and text_input.value != self._reported_text:
                return  # the user typed on since `value` was made
            if self.field.parse(text_input.value) != value or not text_input.value:
                with self.prevent(Input.Changed):
                    text_input.value = self._reported_text = self.field.text(value)

    def show_note(self, note: Note | None) -> None:
        """Show a note; None: the meaning of the setting."""
        for kind in NOTE_KINDS:
            self.set_class(note is not None and note.kind == kind, f"-{kind}")
        self.set_class(note is None, "-plain")
        self._note_label.update(self.field.description if note is None else note.text)

    def focus_value(self) -> None:
        """Give the focus to the value."""
        self.query_one(CycleSelect if self.field.choices else Input).focus()

    def help_text(self) -> str:
        """Text for F1."""
        only = self.field.schema.get("only")
        lines = [
            f"{self.field.label}  ·  {self.field.name}",
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
