"""The hardware of this machine, live, and what it suits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

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

if TYPE_CHECKING:
    from engine.hardware import Hardware
    from tui.workers.wizard_protocol import Wizard


class HardwareScreen(WizardScreen):
    """Cards, processor, memory, disk and torch, updated about once a second."""

    screen_name: ClassVar[str] = "hardware"
    heading: ClassVar[str] = N_("Hardware of this machine")
    reason: ClassVar[str] = N_("Free memory limits the batch size, so it is checked first.")

    BINDINGS: ClassVar[list[BindingType]] = [Binding("r", "runs", N_("runs"))]

    _detecting = getters.query_one("#detecting", Label)
    _cards = getters.query_one("#cards", Vertical)
    _processor = getters.query_one("#processor", Label)
    _memory = getters.query_one("#memory", Meter)
    _disk = getters.query_one("#disk", Label)
    _torch_build = getters.query_one("#torch-build", Label)
    _driver = getters.query_one("#driver", Label)
    _notes = getters.query_one("#notes", Label)

    def __init__(self, wizard: Wizard) -> None:
        super().__init__(wizard)
        self._card_panels: list[CardPanel] = []
        """Not a query: a panel that is being removed is still in the DOM."""

    def compose_body(self) -> Iterator[Widget]:
        """Empty panels; those of cards are added when the hardware is known."""
        with Vertical(id="cards"):
            yield Label(_("Detecting the hardware ..."), id="detecting")
        with Vertical(id="machine") as machine:
            machine.border_title = _("This machine")
            yield Label(id="processor")
            yield Meter(_("memory in use"), id="memory")
            yield Label(id="disk")
        with Vertical(id="software") as software:
            software.border_title = "torch"
            yield Label(id="torch-build")
            yield Label(id="driver")
            yield Label(id="notes")

    def show_hardware(self, hardware: Hardware) -> None:
        """Update all panels."""
        self._detecting.display = False
        self._show_cards(hardware)
        self._show_machine(hardware)
        self._show_software(hardware)
        self.show_hint(recommendation(hardware))

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


def recommendation(hardware: Hardware) -> str:
    """One sentence: the recommended device."""
    card = hardware.best_card()
    if card is not None:
        return _("Recommended: train on {card} ({size} free now).", card=card.name, size=format_size(card.memory_free))
    if hardware.torch.mps:
        return _("Recommended: train on the Apple GPU.")
    from engine.network.registry import lightest_network  # imports psutil: not before the first paint

    return _(
        "Recommended: train on the processor, with the small network {network} and a quick preset.",
        network=lightest_network(),
    )
