"""Asks whether to keep the entries of the last session."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from tui.dialogs.base import Dialog
from tui.text import N_, _
from tui.widgets.label import Label
from tui.wizard.state import WizardState
from tui.wizard.steps import SCREEN_TITLES


class ResumeSessionDialog(Dialog[bool]):
    """Returns True to keep them, False to start over."""

    help_sentence: ClassVar[str] = N_(
        "The wizard saves your entries. Enter keeps those of the last session, N clears them. Runs are not changed."
    )

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,escape", "dismiss(True)", N_("continue")),
        Binding("n", "dismiss(False)", N_("start over")),
    ]

    def __init__(self, state: WizardState) -> None:
        super().__init__()
        self._state = state

    def compose(self) -> ComposeResult:
        """A summary of the entries, and the two keys."""
        with Vertical(classes="dialog-box"):
            yield Label(_("Continue your last session?"), classes="question")
            yield Label(_("Screen: {screen}", screen=_(SCREEN_TITLES.get(self._state.screen_name, N_("Runs")))))
            if self._state.data is not None:
                yield Label(_("Data: {path}", path=self._state.data))
            yield Label(_("Enter continues, N starts over. Runs are kept in both cases."), classes="hint")
