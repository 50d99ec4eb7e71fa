"""Asks for the note of a run."""

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


class RunNoteDialog(Dialog[str | None]):
    """Stores the note and returns it; None if the user cancels."""

    help_sentence: ClassVar[str] = N_(
        "A note says what a run was for, so that you recognise it later. It is stored in the folder of the run; an empty note "
        "removes it."
    )

    DEFAULT_CSS = """
    RunNoteDialog { align: center middle; }
    RunNoteDialog .error-text { color: $error; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", N_("back"))]

    _error = getters.query_one(".error-text", Label)

    def __init__(self, run: str, note: str, store: Callable[[str], str]) -> None:
        """`store` writes the note and returns what it wrote; it may raise BadInput."""
        super().__init__()
        self._run = run
        self._note = note
        self._store = store

    def compose(self) -> ComposeResult:
        """A field with the note so far."""
        with Vertical(classes="dialog-box"):
            yield Label(_("What was {run} for?", run=self._run), classes="question")
            yield Input(self._note, select_on_focus=False)
            yield Label(classes="error-text")
            yield Label(_("Enter stores the note, Esc changes nothing."), classes="hint")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Forget the error about the text before."""
        event.stop()
        self._error.update("")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Store the note."""
        event.stop()
        try:
            self.dismiss(self._store(event.value))
        except BadInput as error:
            self._error.update("\n".join(map(translate, error.messages)))
