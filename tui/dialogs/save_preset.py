"""The question under which name a preset is saved."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input

from engine.messages import BadInput
from tui.dialogs.base import Dialog
from tui.text import N_, _, translate
from tui.widgets.label import Label

Save = Callable[[str, bool], object]
"""Saves under a name, replacing what is there or not. Raises BadInput."""


class SavePresetDialog(Dialog[str]):
    """Answers with the name under which it was saved; with None where nothing was."""

    DEFAULT_CSS = """
    SavePresetDialog { align: center middle; }
    SavePresetDialog Label { height: auto; }
    SavePresetDialog .refusal { color: $error; padding-top: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", N_("close"))]

    def __init__(self, suggested: str, save: Save) -> None:
        super().__init__()
        self._suggested = suggested
        self._save = save
        self._asked_to_replace: str | None = None

    def compose(self) -> ComposeResult:
        """A field for the name."""
        with Vertical(id="explanation"):
            yield Label(_("Save as preset under which name?"), classes="question")
            yield Input(self._suggested, select_on_focus=True)
            yield Label(classes="refusal")
            yield Label(_("Enter saves into presets/ of this folder, Esc does not."), classes="hint")

    def on_mount(self) -> None:
        """Nothing is wrong yet."""
        self.query_one(".refusal").display = False

    def on_input_changed(self, event: Input.Changed) -> None:
        """Another name is another question."""
        event.stop()
        self._asked_to_replace = None
        self.query_one(".refusal").display = False

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Save; what is there is replaced only after a second Enter."""
        event.stop()
        name = event.value.strip()
        try:
            self._save(name, self._asked_to_replace == name)
        except BadInput as error:
            if error.messages[0].code == "preset.exists":
                self._asked_to_replace = name
                self._refuse(_("{name} is there already. Enter once more replaces it.", name=name))
            else:
                self._refuse("\n".join(translate(message) for message in error.messages))
        else:
            self.dismiss(name)

    def _refuse(self, sentence: str) -> None:
        words = self.query_one(".refusal", Label)
        words.say(sentence)
        words.display = True
