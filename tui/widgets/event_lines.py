"""The last events of a training, one line each."""

from __future__ import annotations

import time
from collections.abc import Iterable

from textual.content import Content

from engine.events import CheckpointSaved, Event
from tui.text.events import describe_event
from tui.widgets.label import Label

TIME_WIDTH = 10
"""Columns of the time and the space behind it."""


def event_lines(events: Iterable[Event]) -> list[str]:
    """Time and text of each event but steps and saved checkpoints, which are many and tell little."""
    return [
        f"{time.strftime('%H:%M:%S', time.localtime(event.time))}  {text}".replace("\n", f"\n{' ' * TIME_WIDTH}")
        for event in events
        if not isinstance(event, CheckpointSaved) and (text := describe_event(event)) is not None
    ]


class EventLines(Label):
    """As many of the newest events as there are rows; its height is given by its container or `styles.height`."""

    DEFAULT_CSS = "EventLines { height: 0; color: $text-muted; }"

    def show(self, events: Iterable[Event], rows: int) -> None:
        """Show the end of the log in `rows` rows, each line cut at the width."""
        if self.styles.height is None or self.styles.height.value != rows:
            self.styles.height = rows
        self.display = rows > 0
        if not rows:
            return
        lines = [line for text in event_lines(events) for line in text.splitlines()][-rows:]
        width = max(1, self.content_size.width or self.app.size.width)
        self.update(Content("\n").join(Content(line).truncate(width, ellipsis=True) for line in lines))
