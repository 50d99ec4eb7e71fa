"""What this machine has, live, and what is recommended on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widget import Widget

from tui.screens.base import WizardScreen
from tui.text import N_, _, ngettext, translate
from tui.text.sizes import gibibytes, gigabytes
from tui.widgets.card_panel import CardPanel
from tui.widgets.label import Label
from tui.widgets.meter import Meter

if TYPE_CHECKING:
    from engine.hardware import Hardware


class HardwareScreen(WizardScreen):
    """Cards, processor, memory, disk, torch; looked at about once a second."""

    place: ClassVar[str] = "hardware"
    heading: ClassVar[str] = N_("What this machine has")
    reason: ClassVar[str] = N_("Memory decides how many pictures one step may hold, so it comes first.")

    BINDINGS: ClassVar[list[BindingType]] = [Binding("r", "runs", N_("runs"))]

    def __init__(self) -> None:
        super().__init__()
        self._panels: list[CardPanel] = []
        """Of the cards of the last look; those of lost cards may still be on their way out of the screen."""

    def compose_body(self) -> Iterator[Widget]:
        """Panels; cards join them as they are found."""
        with Vertical(id="cards"):
            yield Label(_("Looking ..."), id="looking")
        with Vertical(id="machine") as machine:
            machine.border_title = _("This machine")
            yield Label(id="processor")
            yield Meter(_("memory in use"), id="memory")
            yield Label(id="disk")
        with Vertical(id="software") as software:
            software.border_title = "torch"
            yield Label(id="build")
            yield Label(id="driver")
            yield Label(id="sentences")

    def show_hardware(self, hardware: Hardware) -> None:
        """Show another look."""
        self.query_one("#looking").display = False
        self._show_cards(hardware)
        self._show_machine(hardware)
        self._show_software(hardware)
        self.suggest(recommendation(hardware))

    def _show_cards(self, hardware: Hardware) -> None:
        for card, panel in zip(hardware.cards, self._panels, strict=False):
            panel.show(card)
        while len(self._panels) > len(hardware.cards):
            self._panels.pop().remove()
        joining = [CardPanel(card) for card in hardware.cards[len(self._panels) :]]
        self._panels += joining
        cards = self.query_one("#cards")
        cards.mount_all(joining)
        cards.set_class(len(self._panels) == 1, "-one")
        for number, panel in enumerate(self._panels):
            panel.set_class(number == len(self._panels) - 1 and number % 2 == 0, "-alone")

    def _show_machine(self, hardware: Hardware) -> None:
        processor, memory = hardware.processor, hardware.memory
        cores = ngettext("{count} core", "{count} cores", processor.cores)
        fast = "  ·  " + _("fast in bf16") if processor.amx_bf16 else ""
        self.query_one("#processor", Label).say(
            _("processor  {name}, {cores}", name=processor.name, cores=cores) + fast
        )
        used = memory.total - memory.available
        limited = "  " + _("(limit of this container)") if memory.limited else ""
        self.query_one("#memory", Meter).show(
            used / memory.total if memory.total else None,
            f"{gibibytes(used)} / {gibibytes(memory.total)}{limited}",
        )
        self.query_one("#disk", Label).say(_("disk  {size} free", size=gigabytes(hardware.disk_free)))

    def _show_software(self, hardware: Hardware) -> None:
        self.query_one("#build", Label).say(_build(hardware))
        driver = hardware.driver
        shown = ""
        if driver.problem is None:
            cuda = _("unknown") if driver.cuda is None else "{}.{}".format(*driver.cuda)
            shown = _("driver  NVIDIA {version}, CUDA up to {cuda}", version=driver.version or _("unknown"), cuda=cuda)
        self.query_one("#driver", Label).say(shown)
        self.query_one("#driver").display = bool(shown)
        found = [driver.problem, *driver.notes, *hardware.notes]
        sentences = [translate(message) for message in found if message is not None]
        self.query_one("#sentences", Label).say("\n".join(sentences))
        self.query_one("#sentences").display = bool(sentences)


def _build(hardware: Hardware) -> str:
    build = hardware.torch
    if build.version is None:
        return _("torch is not installed")
    if build.cuda:
        return _("{version}, built for CUDA {cuda}", version=build.version, cuda=build.cuda)
    if build.hip:
        return _("{version}, built for AMD cards", version=build.version)
    if build.mps:
        return _("{version}, with Apple's graphics", version=build.version)
    return _("{version}, without CUDA: it trains on the processor", version=build.version)


def recommendation(hardware: Hardware) -> str:
    """One sentence: what will train, and what suits it."""
    if hardware.usable_cards:
        # What is free now decides, not what the maker printed on the box.
        best = max(hardware.usable_cards, key=lambda card: card.memory_free or 0)
        return _(
            "Recommended: train on {card} ({size} free now).",
            card=best.name,
            size=gibibytes(best.memory_free),
        )
    if hardware.torch.mps:
        return _("Recommended: train on Apple's graphics.")
    return _("Recommended: train on the processor, with the small network yolov4-tiny and a quick preset.")
