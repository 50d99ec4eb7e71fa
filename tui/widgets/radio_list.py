"""A list in which one choice is selected: moving the highlight selects, Enter is left to the screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.visual import Visual
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tui.text import N_
from tui.widgets.line_breaks import with_own_breaks

SELECTED, NOT_SELECTED = "● ", "○ "


class RadioList(OptionList):
    """Each choice has a name and a meaning. The selected one has a mark, not only a colour."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "screen.forward", N_("next"))]

    DEFAULT_CSS = """
    RadioList { background: $background; scrollbar-size-vertical: 1; }
    RadioList:focus { background: $background; background-tint: $background 0%; }
    """

    def __init__(self, *, help_text: str, meaning_below: bool, id: str) -> None:
        """`help_text` is shown by F1. `meaning_below`: show the meaning of a choice in a second line, not beside its name."""
        super().__init__(id=id, markup=False, compact=True)
        self._help_text = help_text
        self._separator = "\n  " if meaning_below else "  "
        self._choices: list[tuple[str, str]] = []

    def help_text(self) -> str:
        """Text for F1."""
        return self._help_text

    def show(self, choices: Sequence[tuple[str, str]], selected: int | None) -> None:
        """Show (name, meaning) pairs without a message; `selected` None: none is marked. Choices that are shown already are left alone."""
        if list(choices) == self._choices and self.highlighted == selected:
            return
        self._choices = list(choices)
        with self.prevent(OptionList.OptionHighlighted):
            self.clear_options()
            self.add_options([Option(self._prompt(index, index == selected)) for index in range(len(choices))])
            self.highlighted = selected

    def select_highlighted(self) -> None:
        """Move the mark to the highlighted choice."""
        for index in range(len(self._choices)):
            self.replace_option_prompt_at_index(index, self._prompt(index, index == self.highlighted))

    def _prompt(self, index: int, is_selected: bool) -> Visual:
        name, meaning = self._choices[index]
        style = "bold" if is_selected else ""
        mark = SELECTED if is_selected else NOT_SELECTED
        return with_own_breaks(Content.assemble(mark, (name, style), self._separator, (meaning, "$text-muted")))
