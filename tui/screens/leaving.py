"""The question before leaving while something trains."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from tui.text import N_, _
from tui.widgets.words import Words


class LeavingScreen(ModalScreen[bool]):
    """Answers True to stop the training and leave, False to stay."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "answer(True)", N_("stop, save and leave")),
        Binding("escape,enter", "answer(False)", N_("stay")),
    ]

    def compose(self) -> ComposeResult:
        """The question, and the two keys."""
        with Vertical(id="explanation"):
            yield Words(_("A training is running. Leave?"), classes="question")
            yield Words(_("It stops after this step and saves a checkpoint; Runs goes on with it another day."))
            yield Words(_("S stops, saves and leaves; Esc stays and trains on."), classes="hint")

    def action_answer(self, leave: bool) -> None:
        """Close with the answer."""
        self.dismiss(leave)
