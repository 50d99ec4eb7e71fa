"""A field for a path: what it may become stands behind what is typed, and Tab takes it."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.suggester import Suggester
from textual.widgets import Input

from tui.text import N_
from tui.widgets.label import Label
from tui.wizard.path_completion import Wanted, completions_of


class PathInput(Input):
    """One line high. Tab completes as in a shell: what all possibilities have in common; Tab again moves on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete", show=False),
        Binding("enter", "submit", N_("go on")),
    ]

    DEFAULT_CSS = """
    PathInput { width: 1fr; }
    """

    def __init__(self, value: str, suits: Wanted, *, explanation: str, placeholder: str = "", id: str) -> None:
        """`suits` tells which files, besides folders, may be completed; `explanation` is what F1 says."""
        super().__init__(
            value,
            placeholder=placeholder,
            suggester=PathSuggester(suits),
            compact=True,
            select_on_focus=False,
            id=id,
        )
        self._suits = suits
        self._explanation = explanation

    def explain(self) -> str:
        """More about the field."""
        return self._explanation

    async def action_complete(self) -> None:
        """Take what the possibilities have in common; where that is nothing new, go to the next field."""
        value = self.value
        if value and self.cursor_at_end:
            completions = await asyncio.to_thread(completions_of, value, self._suits)
            common = _common_beginning(completions)
            if self.value == value and len(common) > len(value):
                self.value = common
                self.cursor_position = len(common)
                return
        self.screen.focus_next()


class PathRow(Horizontal):
    """A path field behind its name."""

    DEFAULT_CSS = """
    PathRow { height: 1; }
    PathRow Label { width: auto; padding-right: 1; }
    """

    def __init__(self, name: str, field: PathInput, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._row = Label(name), field

    def compose(self) -> ComposeResult:
        """The name, and the field that takes what room is left."""
        yield from self._row


class PathSuggester(Suggester):
    """Completes paths from what is on the disk now."""

    def __init__(self, suits: Wanted) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._suits = suits

    async def get_suggestion(self, value: str) -> str | None:
        """The first entry that begins so."""
        if not value:
            return None
        found = await asyncio.to_thread(completions_of, value, self._suits)
        return next((text for text in found if text != value), None)


def _common_beginning(texts: list[str]) -> str:
    """What all texts begin with, to the letter."""
    if not texts:
        return ""
    first, last = min(texts), max(texts)
    same = next((place for place, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), None)
    return first[: min(len(first), len(last)) if same is None else same]
