"""The wizard's screens in their order, and the running training, in the first line of each screen."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from textual import getters
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.events import Click, Resize
from textual.message import Message

from tui.text import _
from tui.widgets.label import Label
from tui.widgets.sparkline import sparkline
from tui.wizard.steps import SCREEN_ORDER, SCREEN_TITLES

if TYPE_CHECKING:
    from tui.wizard.training_status import TrainingStatus  # imports all events: not for the first screen

MIN_SPARKLINE, MAX_SPARKLINE = 6, 30
"""Cells. In fewer a curve cannot be seen; more would say no more."""


class StepMarker(Label):
    """The title of one screen. A click shows it if it was visited before."""

    class Selected(Message):
        """The user clicked a screen that was visited before."""

        def __init__(self, screen_name: str) -> None:
            super().__init__()
            self.screen_name = screen_name

    def __init__(self, screen_name: str, *, is_current: bool, was_visited: bool) -> None:
        mark = "●" if is_current else str(SCREEN_ORDER.index(screen_name) + 1)
        super().__init__(f"{mark} {_(SCREEN_TITLES[screen_name])}")
        self.set_class(is_current, "-current")
        self.set_class(was_visited, "-visited")
        self._screen_name = screen_name
        self._was_visited = was_visited

    def on_click(self, event: Click) -> None:
        """Report the click."""
        event.stop()
        if self._was_visited:
            self.post_message(self.Selected(self._screen_name))


class StepHeader(Horizontal):
    """All screens in one line; while a training runs, beside "Train" how far it is, and where there is room its loss."""

    _percent = getters.query_one("#training-percent", Label)
    _loss = getters.query_one("#training-loss", Label)

    def __init__(self, current: str, visited: Collection[str], status: TrainingStatus | None = None) -> None:
        """`status` is that of the running training; None: nothing is training."""
        super().__init__()
        self._current = current
        self._visited = visited
        self._status = status
        self.set_class(status is not None, "-training")

    def compose(self) -> ComposeResult:
        """A marker for each screen, with lines between them."""
        for index, name in enumerate(SCREEN_ORDER):
            if index:
                yield Label("──", classes="step-line")
            yield StepMarker(name, is_current=name == self._current, was_visited=name in self._visited)
            if name == "train":
                yield Label(self._percent_text(), id="training-percent")
        yield Label(id="training-loss")

    def show_training(self, status: TrainingStatus | None) -> None:
        """Show how far the training is. Lays out the line only when a training begins or ends."""
        if status == self._status:
            return
        self._status = status
        self.set_class(status is not None, "-training")
        self._percent.update(self._percent_text())
        self._show_loss()

    def on_resize(self, _event: Resize) -> None:
        """The room for the curve of the loss has changed."""
        self.call_after_refresh(self._show_loss)

    def _percent_text(self) -> str:
        return "" if self._status is None else _("{percent} %", percent=self._status.percent).rjust(5)

    def _show_loss(self) -> None:
        width = min(MAX_SPARKLINE, self._loss.size.width - 1)
        has_curve = self._status is not None and len(self._status.losses) > 1 and width >= MIN_SPARKLINE
        self._loss.update(sparkline(self._status.losses, width).rstrip() if self._status and has_curve else "")
