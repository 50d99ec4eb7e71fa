"""Asks for the name of a new preset."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import getters
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input

from engine.messages import BadInput
from tui.dialogs.base import Dialog
from tui.text import N_, _, translate
from tui.widgets.label import Label
from tui.widgets.text_input import TextInput

SavePreset = Callable[[str, bool], object]
"""(name, replace an existing preset). Raises BadInput."""


class SavePresetDialog(Dialog[str]):
    """Saves the preset and returns its name; None if the user cancels."""

    help_sentence: ClassVar[str] = N_(
        "A preset keeps these settings under a name. The Recipe screen lists it for later trainings."
    )

    DEFAULT_CSS = """
    SavePresetDialog { align: center middle; }
    SavePresetDialog Label { height: auto; }
    SavePresetDialog .error-text { color: $error; padding-top: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", N_("close"))]

    _error = getters.query_one(".error-text", Label)

    def __init__(self, suggested_name: str, save: SavePreset) -> None:
        super().__init__()
        self._suggested_name = suggested_name
        self._save = save
        self._name_to_replace: str | None = None

    def compose(self) -> ComposeResult:
        """A field for the name."""
        with Vertical(classes="dialog-box"):
            yield Label(_("Name of the preset?"), classes="question")
            yield TextInput(self._suggested_name)
            yield Label(classes="error-text")
            yield Label(_("Enter saves it in presets/ of this folder, Esc cancels."), classes="hint")

    def on_mount(self) -> None:
        """Hide the error."""
        self._show_error("")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Forget the answer for the previous name."""
        event.stop()
        self._name_to_replace = None
        self._show_error("")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Save; an existing preset is replaced only after a second Enter."""
        event.stop()
        name = event.value.strip()
        try:
            self._save(name, self._name_to_replace == name)
        except BadInput as error:
            if error.messages[0].code == "preset.exists":
                self._name_to_replace = name
                self._show_error(_("{name} exists already. Press Enter again to replace it.", name=name))
            else:
                self._show_error("\n".join(map(translate, error.messages)))
        else:
            self.dismiss(name)

    def _show_error(self, text: str) -> None:
        self._error.update(text)
        self._error.display = bool(text)
