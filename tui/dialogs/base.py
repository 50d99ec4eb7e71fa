"""The base class of dialogs."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

Result = TypeVar("Result")


class Dialog(ModalScreen[Result]):
    """A modal screen with F1: help on the dialog, or on the screen below."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("f1", "app.show_help", show=False)]
