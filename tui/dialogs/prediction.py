"""Trained weights at work on any pictures of the user's."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input

from engine.dataset.image_files import find_images, is_image_file
from engine.messages import BadInput
from engine.runs.folder import BEST_WEIGHTS, load_plan
from tui.dialogs.base import Dialog
from tui.dialogs.folder_picker import FolderPicker
from tui.text import N_, _, translate
from tui.widgets.detection_images import DetectionImages
from tui.widgets.label import Label
from tui.widgets.path_input import PathInput, PathRow
from tui.workers.latest_query import LatestQuery

if TYPE_CHECKING:
    from engine.evaluation.predict import Prediction

KEPT = 4
"""Predictions at hand for another look: a window that changes its size asks again."""


NO_WEIGHTS = N_("It has no weights yet; the first come after its first epoch.")


def prediction_dialog(run: Path, data: str | None) -> PredictionDialog | None:
    """The dialog for the best weights of `run`, on the images it learned from, else on `data`; None: no weights yet."""
    if not (run / BEST_WEIGHTS).is_file():
        return None
    return PredictionDialog(run, _pictures_of(run) or data or "")


def _pictures_of(run: Path) -> str | None:
    """The folder of the data set that the run learned from, where it is still there."""
    with suppress(BadInput):
        path = load_plan(run).data.path
        return path if Path(path).is_dir() else None
    return None


@dataclass(frozen=True, slots=True)
class _Ready:
    pictures: tuple[Path, ...]
    look: Callable[[Path], Prediction]


class PredictionDialog(Dialog[None]):
    """A field for a picture or a folder; below it one picture after another with what the weights find."""

    DEFAULT_CSS = """
    PredictionDialog { align: center middle; }
    PredictionDialog > Vertical { width: 96%; height: 94%; border: round $primary; padding: 0 1; background: $surface; }
    PredictionDialog DetectionImages { height: 1fr; }
    PredictionDialog .hint { height: auto; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", N_("close")),
        Binding("f3", "browse", N_("choose folder")),
        Binding("f4", "turn(-1)", show=False),
        Binding("f5", "turn(1)", show=False),
    ]

    def __init__(self, run: Path, suggested: str) -> None:
        """The best weights of `run`; `suggested` stands in the field at first."""
        super().__init__()
        self._weights = run / BEST_WEIGHTS
        self._title = run.name
        self._suggested = suggested
        self._asking = LatestQuery[Path, _Ready](self, self._prepare, self._show, self._refuse)
        self._look: Callable[[Path], Prediction] | None = None
        self._shown: str | None = None

    def compose(self) -> ComposeResult:
        """Where, what, and which keys."""
        with Vertical() as box:
            box.border_title = Content(_("What {run} finds", run=self._title))
            field = PathInput(
                self._suggested,
                is_image_file,
                explanation=_("One picture, or a folder: all pictures in it and below it."),
                placeholder=_("a picture, or a folder of pictures"),
                id="pictures",
            )
            yield PathRow(_("Pictures"), field)
            yield DetectionImages()
            yield Label(
                _("Enter looks; once more, or F5, goes on to the next picture. F4 goes back, F3 chooses, Esc closes."),
                classes="hint",
            )

    def on_mount(self) -> None:
        """Begin in the field."""
        field = self.query_one(PathInput)
        field.focus()
        field.cursor_position = len(field.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Look there; where that is done already, go on to the next picture."""
        event.stop()
        text = event.value.strip().strip("'\"")
        if not text:
            return
        if text == self._shown:
            self.action_turn(1)
            return
        self._shown = text
        self.query_one(DetectionImages).say(_("The weights look at the picture ..."))
        self._asking.ask(Path(text).expanduser())

    def action_turn(self, by: int) -> None:
        """Another picture."""
        self.query_one(DetectionImages).turn(by)

    def action_browse(self) -> None:
        """Choose a folder, or one picture."""
        start = Path(self.query_one(PathInput).value).expanduser()
        self.app.push_screen(FolderPicker(start, is_image_file), self._picked)

    async def _picked(self, path: Path | None) -> None:
        if path is not None:
            field = self.query_one(PathInput)
            field.value = str(path)
            await field.action_submit()

    def _prepare(self, source: Path) -> _Ready:
        """The thread: the first time it loads the weights."""
        from engine.evaluation.inference import Predictor

        pictures = tuple(find_images([source]))
        if self._look is None:
            self._look = lru_cache(KEPT)(Predictor(self._weights).look_at)
        return _Ready(pictures, self._look)

    def _show(self, ready: _Ready) -> None:
        self.query_one(DetectionImages).browse(len(ready.pictures), lambda number: ready.look(ready.pictures[number]))

    def _refuse(self, error: BadInput) -> None:
        self._shown = None
        self.query_one(DetectionImages).say(translate(error.messages[0]))
