"""What the network of a run detected in a few validation images, at its latest evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textual import getters
from textual.app import ComposeResult
from textual.containers import Vertical

from engine.messages import BadInput
from tui.text import _, translate
from tui.widgets.detection_images import DetectionImages
from tui.widgets.label import Label
from tui.workers.latest_query import LatestQuery

if TYPE_CHECKING:
    from engine.evaluation.samples import Samples


class SampleImages(Vertical):
    """Reads the sample images of a run in a thread and shows them one at a time."""

    DEFAULT_CSS = """
    SampleImages { height: 1fr; }
    SampleImages #samples-title { height: auto; color: $text-muted; }
    SampleImages DetectionImages { height: 1fr; }
    """

    _title = getters.query_one("#samples-title", Label)
    _images = getters.query_one(DetectionImages)

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown: tuple[Path, int] | None = None
        """Run and epoch."""
        self._query = LatestQuery[Path, "Samples | None"](self, _read_newest, self._show_samples, self._show_error)

    def compose(self) -> ComposeResult:
        """Title and image."""
        yield Label(id="samples-title")
        yield DetectionImages()

    def show_run(self, run: Path, no_samples: str) -> None:
        """Show the newest samples of a run; `no_samples` is shown where it has none yet."""
        if self._shown is None:
            self._title.update("")
            self._images.show_message(no_samples)
        self._query.submit(run)

    def change_image(self, offset: int) -> None:
        """Show another image."""
        self._images.change_image(offset)

    def _show_samples(self, samples: Samples | None) -> None:
        if samples is None:
            return
        shown = samples.images[0].parent if samples.images else Path(), samples.epoch
        if shown == self._shown:
            self._images.render_current()
            return
        self._shown = shown
        self._title.update(_("Validation images after epoch {epoch}. N shows the next one.", epoch=samples.epoch + 1))
        self._images.show_images(len(samples.images), samples.prediction, threshold=samples.threshold)

    def _show_error(self, error: BadInput) -> None:
        self._images.show_message(translate(error.messages[0]))


def _read_newest(run: Path) -> Samples | None:
    from engine.evaluation.samples import read_samples, sample_epochs

    epochs = sample_epochs(run)
    return read_samples(run, epochs[-1]) if epochs else None
