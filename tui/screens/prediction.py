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

from engine.dataset.pictures import find_pictures, is_picture
from engine.messages import BadInput
from engine.runs import BEST_WEIGHTS, load_plan
from tui.inquiry import Inquiry
from tui.screens.dialog import Dialog
from tui.screens.folder_picker import FolderPicker
from tui.text import N_, _, worded
from tui.widgets.found_pictures import FoundPictures
from tui.widgets.path_field import PathField, PathRow
from tui.widgets.words import Words

if TYPE_CHECKING:
    from engine.evaluation.predict import Prediction
    from tui.screens.step import Step

KEPT = 4
"""Predictions at hand for another look: a window that changes its size asks again."""


def predict_with(run: Path, step: Step) -> None:
    """Show over `step` what the best weights of `run` find; where it has none, say so there."""
    if (run / BEST_WEIGHTS).is_file():
        step.app.push_screen(PredictionScreen(run, _pictures_of(run) or step.state.data or ""))
    else:
        step.hinder(_("It has no weights yet; the first come after its first epoch."))


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


class PredictionScreen(Dialog[None]):
    """A field for a picture or a folder; below it one picture after another with what the weights find."""

    DEFAULT_CSS = """
    PredictionScreen { align: center middle; }
    PredictionScreen > Vertical { width: 96%; height: 94%; border: round $primary; padding: 0 1; background: $surface; }
    PredictionScreen FoundPictures { height: 1fr; }
    PredictionScreen .hint { height: auto; }
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
        self._asking = Inquiry[Path, _Ready](self, self._prepare, self._show, self._refuse)
        self._look: Callable[[Path], Prediction] | None = None
        self._shown: str | None = None

    def compose(self) -> ComposeResult:
        """Where, what, and which keys."""
        with Vertical() as box:
            box.border_title = Content(_("What {run} finds", run=self._title))
            field = PathField(
                self._suggested,
                is_picture,
                explanation=_("One picture, or a folder: all pictures in it and below it."),
                placeholder=_("a picture, or a folder of pictures"),
                id="pictures",
            )
            yield PathRow(_("Pictures"), field)
            yield FoundPictures()
            yield Words(
                _("Enter looks; once more, or F5, goes on to the next picture. F4 goes back, F3 chooses, Esc closes."),
                classes="hint",
            )

    def on_mount(self) -> None:
        """Begin in the field."""
        field = self.query_one(PathField)
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
        self.query_one(FoundPictures).say(_("The weights look at the picture ..."))
        self._asking.ask(Path(text).expanduser())

    def action_turn(self, by: int) -> None:
        """Another picture."""
        self.query_one(FoundPictures).turn(by)

    def action_browse(self) -> None:
        """Choose a folder, or one picture."""
        start = Path(self.query_one(PathField).value).expanduser()
        self.app.push_screen(FolderPicker(start, is_picture), self._picked)

    async def _picked(self, path: Path | None) -> None:
        if path is not None:
            field = self.query_one(PathField)
            field.value = str(path)
            await field.action_submit()

    def _prepare(self, source: Path) -> _Ready:
        """The thread: the first time it loads the weights."""
        from engine.evaluation.session import Finder

        pictures = tuple(find_pictures([source]))
        if self._look is None:
            self._look = lru_cache(KEPT)(Finder(self._weights).look_at)
        return _Ready(pictures, self._look)

    def _show(self, ready: _Ready) -> None:
        self.query_one(FoundPictures).browse(len(ready.pictures), lambda number: ready.look(ready.pictures[number]))

    def _refuse(self, error: BadInput) -> None:
        self._shown = None
        self.query_one(FoundPictures).say(worded(error.messages[0]))
