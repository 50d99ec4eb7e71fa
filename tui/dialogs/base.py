"""The base class of dialogs."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from tui.text import _

Result = TypeVar("Result")


class Dialog(ModalScreen[Result]):
    """A modal screen with F1: help on the focused widget, or on the dialog."""

    help_sentence: ClassVar[str]
    """In English, marked with `N_`."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("f1", "app.show_help", show=False)]

    def help_text(self) -> str:
        """Text for F1, if the focused widget has none of its own."""
        return _(self.help_sentence)
