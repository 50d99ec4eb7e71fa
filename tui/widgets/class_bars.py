"""A number for each class, such as that of its boxes, as bars in the colour of its boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import getters
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

from engine.messages import printable
from tui.text import N_, _

FULL, EMPTY = "█", "░"


@dataclass(frozen=True, slots=True)
class Bar:
    """One class. `text`: the number as it is shown; by default with a separator of thousands."""

    name: str
    count: float
    colour: tuple[int, int, int]
    text: str | None = None

    @property
    def number(self) -> str:
        """What is shown behind the bar."""
        return f"{self.count:,}" if self.text is None else self.text


class _Bars(Widget):
    DEFAULT_CSS = "_Bars { height: auto; }"

    def __init__(self) -> None:
        super().__init__()
        self._bars: tuple[Bar, ...] = ()
        self._full = 0.0

    def show(self, bars: tuple[Bar, ...], full: float) -> None:
        if (bars, full) != (self._bars, self._full):
            self._bars, self._full = bars, full
            self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._bars)

    def render(self) -> Content:
        names = [Content(printable(bar.name)) for bar in self._bars]
        count_width = max((len(bar.number) for bar in self._bars), default=0)
        name_width = min(max((name.cell_length for name in names), default=0), max(6, self.size.width // 2 - 4))
        bar_width = max(2, self.size.width - name_width - count_width - 3)
        lines = []
        for name, bar in zip(names, self._bars, strict=True):
            full = round(bar_width * bar.count / self._full) if self._full else 0
            full = max(full, 1) if bar.count else 0
            lines.append(
                Content.assemble(
                    name.truncate(name_width, ellipsis=True, pad=True),
                    " ",
                    (FULL * full, "rgb({},{},{})".format(*bar.colour)),
                    (EMPTY * (bar_width - full), "$text-disabled"),
                    " ",
                    (bar.number.rjust(count_width), "$error" if not bar.count else "$foreground 60%"),
                )
            )
        return Content("\n").join(lines)


class ClassBars(VerticalScroll):
    """One line for each class; scrolls if there are many."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "screen.forward", N_("next"))]

    DEFAULT_CSS = """
    ClassBars { height: 1fr; scrollbar-size-vertical: 1; }
    ClassBars:focus { background: $panel; }
    """

    _bars = getters.query_one(_Bars)

    def compose(self) -> ComposeResult:
        """One widget for all lines."""
        yield _Bars()

    def __init__(self, *, id: str | None = None, help_text: str | None = None) -> None:
        """`help_text` for F1; by default that of numbers of boxes."""
        super().__init__(id=id)
        self._help_text = help_text

    def show(self, bars: Sequence[Bar], full: float | None = None) -> None:
        """Show these classes. `full`: the number of a full bar; None: the largest one."""
        largest = max((bar.count for bar in bars), default=0)
        self._bars.show(tuple(bars), largest if full is None else full)
        self.can_focus = len(bars) > 4  # so few need no scrolling

    def help_text(self) -> str:
        """Text for F1."""
        if self._help_text is not None:
            return self._help_text
        return _(
            "The classes in the labels, and how many boxes each class has. The colour is the colour of its boxes in the image. "
            "Label at least 50 boxes of each class. Classes with far fewer boxes than others are detected less often."
        )
