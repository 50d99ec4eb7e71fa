"""What asks or shows something in front of a step."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer]):
    """F1 explains here too: the dialog, or the step behind it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("f1", "app.explain", show=False)]
