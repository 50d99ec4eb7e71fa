"""All cards together or the best one alone, each with its time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from textual.content import Content

from tui.text import _
from tui.text.durations import rough_duration
from tui.widgets.label import Label
from tui.wizard.card_choice import CardOption


class CardChoice(Label):
    """One line for each option; the chosen one is marked. The screen switches."""

    DEFAULT_CSS = """
    CardChoice { height: auto; padding: 0 1; }
    """

    def show(self, options: Sequence[CardOption]) -> None:
        """Show the options; nothing where there are none."""
        self.display = bool(options)
        self.update(Content("\n").join(_lines(options)))


def _lines(options: Sequence[CardOption]) -> Iterator[Content]:
    for option in options:
        text = describe_card_option(option)
        if option.is_chosen:
            yield Content.styled(f"● {text}", "bold")
        else:
            yield Content.styled(f"○ {text}   " + _("M switches to it"), "$text-muted")


def describe_card_option(option: CardOption) -> str:
    """The cards and the time."""
    counts = Counter(option.cards)
    listed = ", ".join(name if count == 1 else f"{count} × {name}" for name, count in counts.items())
    if len(option.cards) == 1:
        text = _("one card: {card}", card=listed)
    else:
        text = _("all cards together (DDP): {cards}", cards=listed)
    if option.seconds is None:
        return text
    return _("{option}, about {time}", option=text, time=rough_duration(option.seconds))
