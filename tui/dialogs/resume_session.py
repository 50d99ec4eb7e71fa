"""The offer to go on where the user left."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from tui.dialogs.base import Dialog
from tui.text import N_, _
from tui.widgets.label import Label
from tui.wizard.state import WizardState
from tui.wizard.steps import PATH


class ResumeSessionDialog(Dialog[bool]):
    """Answers True to go on, False to begin anew."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,escape", "answer(True)", N_("go on")),
        Binding("n", "answer(False)", N_("begin anew")),
    ]

    def __init__(self, state: WizardState) -> None:
        super().__init__()
        self._state = state

    def compose(self) -> ComposeResult:
        """What was there, and the two keys."""
        with Vertical(id="explanation"):
            yield Label(_("Go on where you left?"), classes="question")
            yield Label(_("Step: {place}", place=_(PATH.get(self._state.place, N_("Runs")))))
            if self._state.data is not None:
                yield Label(_("Data: {path}", path=self._state.data))
            yield Label(_("Enter goes on, N begins anew; runs are kept either way."), classes="hint")

    def action_answer(self, go_on: bool) -> None:
        """Close with the answer."""
        self.dismiss(go_on)
