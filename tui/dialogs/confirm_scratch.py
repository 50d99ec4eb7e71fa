"""Two questions before a training from scratch: why it is not advised, then what it needs."""

from __future__ import annotations

from typing import ClassVar

from textual import getters
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from tui.dialogs.base import Dialog
from tui.text import N_, _, ngettext
from tui.text.joining import join_sentences
from tui.widgets.label import Label


class ConfirmScratchDialog(Dialog[bool]):
    """Returns True if S was pressed at both questions."""

    help_sentence: ClassVar[str] = N_(
        "S confirms that you want to train without pretrained weights. Enter or Esc goes back to the choice of weights."
    )

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,escape", "dismiss(False)", show=False),
        Binding("s", "confirm", show=False),
    ]

    DEFAULT_CSS = """
    ConfirmScratchDialog { align: center middle; }
    ConfirmScratchDialog > Vertical { width: 80%; max-width: 76; height: auto; border: round $warning; padding: 1 2; background: $surface; }
    ConfirmScratchDialog Label { height: auto; }
    """

    _question = getters.query_one("#question", Label)
    _details = getters.query_one("#details", Label)

    def __init__(self, image_count: int | None) -> None:
        """`image_count`: images in the data set; None: unknown."""
        super().__init__()
        self._image_count = image_count
        self._confirmed_once = False

    def compose(self) -> ComposeResult:
        """The question, the reason, and the keys."""
        with Vertical():
            yield Label(_("Really train from scratch?"), id="question", classes="question")
            yield Label(
                _(
                    "A network without pretrained weights first has to learn edges, textures and shapes. On a data set of usual "
                    "size it detects badly, even after hundreds of epochs. Pretrained weights of the whole network, or of the "
                    "backbone alone, save this work for any kind of image."
                ),
                id="details",
            )
            yield Label(_("Enter or Esc: choose weights. S: from scratch."), classes="hint")

    def action_confirm(self) -> None:
        """Ask the second question; after that, return True."""
        if self._confirmed_once:
            self.dismiss(True)
            return
        self._confirmed_once = True
        self._question.update(_("Are you sure?"))
        self._details.update(self._requirements())

    def _requirements(self) -> str:
        requirements = _(
            "It can work with more than ten thousand images, a batch size of 16 or more, mosaic and 300 epochs. "
            "Or train the backbone as an image classifier first, and start from that."
        )
        if self._image_count is None:
            return requirements
        yours = ngettext("Your data set has {count} image.", "Your data set has {count} images.", self._image_count)
        return join_sentences(requirements, yours)
