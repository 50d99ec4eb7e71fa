"""How much of something is in use, as a bar with figures that also speak without colour."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

FULL, EMPTY = "█", "░"


class Meter(Widget):
    """A label, a bar and a figure in one line. `share` None: not known, and shown so."""

    def __init__(self, label: str, *, full_at: float = 0.9, id: str | None = None) -> None:
        """`full_at`: beyond this share the bar says that there is too little."""
        super().__init__(id=id)
        self._full_at = full_at
        self._label = label
        self._share: float | None = None
        self._figure = ""

    def show(self, share: float | None, figure: str) -> None:
        """A share of 0 to 1, and the text at the end of the line."""
        if (share, figure) != (self._share, self._figure):
            self._share, self._figure = share, figure
            self.refresh()

    def render(self) -> Content:
        """Label, bar, figure; the bar takes what is left."""
        label, figure = Content(self._label), Content(self._figure)
        width = max(4, self.size.width - label.cell_length - figure.cell_length - 4)
        if self._share is None:
            bar = Content(" " * width)
        else:
            used = min(width, max(0, round(self._share * width)))
            bar = Content.assemble(
                (FULL * used, "$error" if self._share > self._full_at else "$primary"),
                (EMPTY * (width - used), "$text-disabled"),
            )
        return Content.assemble(label.stylize("$text-muted"), "  ", bar, "  ", figure)
