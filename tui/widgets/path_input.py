"""A text field for a path, with completion from the disk."""

from __future__ import annotations

import asyncio
import os.path
from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.suggester import Suggester

from tui.text import N_
from tui.widgets.label import Label
from tui.widgets.text_input import TextInput
from tui.wizard.path_completion import PathFilter, path_completions


class PathInput(TextInput):
    """One line high. As in a shell, Tab inserts the common prefix of all completions; where it adds nothing, or the path is complete, it moves on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete", show=False),
        Binding("enter", "submit", N_("next")),
    ]

    DEFAULT_CSS = """
    PathInput { width: 1fr; }
    """

    def __init__(self, value: str, is_suitable: PathFilter, *, help_text: str, placeholder: str = "", id: str) -> None:
        """`is_suitable` selects the files that are completed, besides folders; `help_text` is shown by F1."""
        super().__init__(
            value,
            placeholder=placeholder,
            suggester=PathSuggester(is_suitable),
            compact=True,
            id=id,
        )
        self._is_suitable = is_suitable
        self._help_text = help_text
        self.is_complete: Callable[[], bool] = lambda: False
        """Whether the path needs no completion, so that Tab only moves on."""

    def help_text(self) -> str:
        """Text for F1."""
        return self._help_text

    def set_path(self, path: str) -> None:
        """Replace the text; the cursor goes to its end."""
        self.value = path
        self.cursor_position = len(path)

    async def action_complete(self) -> None:
        """Insert the common prefix of all completions; where it adds nothing, focus the next widget."""
        value = self.value
        if value and self.cursor_at_end and not self.is_complete():
            completions = await asyncio.to_thread(path_completions, value, self._is_suitable)
            prefix = os.path.commonprefix(completions)  # noqa: RUF071  a shell completes by characters, not by folders
            if self.value == value and len(prefix) > len(value):
                self.set_path(prefix)
                return
        self.screen.focus_next()


class PathRow(Horizontal):
    """A label and a path field."""

    DEFAULT_CSS = """
    PathRow { height: 1; }
    PathRow Label { width: auto; padding-right: 1; }
    """

    def __init__(self, label: str, field: PathInput, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._widgets = Label(label), field

    def compose(self) -> ComposeResult:
        """The label, and the field in the remaining width."""
        yield from self._widgets


class PathSuggester(Suggester):
    """Suggests the first completion, from the disk as it is now."""

    def __init__(self, is_suitable: PathFilter) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._is_suitable = is_suitable

    async def get_suggestion(self, value: str) -> str | None:
        """The first completion that is longer than `value`; None for a folder that is complete but for its separator."""
        if not value:
            return None
        completions = await asyncio.to_thread(path_completions, value, self._is_suitable)
        return next((text for text in completions if text.rstrip("/\\") != value.rstrip("/\\")), None)
