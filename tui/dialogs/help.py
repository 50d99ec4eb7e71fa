"""The help that F1 shows."""

from __future__ import annotations

from typing import ClassVar, Protocol, runtime_checkable

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen

from tui.text import N_, _
from tui.widgets.label import Label


@runtime_checkable
class HelpTopic(Protocol):
    """A widget or screen with help of its own."""

    def help_text(self) -> str:
        """Text for F1; empty: none now."""


class HelpDialog(ModalScreen[None]):
    """A page of text; any of the usual keys closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,f1,q", "dismiss", N_("close"))]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        """The text in a box."""
        with VerticalScroll(classes="dialog-box") as box:
            box.border_subtitle = _("Esc closes this.")  # in the border it stays visible, however long the text is
            yield Label(self._text)
