"""The progress of a run through its stages, in one line."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

from tui.text import _
from tui.text.stages import STAGE_NAMES

DONE, NOT_DONE, BOUNDARY = "▶", "▷", "│"


class StageBar(Widget):
    """The stages side by side, each as long as its number of epochs."""

    DEFAULT_CSS = "StageBar { height: 1; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._stages: tuple[tuple[str, int], ...] = ()
        self._epochs_done = 0.0
        self._content: Content | None = None
        self._content_size: Size | None = None

    def show(self, stages: Sequence[tuple[str, int]], epochs_done: float) -> None:
        """`stages`: (name, number of epochs) pairs. `epochs_done` may be a fraction."""
        self._stages, self._epochs_done = tuple(stages), epochs_done
        if (content := self._make_content()) != self._content:
            self._content, self._content_size = content, self.size
            self.refresh()

    def render(self) -> Content:
        """The names at both ends, arrows between them."""
        if self._content is None or self._content_size != self.size:
            self._content, self._content_size = self._make_content(), self.size
        return self._content

    def _make_content(self) -> Content:
        names = [Content(_(STAGE_NAMES.get(name, name))) for name, _epochs in self._stages]
        total = sum(epochs for _name, epochs in self._stages)
        if not names or not total:
            return Content("")
        width = max(len(names), self.size.width - sum(name.cell_length + 2 for name in names) - len(names) + 1)
        parts: list[Content] = []
        epochs_so_far, cells_so_far = 0, 0
        for index, (_stage, epochs) in enumerate(self._stages):
            epochs_before, epochs_so_far = epochs_so_far, epochs_so_far + epochs
            cells = max(1, round(width * epochs_so_far / total) - cells_so_far)
            cells_so_far += cells
            fraction = min(1.0, max(0.0, (self._epochs_done - epochs_before) / epochs)) if epochs else 1.0
            full = int(cells * fraction)
            arrows = Content.assemble((DONE * full, "$primary"), (NOT_DONE * (cells - full), "$text-disabled"))
            if index == 0:
                parts += [names[0], Content("  "), arrows]
            else:
                parts += [Content.styled(BOUNDARY, "$stage"), arrows, Content("  "), names[index]]
        return Content("").join(parts)
