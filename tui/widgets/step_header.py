"""The wizard's screens in their order, in the first line of each."""

from __future__ import annotations

from collections.abc import Collection

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.events import Click
from textual.message import Message

from tui.text import _
from tui.widgets.label import Label
from tui.wizard.steps import SCREEN_ORDER, SCREEN_TITLES


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
    """All screens in one line."""

    def __init__(self, current: str, visited: Collection[str]) -> None:
        super().__init__()
        self._current = current
        self._visited = visited

    def compose(self) -> ComposeResult:
        """A marker for each screen, with lines between them."""
        for index, name in enumerate(SCREEN_ORDER):
            if index:
                yield Label("──", classes="step-line")
            yield StepMarker(name, is_current=name == self._current, was_visited=name in self._visited)
