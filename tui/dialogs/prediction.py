"""What the weights of a run detect in any images."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import getters
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input

from engine.dataset.image_files import find_images, is_image_file
from engine.messages import BadInput
from engine.runs.folder import BEST_WEIGHTS, DETECTIONS, load_plan
from tui.dialogs.base import Dialog
from tui.dialogs.folder_picker import FolderPicker
from tui.text import N_, _, translate
from tui.text.line_breaks import unbroken_parts
from tui.widgets.detection_images import DetectionImages
from tui.widgets.image_keys import IMAGE_BINDINGS, ImageKeys
from tui.widgets.label import Label
from tui.widgets.path_input import PathInput, PathRow
from tui.workers.latest_query import LatestQuery

if TYPE_CHECKING:
    from engine.evaluation.inference import Predictor

NO_WEIGHTS = N_("This run has no weights yet. The first ones are saved after its first epoch.")


def prediction_dialog(run: Path, data: str | None) -> PredictionDialog | None:
    """The dialog for the best weights of `run`; None if there are none yet. Starts with the run's data set, else with `data`."""
    if not (run / BEST_WEIGHTS).is_file():
        return None
    return PredictionDialog(run, _data_folder(run) or data or "")


def _data_folder(run: Path) -> str | None:
    """The folder of the data set that the run was trained on, if it still exists."""
    with suppress(BadInput):
        path = load_plan(run).data.path
        return path if Path(path).is_dir() else None
    return None


@dataclass(frozen=True, slots=True)
class _Ready:
    images: tuple[Path, ...]
    predictor: Predictor


class PredictionDialog(ImageKeys, Dialog[None]):
    """A field for an image or a folder; below it one image after another with its detections."""

    help_sentence: ClassVar[str] = N_(
        "The best weights of the run detect objects in your images. Enter shows the first image, then the next one; F4 and F5 change the image; F3 chooses a folder."
    )

    DEFAULT_CSS = """
    PredictionDialog { align: center middle; }
    PredictionDialog > Vertical { width: 96%; height: 94%; border: round $primary; padding: 0 1; background: $surface; }
    PredictionDialog DetectionImages { height: 1fr; }
    PredictionDialog .hint { height: auto; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", N_("close")),
        Binding("f3", "choose_folder", N_("choose folder")),
        Binding("f4", "change_image(-1)", show=False),
        Binding("f5,enter", "change_image(1)", show=False),
        *IMAGE_BINDINGS,
    ]

    _path_input = getters.query_one(PathInput)
    _images = getters.query_one(DetectionImages)

    def __init__(self, run: Path, suggested_path: str) -> None:
        """For the best weights of `run`; `suggested_path` is the first text of the field."""
        super().__init__()
        self._weights = run / BEST_WEIGHTS
        self._run_name = run.name
        self._suggested_path = suggested_path
        self._preparation = LatestQuery[Path, _Ready](self, self._prepare, self._show, self._show_error)
        self._predictor: Predictor | None = None
        self._shown_path: str | None = None

    def compose(self) -> ComposeResult:
        """The field, the images, the keys."""
        with Vertical() as box:
            box.border_title = Content(_("Detections of {run}", run=self._run_name))
            path_input = PathInput(
                self._suggested_path,
                is_image_file,
                help_text=_("An image, or a folder: all images in it and in its subfolders."),
                placeholder=_("an image, or a folder of images"),
                id="images",
            )
            yield PathRow(_("Images"), path_input)
            images = DetectionImages()
            images.can_focus = True
            yield images
            yield Label(
                unbroken_parts(
                    _(
                        "Enter: detect, next image · F4: previous image · + and -: threshold · S: save · Tab: the field · F3: choose "
                        "a folder · Esc: close"
                    )
                ),
                classes="hint",
            )

    def on_mount(self) -> None:
        """Focus the field."""
        self._path_input.focus()

    def shown_images(self) -> DetectionImages | None:
        """The images below the field."""
        return self._images if self.is_mounted else None

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Show the images at this path; if they are shown already, the next image."""
        event.stop()
        text = event.value.strip().strip("'\"")
        if not text:
            return
        if text == self._shown_path:
            self.action_change_image(1)
            return
        self._shown_path = text
        self._images.show_message(_("Detecting objects ..."))
        self._preparation.submit(Path(text).expanduser())

    def action_change_image(self, offset: int) -> None:
        """Show another image."""
        self._images.change_image(offset)

    def action_choose_folder(self) -> None:
        """Choose a folder or an image from a tree."""
        start = Path(self._path_input.value).expanduser()
        self.app.push_screen(FolderPicker(start, is_image_file), self._use_path)

    async def _use_path(self, path: Path | None) -> None:
        if path is not None:
            self._path_input.value = str(path)
            await self._path_input.action_submit()

    def _prepare(self, source: Path) -> _Ready:
        """In a thread: find the images; the first time, load the weights."""
        from engine.evaluation.inference import Predictor

        images = tuple(find_images([source]))
        if self._predictor is None:
            self._predictor = Predictor(self._weights)
        return _Ready(images, self._predictor)

    def _show(self, ready: _Ready) -> None:
        self._images.show_images(
            len(ready.images),
            lambda index: ready.predictor.predict(ready.images[index]),
            threshold=ready.predictor.threshold,
            save_folder=self._weights.parent / DETECTIONS,
        )
        self._images.focus()  # in the field the keys of the images are text

    def _show_error(self, error: BadInput) -> None:
        self._shown_path = None
        self._images.show_message(translate(error.messages[0]))
