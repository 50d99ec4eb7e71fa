"""The commands of the command palette: screens, language, theme, start over, quit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

from tui.text import LANGUAGES, _
from tui.wizard.steps import SCREEN_ORDER, SCREEN_TITLES

if TYPE_CHECKING:
    from tui.workers.wizard_protocol import Wizard

Command = tuple[str, str, Callable[[], object]]
"""Name, help text, callback."""


class CommandProvider(Provider):
    """All commands, in the user's language."""

    def _commands(self) -> Iterator[Command]:
        wizard = cast("Wizard", self.app)  # Textual creates providers, so the app cannot be a parameter
        yield _("Runs"), _("All trainings so far"), partial(wizard.show_screen, "runs")
        for name in SCREEN_ORDER:
            if wizard.state.was_visited(name):
                yield _("Go to {screen}", screen=_(SCREEN_TITLES[name])), "", partial(wizard.show_screen, name)
        for code, language in LANGUAGES.items():
            yield _("Language: {name}", name=language), "", partial(wizard.set_language, code)
        for theme in sorted(self.app.available_themes):
            yield _("Theme: {name}", name=theme), "", partial(wizard.set_theme, theme)
        if wizard.state.on_hangup == "stop":
            yield (
                _("When the terminal closes: train on in the background"),
                _("Now a training stops then, and saves a checkpoint"),
                partial(wizard.set_on_hangup, "detach"),
            )
        else:
            yield (
                _("When the terminal closes: stop and save"),
                _("Now a training moves into the background then"),
                partial(wizard.set_on_hangup, "stop"),
            )
        yield _("Start over"), _("Clear all entries; runs are kept"), wizard.reset
        yield _("Quit"), _("Your entries are saved"), partial(self.app.run_action, "quit")

    async def discover(self) -> Hits:
        """All commands, for an empty query."""
        for name, help_text, callback in self._commands():
            yield DiscoveryHit(name, callback, help=help_text or None)

    async def search(self, query: str) -> Hits:
        """Commands that match `query`. Textual's own message for no match is not translated, so ours replaces it."""
        matcher = self.matcher(query)
        has_matches = False
        for name, help_text, callback in self._commands():
            if (score := matcher.match(name)) > 0:
                has_matches = True
                yield Hit(score, matcher.highlight(name), callback, help=help_text or None)
        if not has_matches:
            yield Hit(0.01, _("No command matches"), lambda: None)
