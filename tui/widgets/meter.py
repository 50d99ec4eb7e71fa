"""How much of something is in use: a bar, and the numbers, which need no colour."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

FULL, EMPTY = "█", "░"


class Meter(Widget):
    """A label, a bar and a value in one line."""

    def __init__(self, label: str, *, alarm_above: float = 0.9, id: str | None = None) -> None:
        """The bar has the colour of an error above the fraction `alarm_above`."""
        super().__init__(id=id)
        self._alarm_above = alarm_above
        self._label = label
        self._fraction: float | None = None
        self._value_text = ""

    def show(self, fraction: float | None, value_text: str) -> None:
        """Show a fraction, 0 to 1, and its text; None: unknown, the bar is blank."""
        if (fraction, value_text) != (self._fraction, self._value_text):
            self._fraction, self._value_text = fraction, value_text
            self.refresh()

    def render(self) -> Content:
        """The bar takes the width that label and value leave."""
        label, value = Content(self._label), Content(self._value_text)
        width = max(4, self.size.width - label.cell_length - value.cell_length - 4)
        if self._fraction is None:
            bar = Content(" " * width)
        else:
            full = min(width, max(0, round(self._fraction * width)))
            bar = Content.assemble(
                (FULL * full, "$error" if self._fraction > self._alarm_above else "$primary"),
                (EMPTY * (width - full), "$text-disabled"),
            )
        return Content.assemble(label.stylize("$text-muted"), "  ", bar, "  ", value)
