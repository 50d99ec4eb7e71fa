"""A question before something that cannot be taken back, or that ends a training."""

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
    """Answers True for the deed. The other answer has the focus, so that Enter by habit does no harm."""

    DEFAULT_CSS = """
    ConfirmDialog { align: center middle; }
    ConfirmDialog > Vertical { width: 70%; max-width: 80; height: auto; border: round $primary; padding: 1 2; background: $surface; }
    ConfirmDialog Label { height: auto; }
    ConfirmDialog Horizontal { height: auto; margin-top: 1; }
    ConfirmDialog Button { margin-right: 2; padding: 0 1; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "answer(False)", N_("back")),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]

    def __init__(self, question: str, details: str, *, deed: str, key: str, else_: str) -> None:
        """`deed` and `else_` are what the two buttons say; `key` does the deed too."""
        super().__init__()
        self._question = question
        self._details = details
        self._deed = deed
        self._key = key
        self._else = else_

    def compose(self) -> ComposeResult:
        """The question and two answers."""
        with Vertical():
            yield Label(self._question, classes="question")
            yield Label(self._details)
            with Horizontal():
                yield Button(f"{self._else} (Esc)", id="else", variant="primary")
                yield Button(f"{self._deed} ({self._key.upper()})", id="deed", variant="warning")

    def on_key(self, event: Key) -> None:
        """The deed's own key."""
        if event.key == self._key:
            event.stop()  # else it would reach the screen below, which asks with the same key
            self.action_answer(True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer."""
        event.stop()
        self.action_answer(event.button.id == "deed")

    def action_answer(self, does: bool) -> None:
        """Close with the answer."""
        self.dismiss(does)
