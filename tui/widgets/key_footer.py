"""The keys of a screen, in its last line."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Footer


class KeyFooter(Footer):
    """Textual's Footer, without its leak of removed keys, and without a key that is cut off.

    Each FooterKey watches `compact` of its Footer for ever: after a hundred screens, thousands of removed widgets would
    slow down Python's garbage collector, and with it the training. Mutating `compact` makes Textual drop those watchers.
    """

    def compose(self) -> ComposeResult:
        """Drop the watchers of removed keys, then create the current keys."""
        self.mutate_reactive(Footer.compact)
        yield from super().compose()

    async def recompose(self) -> None:
        """Replace the keys; those without room are hidden once they have a place."""
        await super().recompose()
        self.call_after_refresh(self._hide_keys_that_are_cut)

    def on_resize(self) -> None:
        """Show as many keys as there is room for now."""
        for key in self.children:
            key.display = True
        self.call_after_refresh(self._hide_keys_that_are_cut)

    def _hide_keys_that_are_cut(self) -> None:
        for key in self.children:
            if key.virtual_region.right > self.size.width:
                key.display = False
