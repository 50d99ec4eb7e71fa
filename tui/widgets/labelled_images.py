"""The images of a data set with the boxes of their labels, one at a time."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from textual.content import Content

from engine.dataset.index import Dataset
from engine.messages import BadInput, printable
from tui.text import _, translate
from tui.text.datasets import finding_sentence
from tui.widgets.terminal_image import TerminalImage
from tui.wizard.dataset_inspection import ImageRequest, render_image
from tui.workers.latest_query import LatestQuery

if TYPE_CHECKING:
    from engine.evaluation.thumbnail import Thumbnail

_MAX_SKIPPED = 50
"""So many images are tried at first."""


class LabelledImages(TerminalImage):
    """Training images first. Starts with the first image that has a box; the title names the keys to change it."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._rendering = LatestQuery[ImageRequest, "Thumbnail"](
            self, render_image, self._show_thumbnail, self._show_error
        )
        self._dataset: Dataset | None = None
        self._image_order: list[int] = []
        self._position = 0
        self._is_chosen = False
        """Whether the user chose the image; else one that cannot be read is skipped."""

    def show_dataset(self, dataset: Dataset) -> None:
        """Show the images of `dataset`."""
        self._is_chosen = False
        self._dataset = dataset
        self._image_order = [int(image) for image in chain.from_iterable(dataset.splits.values())]
        with_boxes = (position for position, image in enumerate(self._image_order) if len(dataset.boxes_of(image)[0]))
        self._position = next(with_boxes, 0)
        self._render_current()

    def change_image(self, offset: int) -> None:
        """Show another image; the first follows the last."""
        if self._image_order:
            self._is_chosen = True
            self._position = (self._position + offset) % len(self._image_order)
            self._render_current()

    def on_terminal_image_size_changed(self, event: TerminalImage.SizeChanged) -> None:
        """Render the image again in its new size."""
        event.stop()
        self._render_current()

    def _render_current(self) -> None:
        width, height = self.max_image_size
        if self._dataset is None or not self._image_order or not width or not height:
            return
        self.border_title = _("F4 ◂ {number} of {count} ▸ F5", number=self._position + 1, count=len(self._image_order))
        self._rendering.submit(ImageRequest(self._dataset, self._image_order[self._position], width, height))

    def _show_thumbnail(self, thumbnail: Thumbnail) -> None:
        self.show(thumbnail)
        self.border_subtitle = Content(printable(thumbnail.name))

    def _show_error(self, error: BadInput) -> None:
        if not self._is_chosen and self._position < min(len(self._image_order) - 1, _MAX_SKIPPED):
            self._position += 1
            self._render_current()
            return
        message, dataset = error.messages[0], self._dataset
        self.show_message(translate(message) if dataset is None else finding_sentence(message, dataset.root))
        self.border_subtitle = ""
