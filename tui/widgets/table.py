"""A table of text whose columns are as wide as what stands in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.text import Text
from textual.actions import SkipAction
from textual.widgets import DataTable


class Table(DataTable[Text]):
    """Rows of text, without markup. One row is marked by a cursor."""

    DEFAULT_CSS = "Table { height: 1fr; background: $background; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, cursor_type="row", zebra_stripes=True)

    def action_select_cursor(self) -> None:
        """Take the marked row; where there is none, Enter belongs to the screen."""
        if not self.row_count:
            raise SkipAction
        super().action_select_cursor()

    def fill(self, rows: Iterable[Sequence[str]]) -> None:
        """Show these rows instead of what was there."""
        self.clear()
        for row in rows:
            self.add_row(*map(Text, row))
        # Rows drawn before their columns were measured stay as they were drawn; this makes the table forget them.
        self.call_after_refresh(self._draw_anew)

    def _draw_anew(self) -> None:
        self.notify_style_update()
        self.refresh()
