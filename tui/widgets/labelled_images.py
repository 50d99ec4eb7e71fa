"""The pictures of a data set with the boxes of their labels, one at a time."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from textual.content import Content

from engine.dataset.index import Dataset
from engine.messages import BadInput, printable
from tui.text import _, translate
from tui.widgets.terminal_image import TerminalImage
from tui.wizard.dataset_inspection import ImageRequest, picture_of
from tui.workers.latest_query import LatestQuery

if TYPE_CHECKING:
    from engine.evaluation.thumbnail import Thumbnail


class LabelledImages(TerminalImage):
    """Training pictures come first, from the first that holds a box on. The title says which keys turn them over."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._asking = LatestQuery[ImageRequest, "Thumbnail | BadInput"](self, picture_of, self._made, self._refused)
        self._dataset: Dataset | None = None
        self._order: list[int] = []
        self._place = 0

    def browse(self, dataset: Dataset) -> None:
        """Show the pictures of `dataset` from now on."""
        self._dataset = dataset
        self._order = [int(image) for image in chain.from_iterable(dataset.splits.values())]
        held = (place for place, image in enumerate(self._order) if len(dataset.boxes_of(image)[0]))
        self._place = next(held, 0)
        self._ask()

    def turn(self, by: int) -> None:
        """Go to another picture; after the last comes the first."""
        if self._order:
            self._place = (self._place + by) % len(self._order)
            self._ask()

    def on_terminal_image_room(self, event: TerminalImage.Room) -> None:
        """The window has another size, or the picture has just appeared."""
        event.stop()
        self._ask()

    def _ask(self) -> None:
        width, height = self.room
        if self._dataset is None or not self._order or not width or not height:
            return
        self.border_title = _("F4 ◂ {number} of {count} ▸ F5", number=self._place + 1, count=len(self._order))
        self._asking.ask(ImageRequest(self._dataset, self._order[self._place], width, height))

    def _made(self, made: Thumbnail | BadInput) -> None:
        if isinstance(made, BadInput):
            self._refused(made)
            return
        self.show(made)
        self.border_subtitle = Content(printable(made.name))

    def _refused(self, error: BadInput) -> None:
        self.say(translate(error.messages[0]))
        self.border_subtitle = ""
