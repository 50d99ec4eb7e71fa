"""Images with the boxes that trained weights detect, one at a time, and their labels beside them or a key away."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from textual import getters
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Resize

from engine.messages import BadInput, Message, printable
from tui.text import _, ngettext, translate
from tui.text.line_breaks import NO_BREAK_SPACE
from tui.widgets.label import Label
from tui.widgets.terminal_image import TerminalImage
from tui.wizard.rendered_image import PredictImage, RenderedImage, RenderRequest, render_detections
from tui.workers.latest_query import LatestQuery

if TYPE_CHECKING:
    from engine.evaluation.mistakes import Kind, Mistakes

DEFAULT_THRESHOLD = 0.25
MIN_THRESHOLD, MAX_THRESHOLD, THRESHOLD_STEP = 0.05, 0.95, 0.05
MIN_WIDTH_OF_TWO = 90
"""Columns from which the labels are shown beside the detections."""
CACHED_PREDICTIONS = 4
"""Another threshold or a resized window asks for the same image again."""


@dataclass(frozen=True, slots=True)
class _SaveRequest:
    predict: PredictImage
    index: int
    threshold: float
    folder: Path


@dataclass(frozen=True, slots=True)
class _Saved:
    path: Path
    remark: Message | None


class DetectionImages(Vertical):
    """Shows the first image; `change_image` shows the others."""

    DEFAULT_CSS = """
    DetectionImages Horizontal { height: 1fr; }
    DetectionImages .pane { width: 1fr; }
    DetectionImages .pane-title { height: 1; text-style: bold; }
    DetectionImages #labelled { display: none; }
    DetectionImages.-flipped #labelled { display: block; }
    DetectionImages.-flipped #detected { display: none; }
    DetectionImages.-beside #labelled { display: block; margin-right: 1; }
    DetectionImages.-beside #detected { display: block; }
    DetectionImages.-without-labels .pane-title { display: none; }
    DetectionImages #caption { height: auto; max-height: 4; }
    """

    _detected = getters.query_one("#detected TerminalImage", TerminalImage)
    _labelled = getters.query_one("#labelled TerminalImage", TerminalImage)
    _detected_title = getters.query_one("#detected Label", Label)
    _caption = getters.query_one("#caption", Label)

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, classes="-without-labels")
        self.threshold = DEFAULT_THRESHOLD
        self._predict: PredictImage | None = None
        self._count = 0
        self._index = 0
        self._save_folder: Path | None = None
        self._kind: Kind | None = None
        """Only mistakes of this kind have a text; None: all boxes have one."""
        self._rendering = LatestQuery[RenderRequest, RenderedImage](
            self, render_detections, self._show_rendered, self._show_error
        )
        self._saving = LatestQuery[_SaveRequest, _Saved](self, _save, self._show_saved, self._show_save_error)

    def compose(self) -> ComposeResult:
        """The labels and the detections, and a caption below both."""
        with Horizontal():
            with Vertical(id="labelled", classes="pane"):
                yield Label(_("Labels"), classes="pane-title")
                yield TerminalImage()
            with Vertical(id="detected", classes="pane"):
                yield Label(_("Detections"), classes="pane-title")
                yield TerminalImage()
        yield Label(id="caption")

    def show_images(
        self,
        count: int,
        predict: PredictImage,
        *,
        threshold: float = DEFAULT_THRESHOLD,
        save_folder: Path | None = None,
        kind: Kind | None = None,
    ) -> None:
        """Show images.

        Args:
            count: how many there are.
            predict: called for each image that is shown.
            threshold: the confidence from which detections are drawn.
            save_folder: where the images are saved, if they can be saved.
            kind: only mistakes of this kind get a text beside their box; None: all boxes get one.
        """
        self._kind = kind
        self._predict, self._count, self._index = lru_cache(CACHED_PREDICTIONS)(predict), count, 0
        self.threshold, self._save_folder = threshold, save_folder
        self.render_current()
        self.screen.refresh_bindings()

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
        self.screen.refresh_bindings()

    def render_current(self) -> None:
        """Render the current image in the size that there is now."""
        image = self._labelled if self.has_class("-flipped") and not self.has_class("-beside") else self._detected
        width, height = image.max_image_size
        if self._predict is not None and self._count and width and height:
            request = RenderRequest(
                self._predict, self._index, self.threshold, width, height, image.text_size, self._kind
            )
            self._rendering.submit(request)

    def on_terminal_image_size_changed(self, event: TerminalImage.SizeChanged) -> None:
        """Render the image again in its new size."""
        event.stop()
        self.render_current()

    def on_resize(self, event: Resize) -> None:
        """Where there is room, show both images."""
        self.set_class(event.size.width >= MIN_WIDTH_OF_TWO and not self.has_class("-without-labels"), "-beside")
        self.screen.refresh_bindings()

    # What keys do

    @property
    def has_images(self) -> bool:
        """Whether there are images to show."""
        return self._count > 0

    @property
    def can_flip(self) -> bool:
        """Whether the images have labels that are not beside them."""
        return self.has_images and not self.has_class("-beside") and not self.has_class("-without-labels")

    @property
    def can_save(self) -> bool:
        """Whether there is a folder for saved images."""
        return self.has_images and self._save_folder is not None

    def change_threshold(self, steps: int) -> None:
        """Draw boxes from a higher or lower confidence on: the next multiple of the step."""
        position = round(self.threshold / THRESHOLD_STEP, 6)
        target = (math.floor(position) + 1 if steps > 0 else math.ceil(position) - 1) * THRESHOLD_STEP
        self.threshold = round(min(max(target, MIN_THRESHOLD), MAX_THRESHOLD), 2)
        self.render_current()

    def show_labels(self, visible: bool) -> None:
        """Show the labels instead of the detections, where there is no room for both."""
        self.set_class(visible, "-flipped")

    def flip(self) -> None:
        """Show the labels instead of the detections, or the other way round."""
        self.toggle_class("-flipped")

    def save(self) -> None:
        """Save the image with its boxes, in full resolution."""
        if self._predict is not None and self._save_folder is not None:
            self._saving.submit(_SaveRequest(self._predict, self._index, self.threshold, self._save_folder))

    # Results of threads

    def _show_rendered(self, rendered: RenderedImage) -> None:
        had_labels = not self.has_class("-without-labels")
        self.set_class(rendered.labelled is None, "-without-labels")
        if had_labels != (rendered.labelled is not None):
            self.set_class(rendered.labelled is not None and self.size.width >= MIN_WIDTH_OF_TWO, "-beside")
            self.set_class(rendered.labelled is not None and self.has_class("-flipped"), "-flipped")
        self._detected.show(rendered.detected)
        if rendered.labelled is not None:
            self._labelled.show(rendered.labelled)
        self._caption.update(Content.assemble(*self._caption_parts(rendered)))
        self.screen.refresh_bindings()

    def _show_error(self, error: BadInput) -> None:
        self._show_text(translate(error.messages[0]), self._position())

    def _show_text(self, message: str, caption: str) -> None:
        self._detected.show_message(message)
        self._labelled.show_message("")
        self.remove_class("-beside", "-flipped")
        self.add_class("-without-labels")
        self._caption.update(caption)

    def _show_saved(self, saved: _Saved) -> None:
        self.notify(_("Saved: {path}", path=saved.path), markup=False)
        if saved.remark is not None:
            self.notify(translate(saved.remark), severity="warning", markup=False)

    def _show_save_error(self, error: BadInput) -> None:
        self.notify(translate(error.messages[0]), severity="error", markup=False)

    def _position(self) -> str:
        return f"{self._index + 1}/{self._count}"

    def _caption_parts(self, rendered: RenderedImage) -> Iterator[tuple[str, str] | str]:
        yield f"{self._position()}  {rendered.detected.name}   "
        yield self._describe_count(rendered)
        yield "\n"
        if rendered.mistakes is not None:
            yield from _describe_mistakes(rendered.mistakes)
            yield "   "
        for class_name, count, (red, green, blue) in rendered.detected.objects:
            yield "■", f"rgb({red},{green},{blue})"
            yield f" {printable(class_name)} x{count}".replace(" ", NO_BREAK_SPACE) + "   "
        if not rendered.detected.objects:
            yield _("no objects detected")

    def _describe_count(self, rendered: RenderedImage) -> str:
        threshold = f"{self.threshold:.2f}"
        count = ngettext(
            "{count} box at {threshold}", "{count} boxes at {threshold}", rendered.shown, threshold=threshold
        )
        if not rendered.weaker:
            return count
        weaker = ngettext("and {count} weaker one", "and {count} weaker ones", rendered.weaker)
        return f"{count} {weaker}"


def _describe_mistakes(mistakes: Mistakes) -> Iterator[tuple[str, str] | str]:
    objects = mistakes.found + mistakes.missed
    yield ngettext("{found} of {count} object found", "{found} of {count} objects found", objects, found=mistakes.found)
    if mistakes.wrong:
        yield ", "
        yield ngettext("{count} box wrong", "{count} boxes wrong", mistakes.wrong), "$warning"


def _save(request: _SaveRequest) -> _Saved:
    from engine.evaluation.detect import strongest
    from engine.evaluation.draw import missing_font, save_drawn
    from engine.files import make_folder

    prediction = request.predict(request.index)
    detections, _weaker = strongest(prediction.detections, request.threshold, len(prediction.detections.scores))
    make_folder(request.folder)
    path = save_drawn(request.folder, prediction.path, prediction.pixels, detections, prediction.classes)
    return _Saved(path, missing_font({prediction.classes[label] for label in detections.labels.tolist()}))
