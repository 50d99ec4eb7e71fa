"""Asks for one number, with a suggestion that Enter takes."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input

from tui.dialogs.base import Dialog
from tui.text import N_, _
from tui.widgets.label import Label

MOST_EPOCHS = 100_000


class NumberPrompt(Dialog[int | None]):
    """Answers the number, or None."""

    DEFAULT_CSS = """
    NumberPrompt { align: center middle; }
    NumberPrompt > Vertical { width: 70%; max-width: 80; height: auto; border: round $primary; padding: 1 2; background: $surface; }
    NumberPrompt Label { height: auto; }
    NumberPrompt .problem { color: $error; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", N_("back"))]

    def __init__(self, question: str, reason: str, *, suggested: int, least: int, most: int) -> None:
        super().__init__()
        self._question = question
        self._reason = reason
        self._suggested = suggested
        self._least = least
        self._most = most

    def compose(self) -> ComposeResult:
        """Question, field, why."""
        with Vertical():
            yield Label(self._question, classes="question")
            yield Input(str(self._suggested), select_on_focus=True)
            yield Label(classes="problem")
            yield Label(self._reason)
            yield Label(_("Enter takes it, Esc changes nothing."), classes="hint")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Say at once what is wrong."""
        self.query_one(".problem", Label).say("" if self._number(event.value) is not None else self._problem())

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Answer, where it is a number that can be taken."""
        event.stop()
        if (number := self._number(event.value)) is not None:
            self.dismiss(number)

    def _number(self, text: str) -> int | None:
        number = int(text) if text.strip().lstrip("+-").isdecimal() else None
        return number if number is not None and self._least <= number <= self._most else None

    def _problem(self) -> str:
        return _("A whole number from {least} to {most}, please.", least=self._least, most=self._most)


def more_epochs(now: int) -> NumberPrompt:
    """Asks to how many epochs a run of `now` is extended, twice as many by suggestion."""
    return NumberPrompt(
        _("How many epochs in all?"),
        _(
            "Now {epochs}. The learning rate's schedule is rebuilt over the new length, so it rises again before it falls.",
            epochs=now,
        ),
        suggested=2 * now,
        least=now + 1,
        most=MOST_EPOCHS,
    )
