"""A figure in one line: its name, its value, and a sparkline of its course where there is space."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

from tui.widgets.sparkline import sparkline


class MetricRow(Widget):
    """Redraws itself only when a cell changes."""

    DEFAULT_CSS = "MetricRow { height: 1; }"

    LABEL_WIDTH = 13
    VALUE_WIDTH = 14
    MIN_SPARKLINE_WIDTH = 4

    def __init__(
        self, label: str, *, minimum: float | None = None, maximum: float | None = None, id: str | None = None
    ) -> None:
        """Create an empty row; `minimum` and `maximum` are the ends of the sparkline's scale, None: those of its values."""
        super().__init__(id=id)
        self._label = label
        self._minimum, self._maximum = minimum, maximum
        self._value_text = ""
        self._values: tuple[float, ...] = ()
        self._content = Content("")
        self._drawn_size: Size | None = None

    def show(
        self, value_text: str, values: Sequence[float], *, label: str | None = None, maximum: float | None = None
    ) -> None:
        """Show the newest value as text and all values as a curve; a new `label` or `maximum` replaces the present one."""
        self._value_text, self._values = value_text, tuple(values)
        self._label = self._label if label is None else label
        self._maximum = self._maximum if maximum is None else maximum
        before = self._content
        self._draw()
        if not self._content.is_same(before):
            self.refresh()

    def render(self) -> Content:
        """The line."""
        if self._drawn_size != self.size:
            self._draw()
        return self._content

    def _draw(self) -> None:
        self._drawn_size = self.size
        label = Content(self._label).truncate(self.LABEL_WIDTH, ellipsis=True, pad=True)
        value = Content(self._value_text)
        value = value.pad_right(max(0, self.VALUE_WIDTH - value.cell_length))
        left = self.size.width - label.cell_length - value.cell_length - 3
        parts = [label.stylize("$text-muted"), Content(" "), value]
        if left >= self.MIN_SPARKLINE_WIDTH and len(self._values) > 1:
            curve = sparkline(self._values, left, minimum=self._minimum, maximum=self._maximum)
            parts += [Content(" "), Content.styled(curve, "$primary")]
        self._content = Content("").join(parts)
