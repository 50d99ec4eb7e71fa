"""The field for the path of a data set, and what is known about the path below it."""

from __future__ import annotations

from pathlib import Path

from textual import getters
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Input

from engine.dataset.formats.sniff import LABEL_SUFFIXES, find_datasets
from engine.messages import BadInput, printable
from tui.text import _
from tui.widgets.label import Label
from tui.widgets.path_input import PathInput, PathRow
from tui.wizard.data_hints import completion_hint, path_help
from tui.wizard.data_source import SAMPLE
from tui.wizard.path_completion import PathStatus, inspect_path
from tui.workers.latest_query import LatestQuery

OPEN_DELAY = 0.5
"""Seconds after the last key until a path that looks like a data set is opened."""


def holds_labels(path: Path) -> bool:
    """Whether the file may be a data set."""
    return path.suffix.lower() in LABEL_SUFFIXES


class DatasetPath(Vertical):
    """The path is inspected at every key; `is_wrong` says whether it can be no data set."""

    DEFAULT_CSS = """
    DatasetPath { height: auto; }
    DatasetPath #path-status { height: 1; color: $text-muted; }
    DatasetPath #path-status.-wrong { color: $error; }
    """

    class Changed(Message):
        """The text of the field has changed."""

    class Inspected(Message):
        """It is known what the path is."""

    class Recognised(Message):
        """The path looks like a data set, and nothing was typed for a moment."""

    class Failed(Message):
        """The path could not be inspected."""

        def __init__(self, error: BadInput) -> None:
            super().__init__()
            self.error = error

    _input = getters.query_one("#path", PathInput)
    _status = getters.query_one("#path-status", Label)

    def __init__(self, value: str, workspace: Path) -> None:
        """Create the field.

        Args:
            value: the path that was entered before.
            workspace: where a data set to suggest is looked for.
        """
        super().__init__()
        self._query = LatestQuery[str, PathStatus](
            self,
            lambda text: inspect_path(text, holds_labels),
            self._show_inspected,
            self._report_failure,
        )
        self._initial_value = value
        self._open_timer: Timer | None = None
        self._is_open = False
        self._left_closed: str | None = None
        self.is_wrong = False
        datasets = find_datasets(workspace.absolute())
        self.suggested = next((str(path) for path in datasets), SAMPLE)
        """What is suggested while the field is empty."""

    @property
    def value(self) -> str:
        """The text of the field."""
        return self._input.value

    def compose(self) -> ComposeResult:
        """The field, and a line below it."""
        path_input = PathInput(self._initial_value, holds_labels, help_text=path_help(), id="path")
        path_input.is_complete = lambda: self._is_open
        yield PathRow(_("Folder"), path_input)
        yield Label(id="path-status")

    def on_mount(self) -> None:
        """Focus the field; its placeholder is what is suggested."""
        self._input.placeholder = printable(Path(self.suggested).name)
        self._input.focus()
        self._input.cursor_position = len(self._input.value)

    def set_path(self, path: str) -> None:
        """Replace the text."""
        self._input.set_path(path)
        self._input.focus()

    def set_open(self, is_open: bool, text: str = "") -> None:
        """Say whether the data set at the path is open or being opened; then `text` is shown below the field."""
        self._is_open = is_open
        self._status.remove_class("-wrong")
        self._status.update(text)

    def leave_closed(self) -> None:
        """Do not open the data set at this path by itself: the user has stopped the reading."""
        self._left_closed = self.value

    def on_input_changed(self, event: Input.Changed) -> None:
        """Inspect the path at every key."""
        event.stop()
        if event.value != self._left_closed:
            self._left_closed = None
        if self._open_timer is not None:
            self._open_timer.stop()
        self._query.submit(event.value)
        self.post_message(self.Changed())

    def _report_failure(self, error: BadInput) -> None:
        self.post_message(self.Failed(error))

    def _show_inspected(self, status: PathStatus) -> None:
        is_sample = status.text.strip() == SAMPLE
        self.is_wrong = bool(status.problem) and not is_sample
        if not self._is_open and self.value != self._left_closed:
            self._status.set_class(self.is_wrong, "-wrong")
            self._status.update("" if is_sample else status.problem or completion_hint(status))
        self.post_message(self.Inspected())
        if status.looks_like_dataset:
            self._open_timer = self.set_timer(OPEN_DELAY, self._report_recognised)

    def _report_recognised(self) -> None:
        if self.value != self._left_closed:
            self.post_message(self.Recognised())
