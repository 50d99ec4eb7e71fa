"""Asks for one whole number."""

from __future__ import annotations

from typing import ClassVar

from textual import getters
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input

from engine.recipe import MIN_BATCH_SIZE
from tui.dialogs.base import Dialog
from tui.text import N_, _
from tui.text.learning_rates import describe_batch_effect
from tui.widgets.label import Label
from tui.widgets.text_input import TextInput

MAX_EPOCHS = 100_000


class NumberPrompt(Dialog[int | None]):
    """Returns the number; None if the user cancels."""

    help_sentence: ClassVar[str] = N_("Type a whole number and press Enter. Esc changes nothing.")

    DEFAULT_CSS = """
    NumberPrompt { align: center middle; }
    NumberPrompt > Vertical { width: 70%; max-width: 80; height: auto; border: round $primary; padding: 1 2; background: $surface; }
    NumberPrompt Label { height: auto; }
    NumberPrompt .error-text { color: $error; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", N_("back"))]

    _error = getters.query_one(".error-text", Label)

    def __init__(self, question: str, details: str, *, suggested: int, minimum: int, maximum: int) -> None:
        super().__init__()
        self._question = question
        self._details = details
        self._suggested = suggested
        self._minimum = minimum
        self._maximum = maximum

    def compose(self) -> ComposeResult:
        """Question, field, details."""
        with Vertical():
            yield Label(self._question, classes="question")
            yield TextInput(str(self._suggested))
            yield Label(classes="error-text")
            yield Label(self._details)
            yield Label(_("Enter accepts the number, Esc cancels."), classes="hint")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Validate while the user types."""
        is_valid = self._parse(event.value) is not None
        limits = _("Enter a whole number from {least} to {most}.", least=self._minimum, most=self._maximum)
        self._error.update("" if is_valid else limits)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Return the number if it is valid."""
        event.stop()
        if (number := self._parse(event.value)) is not None:
            self.dismiss(number)

    def _parse(self, text: str) -> int | None:
        number = int(text) if text.strip().lstrip("+-").isdecimal() else None
        return number if number is not None and self._minimum <= number <= self._maximum else None


def batch_prompt(batch_size: int, method: object) -> NumberPrompt:
    """Asks for a smaller batch size than `batch_size`; half of it is suggested. `method` is that of the recipe."""
    return NumberPrompt(
        _("New batch size?"),
        _(
            "Now {batch}. A smaller batch needs less memory. The new size applies to this stage and the next one. {effect}",
            batch=batch_size,
            effect=describe_batch_effect(method),
        ),
        suggested=max(MIN_BATCH_SIZE, batch_size // 2),
        minimum=MIN_BATCH_SIZE,
        maximum=batch_size,
    )


def epochs_prompt(epochs: int, done: int) -> NumberPrompt:
    """Asks for the new total number of epochs of a run that has `epochs`, of which `done` are done or have begun."""
    is_finished = done >= epochs
    minimum = epochs + 1 if is_finished else max(1, done)
    now = (
        _("Now {epochs}, and all are done.", epochs=epochs)
        if is_finished
        else _(
            "Now {epochs}. Any number from {least} on is possible, also fewer than now.", epochs=epochs, least=minimum
        )
    )
    schedule = _(
        "The learning rate schedule is computed again for the new length, so the learning rate may rise before it falls again."
    )
    return NumberPrompt(
        _("How many epochs in total?"),
        f"{now}\n{schedule}",
        suggested=2 * epochs,
        minimum=minimum,
        maximum=MAX_EPOCHS,
    )
