"""The command palette: places, runs, language, theme, quitting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

from tui.text import LANGUAGES, _
from tui.wizard.steps import PATH, PLACES

if TYPE_CHECKING:
    from tui.app import Freezetui

Command = tuple[str, str, Callable[[], object]]


class Menu(Provider):
    """Everything that is no step of the path."""

    def _commands(self) -> Iterator[Command]:
        app = cast("Freezetui", self.app)
        yield _("Runs"), _("Every training so far"), partial(app.go_to, "runs")
        for place in PLACES:
            if app.state.reachable(place):
                yield _("Go to {place}", place=_(PATH[place])), "", partial(app.go_to, place)
        for code, name in LANGUAGES.items():
            yield _("Language: {name}", name=name), "", partial(app.set_language, code)
        for theme in sorted(app.available_themes):
            yield _("Theme: {name}", name=theme), "", partial(app.set_theme, theme)
        yield _("Begin anew"), _("Forget what was entered; runs stay"), app.reset
        yield _("Quit"), _("What was entered is kept"), partial(app.run_action, "quit")

    async def discover(self) -> Hits:
        """All commands."""
        for name, help_text, run in self._commands():
            yield DiscoveryHit(name, run, help=help_text or None)

    async def search(self, query: str) -> Hits:
        """Commands like `query`; Textual's own sentence for none is English only, so ours takes its place."""
        matcher = self.matcher(query)
        found = False
        for name, help_text, run in self._commands():
            if (score := matcher.match(name)) > 0:
                found = True
                yield Hit(score, matcher.highlight(name), run, help=help_text or None)
        if not found:
            yield Hit(0.01, _("Nothing here is called that"), lambda: None)
