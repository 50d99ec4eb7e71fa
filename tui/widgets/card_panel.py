"""One graphics card as it is now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from tui.text import _, translate
from tui.text.sizes import gibibytes
from tui.widgets.label import Label
from tui.widgets.meter import Meter

if TYPE_CHECKING:
    from engine.hardware import Card

SHOWN_PROCESSES = 3


class CardPanel(Vertical):
    """Memory, load, temperature, who holds memory, and why torch cannot use the card where it cannot."""

    def __init__(self, card: Card) -> None:
        """`card` as it is when the panel is made."""
        super().__init__()
        # Looks may follow each other faster than the panel is composed, so its lines are there from the first.
        self._memory = Meter(_("card memory in use"))
        self._now = Label(classes="card-now")
        self._holders = Label(classes="card-processes")
        self._problem = Label(classes="card-problem")
        self.show(card)

    def compose(self) -> ComposeResult:
        """The lines of the card."""
        yield from (self._memory, self._now, self._holders, self._problem)

    def show(self, card: Card) -> None:
        """Show another moment of the card."""
        where = f"cuda:{card.cuda_index}" if card.usable else _("not usable")
        self.border_title = Content(f"{card.name}  {where}")
        self.set_class(not card.usable, "-unusable")
        share = None
        if card.memory_total and card.memory_used is not None:
            share = card.memory_used / card.memory_total
        self._memory.show(share, f"{gibibytes(card.memory_used)} / {gibibytes(card.memory_total)}")
        self._now.say(_now(card))
        self._holders.say(_holders(card))
        sentences = [message for message in (card.problem, *card.notes) if message is not None]
        self._problem.say("\n".join(translate(message) for message in sentences))
        self._problem.display = bool(sentences)


def _now(card: Card) -> str:
    if card.lost:
        return _("lost: the driver no longer reaches it")
    load = _("unknown") if card.utilisation is None else f"{card.utilisation} %"
    parts = [_("free for training {size}", size=gibibytes(card.memory_free)), _("load {share}", share=load)]
    if card.temperature is not None:
        parts.append(f"{card.temperature} °C")
    if card.power is not None:
        parts.append(f"{card.power:.0f} W")
    return " · ".join(parts)


def _holders(card: Card) -> str:
    """The programs that hold the card's memory, the largest first."""
    if card.processes is None:
        return _("who uses its memory cannot be known")
    if not card.processes:
        return _("no program uses its memory")
    ordered = sorted(card.processes, key=lambda process: -(process.memory or 0))
    named = [
        _("{program} ({pid}) {size}", program=one.name or _("a program"), pid=one.pid, size=gibibytes(one.memory))
        for one in ordered[:SHOWN_PROCESSES]
    ]
    if len(ordered) > SHOWN_PROCESSES:
        named.append(_("and {count} more", count=len(ordered) - SHOWN_PROCESSES))
    return _("used by {programs}", programs=", ".join(named))
