"""One setting of the recipe as a line: its name, its value, and beside it what is wrong, noteworthy or meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Input

from tui.text import N_, _
from tui.widgets.cycle_select import CycleSelect
from tui.widgets.label import Label
from tui.wizard.recipe_fields import RecipeField

Tone = Literal["meaning", "suggestion", "warning", "error"]


class FieldInput(Input):
    """Enter goes on from here as from everywhere, and the footer says so."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "submit", N_("go on"))]


class FieldRow(Horizontal):
    """A line of the form."""

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

    def __init__(self, field: RecipeField, changed: Callable[[str, Any], None]) -> None:
        """`changed` hears at once of what the user enters for the field's name; what it means may be wrong."""
        super().__init__(id=f"field-{field.name}")
        self.field = field
        self._changed = changed
        self._told = ""
        """The editor's text when it was last told of."""

    def compose(self) -> ComposeResult:
        """Name, editor, note."""
        yield Label(f"  {self.field.name}", classes="field-name")
        if self.field.choices:
            yield CycleSelect(self.field.choices, self.field.text)
        else:
            yield FieldInput(compact=True, select_on_focus=False)
        yield Label(self.field.description, classes="field-note")

    def show(self, value: Any, *, changed: bool) -> None:
        """Show a value that came from elsewhere, and whether the user changed it."""
        self.set_class(changed, "-changed")
        self.query_one(".field-name", Label).say(f"{'•' if changed else ' '} {self.field.name}")
        if self.field.choices:
            self.query_one(CycleSelect).show(value)
        else:
            editor = self.query_one(Input)
            if editor.has_focus and editor.value != self._told:
                return  # what is typed now is further on than this value
            if self.field.parse(editor.value) != value or not editor.value:
                with self.prevent(Input.Changed):
                    editor.value = self._told = self.field.text(value)

    def say(self, text: str, tone: Tone) -> None:
        """Say `text` beside the value; without one, what the setting means."""
        for one in ("suggestion", "warning", "error"):
            self.set_class(bool(text) and one == tone, f"-{one}")
        self.query_one(".field-note", Label).say(text or self.field.description)

    def explain(self) -> str:
        """What F1 says of this setting."""
        only = self.field.schema.get("only")
        lines = [
            self.field.name,
            "",
            self.field.description,
            "",
            _("Possible: {allowed}", allowed=self.field.allowed),
            _("Without a preset: {value}", value=self.field.text(self.field.default)),
        ]
        if only is not None:
            lines.append(_("Only the {method} method reads it.", method=only))
        if (note := str(self.query_one(".field-note", Label).content)) != self.field.description:
            lines += ["", note]
        return "\n".join(lines)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Tell what was typed."""
        event.stop()
        self._told = event.value
        self._changed(self.field.name, self.field.parse(event.value))

    def on_cycle_select_changed(self, event: CycleSelect.Changed) -> None:
        """Tell what was chosen."""
        event.stop()
        self._changed(self.field.name, event.value)
