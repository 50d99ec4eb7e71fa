"""The current state of one graphics card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from tui.text import _, translate
from tui.text.joining import join_parts
from tui.text.sizes import format_size
from tui.widgets.label import Label
from tui.widgets.meter import Meter

if TYPE_CHECKING:
    from engine.hardware import Card

SHOWN_PROCESSES = 3


class CardPanel(Vertical):
    """Memory, load, temperature, the programs that use its memory, and any reason why torch cannot use the card."""

    def __init__(self, card: Card) -> None:
        super().__init__()
        # `show` may be called before the panel is composed, so its children exist from the start.
        self._memory = Meter(_("card memory in use"))
        self._state = Label(classes="card-state")
        self._programs = Label(classes="card-programs")
        self._problem = Label(classes="card-problem")
        self.show(card)

    def compose(self) -> ComposeResult:
        """One line each."""
        yield from (self._memory, self._state, self._programs, self._problem)

    def show(self, card: Card) -> None:
        """Show a new snapshot of the card."""
        device = f"cuda:{card.cuda_index}" if card.usable else _("not usable")
        self.border_title = Content(f"{card.name}  {device}")
        self.set_class(not card.usable, "-unusable")
        share = None
        if card.memory_total and card.memory_used is not None:
            share = card.memory_used / card.memory_total
        self._memory.show(share, f"{format_size(card.memory_used)} / {format_size(card.memory_total)}")
        self._state.update(_state(card))
        self._programs.update(_programs(card))
        messages = [message for message in (card.problem, *card.notes) if message is not None]
        self._problem.update("\n".join(map(translate, messages)))
        self._problem.display = bool(messages)


def _state(card: Card) -> str:
    if card.lost:
        return _("lost: the driver cannot reach it any more")
    load = _("unknown") if card.utilisation is None else f"{card.utilisation} %"
    parts = [_("free for training {size}", size=format_size(card.memory_free)), _("load {share}", share=load)]
    if card.temperature is not None:
        parts.append(f"{card.temperature} °C")
    if card.power is not None:
        parts.append(f"{card.power:.0f} W")
    return " · ".join(parts)


def _programs(card: Card) -> str:
    """The programs that use the card's memory, largest first."""
    if card.processes is None:
        return _("the programs that use its memory are unknown")
    if not card.processes:
        return _("no program uses its memory")
    processes = sorted(card.processes, key=lambda process: -(process.memory or 0))
    programs = [
        _(
            "{program} ({pid}) {size}",
            program=process.name or _("a program"),
            pid=process.pid,
            size=format_size(process.memory),
        )
        for process in processes[:SHOWN_PROCESSES]
    ]
    if len(processes) > SHOWN_PROCESSES:
        programs.append(_("and {count} more", count=len(processes) - SHOWN_PROCESSES))
    return _("used by {programs}", programs=join_parts(*programs))
