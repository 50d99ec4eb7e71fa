"""What F1 shows: more about the field that has the focus."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen

from tui.text import N_, _
from tui.widgets.label import Label


class HelpDialog(ModalScreen[None]):
    """A page of text over the step; any of the usual keys closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,f1,q", "dismiss", N_("close"))]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        """The text in a box."""
        with VerticalScroll(id="explanation"):
            yield Label(self._text)
            yield Label(_("Esc closes this."), classes="hint")
