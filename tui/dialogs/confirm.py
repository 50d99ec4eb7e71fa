"""A question before something that cannot be undone, or that stops a training."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.events import Key
from textual.widgets import Button

from tui.dialogs.base import Dialog
from tui.text import N_
from tui.widgets.label import Label


class ConfirmDialog(Dialog[bool]):
    """Returns True if the user confirms. The cancel button has the focus, so that Enter changes nothing."""

    help_sentence: ClassVar[str] = N_(
        "The left and right arrow keys choose a button, Enter presses it. Esc changes nothing."
    )

    DEFAULT_CSS = """
    ConfirmDialog { align: center middle; }
    ConfirmDialog > Vertical { width: 70%; max-width: 80; height: auto; border: round $primary; padding: 1 2; background: $surface; }
    ConfirmDialog Label { height: auto; }
    ConfirmDialog Horizontal { height: auto; margin-top: 1; }
    ConfirmDialog Button { margin-right: 2; padding: 0 1; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(False)", N_("back")),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]

    def __init__(self, question: str, details: str, *, confirm: str, key: str, cancel: str) -> None:
        """`confirm` and `cancel` are the texts of the buttons; the key `key` confirms too."""
        super().__init__()
        self._question = question
        self._details = details
        self._confirm = confirm
        self._key = key
        self._cancel = cancel

    def compose(self) -> ComposeResult:
        """The question and two buttons."""
        with Vertical():
            yield Label(self._question, classes="question")
            yield Label(self._details)
            with Horizontal():
                yield Button(f"{self._cancel} (Esc)", id="cancel", variant="primary")
                yield Button(f"{self._confirm} ({self._key.upper()})", id="confirm", variant="warning")

    def on_key(self, event: Key) -> None:
        """Confirm by key."""
        if event.key == self._key:
            event.stop()  # the screen below has a binding for the same key
            self.dismiss(True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Confirm or cancel."""
        event.stop()
        self.dismiss(event.button.id == "confirm")
