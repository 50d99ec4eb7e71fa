"""About how long each network trains on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Vertical

from tui.text import _, ngettext
from tui.text.durations import rough_duration
from tui.widgets.label import Label

if TYPE_CHECKING:
    from tui.wizard.training_times import TrainingTimes


_FRAME_WIDTH = 8
"""Columns of the border and of the space on both sides."""


class TimesTable(Vertical):
    """A line for each network; hidden as long as nothing is known."""

    def __init__(self) -> None:
        super().__init__(id="times")
        self.border_title = _("What it can train")
        self.display = False
        self._table = Label()
        self._preset = Label(classes="times-preset")
        self._times: TrainingTimes | None = None

    def compose(self) -> ComposeResult:
        """The table, and what it is for."""
        yield from (self._table, self._preset)

    def show(self, times: TrainingTimes | None) -> None:
        """Show the times; None: nothing is known."""
        self._times = times
        self.display = times is not None
        if times is not None:
            self._table.update(_table(times, self.app.size.width - _FRAME_WIDTH))
            self._preset.update(_("with the preset {preset}", preset=f"“{_(times.preset.title)}”"))

    def on_resize(self) -> None:
        """Show as much as fits now."""
        self.show(self._times)


def _table(times: TrainingTimes, width: int) -> str:
    """Networks in lines, numbers of images in columns; what each network is good for, where `width` has room for it."""
    from engine.network.registry import NETWORKS

    header = [_images(count, are_counted=times.train_images is not None) for count in times.images]
    rows = [["", *header, ""]]
    for each in times.networks:
        cells = ["" if seconds is None else _("about {time}", time=rough_duration(seconds)) for seconds in each.seconds]
        rows.append([each.network, *cells, _(NETWORKS[each.network].summary)])
    lines = _aligned(rows)
    if max(map(cell_len, lines)) > width:
        lines = _aligned([row[:-1] for row in rows])
    return "\n".join(lines)


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(cell_len(row[column]) for row in rows) for column in range(len(rows[0]))]
    padded = (zip(row, widths, strict=True) for row in rows)
    return ["   ".join(cell + " " * (width - cell_len(cell)) for cell, width in row).rstrip() for row in padded]


def _images(count: int, *, are_counted: bool) -> str:
    if are_counted:
        return ngettext("{count} training image", "{count} training images", count)
    return ngettext("{count} image", "{count} images", count)
