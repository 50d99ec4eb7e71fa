"""Images with the boxes that trained weights detect, one at a time, and below each the number of objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import getters
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from engine.messages import BadInput, printable
from tui.text import _, translate
from tui.widgets.label import Label
from tui.widgets.terminal_image import TerminalImage
from tui.workers.latest_query import LatestQuery

if TYPE_CHECKING:
    from engine.evaluation.predict import Prediction
    from engine.evaluation.thumbnail import Thumbnail

PredictImage = Callable[[int], "Prediction"]
"""Index of an image -> what the weights detect in it. Called in a thread; may raise BadInput."""


@dataclass(frozen=True, slots=True)
class _RenderRequest:
    predict: PredictImage
    index: int
    max_width: int
    max_height: int


class DetectionImages(Vertical):
    """Shows the first image; `change_image` shows the others."""

    DEFAULT_CSS = """
    DetectionImages Label { height: auto; max-height: 4; }
    """

    _image = getters.query_one(TerminalImage)
    _caption = getters.query_one(Label)

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._predict: PredictImage | None = None
        self._count = 0
        self._index = 0
        self._rendering = LatestQuery[_RenderRequest, "Thumbnail"](
            self, _render, self._show_thumbnail, self._show_error
        )

    def compose(self) -> ComposeResult:
        """The image and its caption."""
        yield TerminalImage()
        yield Label()

    def show_images(self, count: int, predict: PredictImage) -> None:
        """Show `count` images; `predict` is called for each that is shown."""
        self._predict, self._count, self._index = predict, count, 0
        self.render_current()

    def change_image(self, offset: int) -> None:
        """Show another image; the first follows the last."""
        if self._count:
            self._index = (self._index + offset) % self._count
            self.render_current()

    def show_message(self, message: str) -> None:
        """Show text instead of images."""
        self._predict, self._count = None, 0
        self._rendering.cancel()
        self._show_text(message, "")

    def render_current(self) -> None:
        """Render the current image in the size that there is now."""
        width, height = self._image.max_image_size
        if self._predict is not None and self._count and width and height:
            self._rendering.submit(_RenderRequest(self._predict, self._index, width, height))

    def on_terminal_image_size_changed(self, event: TerminalImage.SizeChanged) -> None:
        """Render the image again in its new size."""
        event.stop()
        self.render_current()

    def _show_thumbnail(self, thumbnail: Thumbnail) -> None:
        self._image.show(thumbnail)
        self._caption.update(Content.assemble(*self._caption_parts(thumbnail)))

    def _show_error(self, error: BadInput) -> None:
        self._show_text(translate(error.messages[0]), self._position())

    def _show_text(self, message: str, caption: str) -> None:
        self._image.show_message(message)
        self._caption.update(caption)

    def _position(self) -> str:
        return f"{self._index + 1}/{self._count}"

    def _caption_parts(self, thumbnail: Thumbnail) -> Iterator[tuple[str, str] | str]:
        yield f"{self._position()}  {thumbnail.name}   "
        for class_name, count, (red, green, blue) in thumbnail.objects:
            yield "■", f"rgb({red},{green},{blue})"
            yield f" {printable(class_name)} x{count}   "
        if not thumbnail.objects:
            yield _("no objects detected")


def _render(request: _RenderRequest) -> Thumbnail:
    from engine.evaluation.thumbnail import thumbnail

    prediction = request.predict(request.index)
    detections = prediction.detections
    return thumbnail(
        prediction.pixels,
        detections.boxes,
        detections.labels,
        prediction.classes,
        request.max_width,
        request.max_height,
        name=printable(prediction.path.name),
    )
