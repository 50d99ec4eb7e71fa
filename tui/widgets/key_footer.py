"""The keys of a screen, in its last line."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Footer


class KeyFooter(Footer):
    """Textual's footer, which also forgets the keys that it showed before.

    Each of them listens to `compact` for good, and a hundred screens later thousands of dead widgets would keep Python's
    garbage collector, and with it the training, busy. Those that are gone are let go when `compact` is heard of.
    """

    def compose(self) -> ComposeResult:
        """The keys of now."""
        self.mutate_reactive(Footer.compact)
        yield from super().compose()
