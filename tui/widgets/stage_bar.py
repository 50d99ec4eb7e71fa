"""How far a run has come, with the border between its stages."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

from tui.text import _
from tui.text.events import STAGES

DONE, TO_COME, BORDER = "▶", "▷", "│"


class StageBar(Widget):
    """The stages in one line, each as long as its epochs."""

    DEFAULT_CSS = "StageBar { height: 1; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._stages: tuple[tuple[str, int], ...] = ()
        self._done = 0.0
        self._drawn: Content | None = None
        self._drawn_at: Size | None = None

    def show(self, stages: Sequence[tuple[str, int]], done: float) -> None:
        """`stages`: name and number of epochs of each; `done`: epochs that are behind, with fractions."""
        self._stages, self._done = tuple(stages), done
        if (now := self._draw()) != self._drawn:
            self._drawn, self._drawn_at = now, self.size
            self.refresh()

    def render(self) -> Content:
        """Names at the ends, arrows between."""
        if self._drawn is None or self._drawn_at != self.size:
            self._drawn, self._drawn_at = self._draw(), self.size
        return self._drawn

    def _draw(self) -> Content:
        names = [Content(_(STAGES.get(name, name))) for name, _epochs in self._stages]
        total = sum(epochs for _name, epochs in self._stages)
        if not names or not total:
            return Content("")
        width = max(len(names), self.size.width - sum(name.cell_length + 2 for name in names) - len(names) + 1)
        parts: list[Content | tuple[str, str]] = []
        behind, used = 0, 0
        for number, (_stage, epochs) in enumerate(self._stages):
            behind += epochs
            cells = max(1, round(width * behind / total) - used)
            used += cells
            share = min(1.0, max(0.0, (self._done - (behind - epochs)) / epochs)) if epochs else 1.0
            full = int(cells * share)
            arrows = [(DONE * full, "$primary"), (TO_COME * (cells - full), "$text-disabled")]
            if number == 0:
                parts += [names[0], "  ", *arrows]  # type: ignore[list-item]
            else:
                parts += [(BORDER, "$warning"), *arrows, "  ", names[number]]  # type: ignore[list-item]
        return Content.assemble(*parts)
