"""A table of text with a row cursor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.text import Text
from textual.actions import SkipAction
from textual.coordinate import Coordinate
from textual.widgets import DataTable


class Table(DataTable[Text]):
    """Rows of text without markup."""

    DEFAULT_CSS = "Table { height: 1fr; background: $background; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, cursor_type="row", zebra_stripes=True)

    def action_select_cursor(self) -> None:
        """Select the row under the cursor; in an empty table, leave Enter to the screen."""
        if not self.row_count:
            raise SkipAction
        super().action_select_cursor()

    def fill(self, rows: Iterable[Sequence[str]]) -> None:
        """Replace all rows."""
        self.clear()
        for row in rows:
            self.add_row(*map(Text, row))
        # DataTable caches rows that it drew before it measured the columns; this clears the cache.
        self.call_after_refresh(self._redraw)

    def set_row(self, index: int, cells: Sequence[str]) -> None:
        """Replace the texts of one row; cells that stay the same are not drawn again."""
        for column, (old, new) in enumerate(zip(self.get_row_at(index), cells, strict=True)):
            if old.plain != new:
                self.update_cell_at(Coordinate(index, column), Text(new), update_width=True)

    def _redraw(self) -> None:
        self.notify_style_update()
        self.refresh()
