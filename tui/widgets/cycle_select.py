"""A one-line choice: the arrow keys or a click change the value. Enter is not used, so the screen can take it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.widget import Widget


class CycleSelect(Widget, can_focus=True):
    """Shows `‹ value ›`."""

    DEFAULT_CSS = """
    CycleSelect { height: 1; color: $foreground; background: $surface; }
    CycleSelect:focus { color: $block-cursor-foreground; background: $block-cursor-background; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "cycle(-1)", show=False),
        Binding("right,space", "cycle(1)", show=False),
    ]

    class Changed(Message):
        """The user chose another value."""

        def __init__(self, cycle_select: CycleSelect, value: str | bool) -> None:
            super().__init__()
            self.cycle_select = cycle_select
            self.value = value

        @property
        def control(self) -> CycleSelect:
            """The widget."""
            return self.cycle_select

    def __init__(self, values: tuple[str | bool, ...], format_value: Callable[[str | bool], str]) -> None:
        super().__init__()
        self._values = values
        self._format_value = format_value
        self._value: str | bool = values[0]

    @property
    def value(self) -> str | bool:
        """The current value."""
        return self._value

    def show(self, value: str | bool) -> None:
        """Set the value without a `Changed` message."""
        if value != self._value:
            self._value = value
            self.refresh()

    def render(self) -> Content:
        """The value between arrows; the right arrow stays in its column whatever the value."""
        text = Content(self._format_value(self._value))
        padding = max(0, self.size.width - 4 - text.cell_length)
        return Content.assemble("‹ ", text, " " * padding, " ›")

    def action_cycle(self, offset: int) -> None:
        """Choose the next or the previous value."""
        index = self._values.index(self._value) if self._value in self._values else -offset
        self.show(self._values[(index + offset) % len(self._values)])
        self.post_message(self.Changed(self, self._value))

    def on_click(self, event: Click) -> None:
        """The left arrow goes back, everything else forward."""
        event.stop()
        self.action_cycle(-1 if event.x < 2 else 1)
