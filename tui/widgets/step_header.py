"""The path, always visible: where one is, where one has been, what comes."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.events import Click
from textual.message import Message

from tui.text import _
from tui.widgets.label import Label
from tui.wizard.steps import PATH, PLACES


class StepMarker(Label):
    """One place of the path. A click goes there where it has been reached before."""

    class Chosen(Message):
        """The user wants to go to `place`."""

        def __init__(self, place: str) -> None:
            super().__init__()
            self.place = place

    def __init__(self, place: str, *, current: bool, reachable: bool) -> None:
        mark = "●" if current else str(PLACES.index(place) + 1)
        states = {"-current": current, "-reachable": reachable}
        super().__init__(f"{mark} {_(PATH[place])}", classes=" ".join(name for name, on in states.items() if on))
        self._place = place
        self._reachable = reachable

    def on_click(self, event: Click) -> None:
        """Go there."""
        event.stop()
        if self._reachable:
            self.post_message(self.Chosen(self._place))


class StepHeader(Horizontal):
    """All places in one line."""

    def __init__(self, current: str, reachable: tuple[str, ...]) -> None:
        super().__init__()
        self._current = current
        self._reachable_places = reachable

    def compose(self) -> ComposeResult:
        """Stops with lines between them."""
        for number, place in enumerate(PLACES):
            if number:
                yield Label("──", classes="path-line")
            yield StepMarker(place, current=place == self._current, reachable=place in self._reachable_places)
