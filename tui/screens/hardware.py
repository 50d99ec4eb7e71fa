"""The hardware of this machine, live, and what it suits."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from copy import copy
from typing import TYPE_CHECKING, ClassVar, Final

from rich.cells import cell_len
from textual import getters
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widget import Widget

from tui.screens.base import WizardScreen
from tui.text import N_, _, ngettext, translate
from tui.text.hardware import torch_build_text
from tui.text.sizes import format_size
from tui.widgets.card_panel import CardPanel
from tui.widgets.label import Label
from tui.widgets.meter import Meter
from tui.widgets.times_table import TimesTable
from tui.wizard.steps import SCREEN_TITLES
from tui.workers.latest_query import LatestQuery

if TYPE_CHECKING:
    from pathlib import Path

    from engine.hardware import Hardware
    from tui.wizard.state import WizardState
    from tui.wizard.training_times import TrainingTimes
    from tui.workers.wizard_protocol import Wizard

NEXT_STEPS: Final = {
    "data": N_("the folder of your labelled images, and what is wrong in it"),
    "weights": N_("what the training starts from; missing weights are downloaded"),
    "recipe": N_("one of the presets; the recommended one is first"),
    "tune": N_("every setting, with its effect on memory and time"),
    "review": N_("the whole plan on one page; Enter starts the training"),
    "train": N_("loss and mAP while it trains; pause, stop, resume"),
    "results": N_("what the network detects, and what to do next"),
}
"""What the other screens are for."""


class HardwareScreen(WizardScreen):
    """Cards, processor, memory, disk and torch, updated about once a second."""

    screen_name: ClassVar[str] = "hardware"
    heading: ClassVar[str] = N_("Hardware of this machine")
    reason: ClassVar[str] = N_("Free memory limits the batch size, so it is checked first.")

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "runs", N_("runs")),
        Binding("down,pagedown", "scroll(1)", show=False),
        Binding("up,pageup", "scroll(-1)", show=False),
    ]

    _detecting = getters.query_one("#detecting", Label)
    _cards = getters.query_one("#cards", Vertical)
    _processor = getters.query_one("#processor", Label)
    _memory = getters.query_one("#memory", Meter)
    _disk = getters.query_one("#disk", Label)
    _torch_build = getters.query_one("#torch-build", Label)
    _driver = getters.query_one("#driver", Label)
    _notes = getters.query_one("#notes", Label)
    _times = getters.query_one(TimesTable)

    def __init__(self, wizard: Wizard) -> None:
        super().__init__(wizard)
        self._card_panels: list[CardPanel] = []
        """Not a query: a panel that is being removed is still in the DOM."""
        self._times_query = LatestQuery(self, _training_times, self._show_times, None)
        self._timed_device: str | None = None
        """The device of the latest request for times."""

    def compose_body(self) -> Iterator[Widget]:
        """Empty panels; those of cards are added when the hardware is known."""
        with Vertical(id="cards"):
            yield Label(_("Detecting the hardware ..."), id="detecting")
        with Vertical(id="machine") as machine:
            machine.border_title = _("This machine")
            yield Label(id="processor")
            yield Meter(_("memory in use"), id="memory")
            yield Label(id="disk")
        yield TimesTable()
        with Vertical(id="software") as software:
            software.border_title = "torch"
            yield Label(id="torch-build")
            yield Label(id="driver")
            yield Label(id="notes")
        with Vertical(id="next-steps") as steps:
            steps.border_title = _("The next steps")
            titles = [_(SCREEN_TITLES[name]) for name in NEXT_STEPS]
            width = max(map(cell_len, titles))
            for title, text in zip(titles, NEXT_STEPS.values(), strict=True):
                yield Label(f"{title}{' ' * (width - cell_len(title))}  {_(text)}")

    def show_hardware(self, hardware: Hardware) -> None:
        """Update all panels."""
        self._detecting.display = False
        self._show_cards(hardware)
        self._show_machine(hardware)
        self._show_software(hardware)
        self.show_hint(recommendation(hardware))
        self._request_times(hardware)

    def help_text(self) -> str:
        """What the panels mean, and what to do about a card that cannot be used."""
        live = _("The numbers are those of this moment. What other programs release can be used at once.")
        card = _(
            "A card trains ten to a hundred times faster than the processor. Where torch cannot use a card, the panel of torch "
            "says why, with the command that changes it; restart freezetui after it."
        )
        memory = _(
            "A batch must fit into the free memory: of the card, or of the machine if the processor trains. The wizard chooses "
            "batch sizes that fit."
        )
        times = _(
            "The times are estimates, right within a factor of about three, for the recommended preset or the one that you chose. "
            "Tune measures the first steps and knows better."
        )
        keys = _("Enter goes to the next step, R shows all runs so far, Ctrl+P opens the menu with language and theme.")
        return "\n\n".join((live, card, memory, times, keys))

    def action_scroll(self, direction: int) -> None:
        """Scroll the panels if they do not fit: no widget has the focus here."""
        self.body.scroll_relative(y=direction * max(1, self.body.size.height // 2), animate=False)

    def _request_times(self, hardware: Hardware) -> None:
        """Estimate times in a thread when the device is known or is another one; not while a training needs the processor."""
        card = hardware.best_card()
        device = "mps" if card is None and hardware.torch.mps else "cpu" if card is None else card.name
        if device == self._timed_device or self.wizard.is_training:
            return
        self._timed_device = device
        state = copy(self.state)
        state.settings = dict(state.settings)
        self._times_query.submit((state, hardware, self.wizard.workspace))

    def _show_times(self, times: TrainingTimes | None) -> None:
        self._times.show(times)

    def _show_cards(self, hardware: Hardware) -> None:
        for card, panel in zip(hardware.cards, self._card_panels, strict=False):
            panel.show(card)
        while len(self._card_panels) > len(hardware.cards):
            self._card_panels.pop().remove()
        new_panels = [CardPanel(card) for card in hardware.cards[len(self._card_panels) :]]
        self._card_panels += new_panels
        self._cards.mount_all(new_panels)
        self._cards.set_class(len(self._card_panels) == 1, "-one")
        for index, panel in enumerate(self._card_panels):
            panel.set_class(index == len(self._card_panels) - 1 and index % 2 == 0, "-alone")

    def _show_machine(self, hardware: Hardware) -> None:
        processor, memory = hardware.processor, hardware.memory
        cores = ngettext("{count} core", "{count} cores", processor.cores)
        bf16 = "  ·  " + _("fast in bf16") if processor.amx_bf16 else ""
        self._processor.update(_("processor  {name}, {cores}", name=processor.name, cores=cores) + bf16)
        used = memory.total - memory.available
        limit = "  " + _("(limit of this container)") if memory.limited else ""
        self._memory.show(
            used / memory.total if memory.total else None,
            f"{format_size(used)} / {format_size(memory.total)}{limit}",
        )
        self._disk.update(_("disk  {size} free", size=format_size(hardware.disk_free)))

    def _show_software(self, hardware: Hardware) -> None:
        self._torch_build.update(torch_build_text(hardware.torch))
        driver = hardware.driver
        self._driver.display = driver.problem is None
        if driver.problem is None:
            cuda = _("unknown") if driver.cuda is None else "{}.{}".format(*driver.cuda)
            version = driver.version or _("unknown")
            self._driver.update(_("driver  NVIDIA {version}, CUDA up to {cuda}", version=version, cuda=cuda))
        messages = [driver.problem, *driver.notes, *hardware.notes]
        notes = [translate(message) for message in messages if message is not None]
        self._notes.update("\n".join(notes))
        self._notes.display = bool(notes)


def _training_times(request: tuple[WizardState, Hardware, Path]) -> TrainingTimes | None:
    """In a thread: what it imports would delay the first screen."""
    from tui.wizard.training_times import training_times

    return training_times(*request)


def recommendation(hardware: Hardware) -> str:
    """One sentence: the recommended device."""
    card, together = hardware.best_card(), hardware.cards_together
    if len(together) > 1 and sys.platform != "win32":
        free = min((each.memory_free for each in together if each.memory_free is not None), default=None)
        return _(
            "Recommended: train on {count} cards together ({size} or more free on each); Recipe offers it.",
            count=len(together),
            size=format_size(free),
        )
    if card is not None:
        return _("Recommended: train on {card} ({size} free now).", card=card.name, size=format_size(card.memory_free))
    if hardware.torch.mps:
        return _("Recommended: train on the Apple GPU.")
    from engine.network.registry import lightest_network  # imports psutil: not before the first paint

    return _(
        "Recommended: train on the processor, with the small network {network} and a quick preset.",
        network=lightest_network(),
    )
