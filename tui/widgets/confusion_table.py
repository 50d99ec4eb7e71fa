"""The confusion matrix as text: a row for each true class, a column for each detected one; below, the most frequent confusions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual import getters
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.events import Resize

from engine.messages import printable
from tui.text import _
from tui.widgets.label import Label

MAX_NAME = 14
"""Columns of a class name."""
MAX_LISTED = 30
OFTEN, SOMETIMES = 0.25, 0.05
"""Shares of the objects of a class from which a confusion is an error or a warning in colour."""


@dataclass(frozen=True, slots=True)
class _Confusion:
    """How often something of class `true` was taken for `detected`; the last class is the background."""

    true: int
    detected: int
    count: int
    share: float
    """Of the objects of the true class, or of the detections on the background."""


class ConfusionTable(VerticalScroll):
    """The matrix if the window has room for all columns, else only the list."""

    DEFAULT_CSS = """
    ConfusionTable { scrollbar-size-vertical: 1; }
    ConfusionTable Label { height: auto; }
    ConfusionTable #matrix { margin-bottom: 1; }
    """

    _matrix = getters.query_one("#matrix", Label)
    _list = getters.query_one("#confusions", Label)

    def __init__(self) -> None:
        super().__init__()
        self._counts: Sequence[Sequence[int]] = ()
        self._class_names: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        """Both."""
        yield Label(id="matrix")
        yield Label(id="confusions")

    def show(self, counts: Sequence[Sequence[int]], classes: tuple[str, ...]) -> None:
        """Show a matrix (classes + 1, classes + 1), see `engine.evaluation.mistakes.confusion_matrix`."""
        self._counts, self._class_names = counts, classes
        self._draw()

    def on_resize(self, event: Resize) -> None:
        """Other columns have room now."""
        event.stop()
        self._draw()

    def _draw(self) -> None:
        if not self._class_names:
            return
        matrix = _matrix(self._counts, self._names(), self.size.width)
        self._matrix.display = matrix is not None
        if matrix is not None:
            self._matrix.update(matrix)
        self._list.update(Content("\n").join(self._confusion_lines()))

    def _names(self) -> list[str]:
        return [*map(printable, self._class_names), _("no object")]

    def _confusion_lines(self) -> Iterator[Content]:
        names, background = self._names(), len(self._class_names)
        yield Content.styled(_("The most frequent confusions, with their share of the true class:"), "$text-muted")
        for one in sorted(_confusions(self._counts), key=lambda one: -one.count)[:MAX_LISTED]:
            if one.true == background:
                text = _(
                    "{count} x {detected} detected where there is no object",
                    count=one.count,
                    detected=names[one.detected],
                )
                yield Content(text)
                continue
            if one.detected == background:
                text = _("{count} x {true} not detected", count=one.count, true=names[one.true])
            else:
                text = _(
                    "{count} x {true} detected as {detected}",
                    count=one.count,
                    true=names[one.true],
                    detected=names[one.detected],
                )
            yield Content.assemble(text, "  ", (f"{one.share:.0%}", _colour(one.share)))


def _confusions(counts: Sequence[Sequence[int]]) -> Iterator[_Confusion]:
    for true, row in enumerate(counts):
        for detected, count in enumerate(row):
            if count and true != detected:
                yield _Confusion(true, detected, count, count / sum(row))


def _matrix(counts: Sequence[Sequence[int]], names: Sequence[str], width: int) -> Content | None:
    """None if it is wider than `width`."""
    shown = [Content(name).truncate(MAX_NAME, ellipsis=True) for name in names]
    corner = _("true ↓  detected →")
    first = max(cell_len(corner), *(name.cell_length for name in shown))
    columns = [
        max(name.cell_length, *(len(str(row[number])) for row in counts)) + 2 for number, name in enumerate(shown)
    ]
    if first + sum(columns) > width:
        return None
    lines = [Content.assemble(*_cells([(corner, "$text-muted")], [first], right=False), *_headers(shown, columns))]
    for number, (name, row) in enumerate(zip(shown, counts, strict=True)):
        total = sum(row)
        cells = [
            _cell(count, count / total if total else 0.0, number == column, number == len(names) - 1)
            for column, count in enumerate(row)
        ]
        lines.append(Content.assemble(name.truncate(first, pad=True), *_cells(cells, columns, right=True)))
    return Content("\n").join(lines)


def _headers(names: Sequence[Content], columns: Sequence[int]) -> Iterator[Content]:
    for name, column in zip(names, columns, strict=True):
        yield Content(" " * (column - name.cell_length))
        yield name.stylize("bold")


def _cells(cells: Sequence[tuple[str, str]], columns: Sequence[int], *, right: bool) -> Iterator[tuple[str, str] | str]:
    for (text, style), column in zip(cells, columns, strict=True):
        space = " " * (column - cell_len(text))
        if right:
            yield space
        yield text, style
        if not right:
            yield space


def _cell(count: int, share: float, is_diagonal: bool, is_background: bool) -> tuple[str, str]:
    """The text of a cell and its style."""
    if not count:
        return "·", "$text-disabled"
    if is_diagonal:
        return str(count), "bold $success"
    return str(count), "$foreground" if is_background else _colour(share)


def _colour(share: float) -> str:
    return "$error" if share >= OFTEN else "$warning" if share >= SOMETIMES else "$foreground"
