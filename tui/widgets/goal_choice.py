"""The goals that the epochs of a preset can be adapted to, each with its time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from textual.content import Content

from engine.planning.advice import Goal
from tui.text import _, ngettext
from tui.text.durations import rough_duration
from tui.text.joining import named
from tui.widgets.label import Label
from tui.wizard.recommendation import GOAL_NAMES, GoalOption


class GoalChoice(Label):
    """One line for each goal; the chosen one is marked. The screen switches."""

    DEFAULT_CSS = """
    GoalChoice { height: auto; padding: 0 1; }
    """

    def show(self, options: Sequence[GoalOption], chosen: Goal) -> None:
        """Show the goals; nothing where there are none."""
        self.display = bool(options)
        self.update(Content("\n").join(_lines(options, chosen)))


def _lines(options: Sequence[GoalOption], chosen: Goal) -> Iterator[Content]:
    for option in options:
        text = named(_(GOAL_NAMES[option.goal]), describe_goal_option(option))
        if option.goal == chosen:
            yield Content.styled(f"● {text}", "bold")
        else:
            yield Content.styled(f"○ {text}   " + _("G switches to it"), "$text-muted")
    few_images = next((option.few_images for option in options if option.few_images is not None), None)
    if few_images is not None:
        yield Content.styled(_("With {images} training images, more images help most.", images=few_images), "$warning")


def describe_goal_option(option: GoalOption) -> str:
    """Epochs, steps and time."""
    epochs = ngettext("{count} epoch", "{count} epochs", option.epochs)
    steps = ngettext("{count} step", "{count} steps", option.steps)
    if option.seconds is None:
        return _("{epochs}, {steps}", epochs=epochs, steps=steps)
    if option.is_measured:
        return _(
            "{epochs}, {steps}, {time} as measured", epochs=epochs, steps=steps, time=rough_duration(option.seconds)
        )
    return _("{epochs}, {steps}, about {time}", epochs=epochs, steps=steps, time=rough_duration(option.seconds))
