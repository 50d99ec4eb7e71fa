"""The keys of a screen, in its last line."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Footer


class KeyFooter(Footer):
    """Textual's Footer, without its leak of removed keys.

    Each FooterKey watches `compact` of its Footer for ever: after a hundred screens, thousands of removed widgets would
    slow down Python's garbage collector, and with it the training. Mutating `compact` makes Textual drop those watchers.
    """

    def compose(self) -> ComposeResult:
        """Drop the watchers of removed keys, then create the current keys."""
        self.mutate_reactive(Footer.compact)
        yield from super().compose()
