"""A list of which one is chosen; moving chooses, Enter goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tui.text import N_

CHOSEN, OTHER = "● ", "○ "


class RadioList(OptionList):
    """Each choice has a name and, below or behind it, what it means. The chosen one is marked, not coloured only."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "screen.forward", N_("go on"))]

    DEFAULT_CSS = """
    RadioList { background: $background; scrollbar-size-vertical: 1; }
    RadioList:focus { background: $background; background-tint: $background 0%; }
    """

    def __init__(self, *, explanation: str, below: bool, id: str) -> None:
        """`below`: what a choice means stands in a line of its own."""
        super().__init__(id=id, markup=False, compact=True)
        self._explanation = explanation
        self._between = "\n  " if below else "  "
        self._shown: list[tuple[str, str]] = []

    def explain(self) -> str:
        """More about the choices."""
        return self._explanation

    def offer(self, choices: Sequence[tuple[str, str]], chosen: int) -> None:
        """Show these names with what they mean; nothing happens where they are shown already."""
        if list(choices) == self._shown and self.highlighted == chosen:
            return
        self._shown = list(choices)
        with self.prevent(OptionList.OptionHighlighted):
            self.clear_options()
            self.add_options([Option(self._prompt(number, number == chosen)) for number in range(len(choices))])
            self.highlighted = chosen

    def mark(self) -> None:
        """Move the mark to the choice that is highlighted."""
        for number in range(len(self._shown)):
            self.replace_option_prompt_at_index(number, self._prompt(number, number == self.highlighted))

    def _prompt(self, number: int, chosen: bool) -> Content:
        name, meaning = self._shown[number]
        style = "bold" if chosen else ""
        return Content.assemble(CHOSEN if chosen else OTHER, (name, style), self._between, (meaning, "dim"))
