"""Asks whether to keep the entries of the last session."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from tui.dialogs.base import Dialog
from tui.text import N_, _
from tui.widgets.label import Label
from tui.wizard.state import WizardState
from tui.wizard.steps import SCREEN_TITLES
from tui.workers.latest_query import LatestQuery


class ResumeSessionDialog(Dialog[bool]):
    """Returns True to keep them, False to start over."""

    help_sentence: ClassVar[str] = N_(
        "The wizard saves your entries. Enter keeps those of the last session, N clears them. Runs are not changed."
    )

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,escape", "dismiss(True)", N_("continue")),
        Binding("n", "dismiss(False)", N_("start over")),
    ]

    DEFAULT_CSS = """
    ResumeSessionDialog #still-training { display: none; }
    ResumeSessionDialog #still-training.-is-known { display: block; }
    """

    def __init__(self, state: WizardState) -> None:
        super().__init__()
        self._state = state
        self._query = LatestQuery[Path, bool](self, _is_training, self._show_training, None)

    def compose(self) -> ComposeResult:
        """A summary of the entries, and the two keys."""
        with Vertical(classes="dialog-box"):
            yield Label(_("Continue your last session?"), classes="question")
            yield Label(_("Screen: {screen}", screen=_(SCREEN_TITLES.get(self._state.screen_name, N_("Runs")))))
            if self._state.data is not None:
                yield Label(_("Data: {path}", path=self._state.data))
            yield Label(id="still-training")
            yield Label(_("Enter continues, N starts over. Runs are kept in both cases."), classes="hint")

    def on_mount(self) -> None:
        """Look whether the run of the last session still trains."""
        if self._state.run is not None:
            self._query.submit(Path(self._state.run))

    def _show_training(self, is_training: bool) -> None:
        if is_training and self._state.run is not None:
            label = self.query_one("#still-training", Label)
            label.update(_("The run {run} trains on in the background.", run=Path(self._state.run).name))
            label.add_class("-is-known")


def _is_training(run: Path) -> bool:
    from engine.runs.lock import is_running  # imports pydantic: not before the first screen is shown

    return run.is_dir() and is_running(run)
