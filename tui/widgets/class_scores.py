"""The average precision of each class as bars, the weakest class first."""

from __future__ import annotations

from collections.abc import Mapping

from textual import getters
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

from engine.messages import printable
from tui.widgets.label import Label

FULL, EMPTY = "█", "░"
GOOD, WEAK = 0.75, 0.5
"""AP50 from which a class is good, and below which it is weak."""


class _Bars(Widget):
    DEFAULT_CSS = "_Bars { height: auto; }"

    def __init__(self) -> None:
        super().__init__()
        self._scores: tuple[tuple[str, float], ...] = ()

    def show(self, scores: Mapping[str, float]) -> None:
        ordered = tuple(sorted(scores.items(), key=lambda score: (score[1], score[0])))
        if ordered != self._scores:
            self._scores = ordered
            self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._scores)

    def render(self) -> Content:
        names = [Content(printable(name)) for name, _score in self._scores]
        name_width = min(max((name.cell_length for name in names), default=0), max(6, self.size.width // 3))
        bar_width = max(2, self.size.width - name_width - 8)
        lines = []
        for name, (_name, score) in zip(names, self._scores, strict=True):
            full = min(bar_width, max(0, round(bar_width * score)))
            lines.append(
                Content.assemble(
                    name.truncate(name_width, ellipsis=True, pad=True),
                    "  ",
                    (FULL * full, "$success" if score >= GOOD else "$warning" if score >= WEAK else "$error"),
                    (EMPTY * (bar_width - full), "$text-disabled"),
                    f" {score:.3f}",
                )
            )
        return Content("\n").join(lines)


class ClassScores(VerticalScroll):
    """A title and one line for each class; scrolls if there are many."""

    DEFAULT_CSS = """
    ClassScores { height: 1fr; scrollbar-size-vertical: 1; }
    ClassScores Label { height: auto; color: $text-muted; }
    """

    _title = getters.query_one(Label)
    _bars = getters.query_one(_Bars)

    def compose(self) -> ComposeResult:
        """Title and bars."""
        yield Label()
        yield _Bars()

    def show(self, title: str, scores: Mapping[str, float]) -> None:
        """Show the AP50 of each class, 0 to 1."""
        self._title.update(title)
        self._bars.show(scores)
