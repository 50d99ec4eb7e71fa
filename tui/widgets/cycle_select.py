"""One of a few values in one line: arrows or a click change it. Enter stays free for going on."""

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
        Binding("left", "turn(-1)", show=False),
        Binding("right,space", "turn(1)", show=False),
    ]

    class Changed(Message):
        """The user took another value."""

        def __init__(self, choice: CycleSelect, value: str | bool) -> None:
            super().__init__()
            self.choice = choice
            self.value = value

        @property
        def control(self) -> CycleSelect:
            """The widget."""
            return self.choice

    def __init__(self, values: tuple[str | bool, ...], text: Callable[[str | bool], str]) -> None:
        """`text` words a value."""
        super().__init__()
        self._values = values
        self._text = text
        self._value: str | bool = values[0]

    @property
    def value(self) -> str | bool:
        """What is chosen."""
        return self._value

    def show(self, value: str | bool) -> None:
        """Show `value`, without a message."""
        if value != self._value:
            self._value = value
            self.refresh()

    def render(self) -> Content:
        """The value between arrows; the width stays, so that nothing jumps."""
        text = Content(self._text(self._value))
        left = max(0, self.size.width - 4 - text.cell_length)
        return Content.assemble("‹ ", text, " " * left, " ›")

    def action_turn(self, step: int) -> None:
        """The next or the previous value."""
        number = self._values.index(self._value) if self._value in self._values else -step
        self.show(self._values[(number + step) % len(self._values)])
        self.post_message(self.Changed(self, self._value))

    def on_click(self, event: Click) -> None:
        """The left arrow goes back, everything else forward."""
        event.stop()
        self.action_turn(-1 if event.x < 2 else 1)
