"""How many boxes each class has, as bars in the colour in which its boxes are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

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
    """One class."""

    name: str
    count: int
    colour: tuple[int, int, int]


class ClassBars(VerticalScroll):
    """Every class in a line; scrolls where there are many."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "screen.forward", N_("go on"))]

    DEFAULT_CSS = """
    ClassBars { height: 1fr; scrollbar-size-vertical: 1; }
    ClassBars:focus { background: $boost; }
    """

    def compose(self) -> ComposeResult:
        """The lines."""
        yield _Bars()

    def show(self, bars: Sequence[Bar]) -> None:
        """Show these classes."""
        self.query_one(_Bars).show(tuple(bars))
        self.can_focus = len(bars) > 4  # nothing to scroll, nothing to stop at

    def explain(self) -> str:
        """More about the bars."""
        return _(
            "The classes that the labels name, and how many boxes each has. The colour is that of its boxes in the picture. "
            "Fifty boxes of a class are a beginning; classes with far fewer than the others are found less often."
        )


class _Bars(Widget):
    DEFAULT_CSS = "_Bars { height: auto; }"

    def __init__(self) -> None:
        super().__init__()
        self._bars: tuple[Bar, ...] = ()

    def show(self, bars: tuple[Bar, ...]) -> None:
        if bars != self._bars:
            self._bars = bars
            self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._bars)

    def render(self) -> Content:
        names = [Content(printable(bar.name)) for bar in self._bars]
        most = max((bar.count for bar in self._bars), default=0)
        figures = max((len(f"{bar.count:,}") for bar in self._bars), default=0)
        longest = max((name.cell_length for name in names), default=0)
        named = min(longest, max(6, self.size.width // 2 - 4))
        width = max(2, self.size.width - named - figures - 3)
        lines = []
        for name, bar in zip(names, self._bars, strict=True):
            full = round(width * bar.count / most) if most else 0
            full = max(full, 1) if bar.count else 0
            lines.append(
                Content.assemble(
                    name.truncate(named, ellipsis=True, pad=True),
                    " ",
                    (FULL * full, "rgb({},{},{})".format(*bar.colour)),
                    (EMPTY * (width - full), "$text-disabled"),
                    " ",
                    (f"{bar.count:,}".rjust(figures), "$error" if not bar.count else "$foreground 60%"),
                )
            )
        return Content("\n").join(lines)
