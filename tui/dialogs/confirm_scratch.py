"""Asked twice before a training from nothing: why it is advised against, then whether the data would do."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from tui.dialogs.base import Dialog
from tui.text import _, ngettext
from tui.widgets.label import Label

ENOUGH = 10_000


class ConfirmScratchDialog(Dialog[bool]):
    """Answers True only after S was pressed at both questions."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,escape", "dismiss(False)", show=False),
        Binding("s", "yes", show=False),
    ]

    DEFAULT_CSS = """
    ConfirmScratchDialog { align: center middle; }
    ConfirmScratchDialog > Vertical { width: 80%; max-width: 76; height: auto; border: round $warning; padding: 1 2; background: $surface; }
    ConfirmScratchDialog Label { height: auto; }
    """

    def __init__(self, pictures: int | None) -> None:
        """`pictures`: how many the data set has; None where that is not known."""
        super().__init__()
        self._pictures = pictures
        self._asked_before = False

    def compose(self) -> ComposeResult:
        """The question, why, and the keys."""
        with Vertical():
            yield Label(_("Really from scratch?"), id="question", classes="question")
            yield Label(
                _(
                    "A network that has seen nothing has to learn edges, textures and shapes first. On a usual data set its "
                    "random features detect badly, even after hundreds of epochs. Weights of the whole network, or of the "
                    "backbone alone, spare all that, and they help with any kind of pictures."
                ),
                id="why",
            )
            yield Label(_("Enter or Esc: choose weights. S: from scratch."), classes="hint")

    def action_yes(self) -> None:
        """The second question, then the answer."""
        if self._asked_before:
            self.dismiss(True)
            return
        self._asked_before = True
        self.query_one("#question", Label).say(_("Are you sure?"))
        self.query_one("#why", Label).say(self._second_reason())

    def _second_reason(self) -> str:
        needed = _(
            "It can work with more than ten thousand pictures, batches of 16 or more, mosaic and 300 epochs; "
            "or train the backbone as an image classifier first and start from that."
        )
        if self._pictures is None:
            return needed
        yours = ngettext("Yours has {count} picture.", "Yours has {count} pictures.", self._pictures)
        return f"{needed} {yours}"
