"""`freezetui probe`: the hardware, what torch can use of it, and how to fix the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.messages import printable
from tui.cli.console import print_json, print_line, print_table
from tui.cli.options import HERE, Json, Workspace
from tui.text import _, ngettext, translate
from tui.text.hardware import torch_build_text
from tui.text.joining import join_parts
from tui.text.sizes import format_size

if TYPE_CHECKING:
    from engine.hardware import Card, Hardware


def probe(workspace: Workspace = HERE, json: Json = False) -> int:
    """Print the hardware of this machine."""
    from engine.hardware import probe as probe_hardware

    hardware = probe_hardware(workspace)
    if json:
        print_json(hardware.to_json())
        return 0
    _print_machine(hardware)
    if hardware.cards:
        _print_cards(hardware)
    for message in hardware.messages:
        print_line(f"\n{translate(message)}")
    return 0


def _print_machine(hardware: Hardware) -> None:
    processor, memory, driver = hardware.processor, hardware.memory, hardware.driver
    cores = ngettext("{count} core", "{count} cores", processor.cores)
    fast = [_("fast in bf16")] if processor.amx_bf16 else []
    limited = " " + _("(limit of this container)") if memory.limited else ""
    sizes = {"free": format_size(memory.available), "total": format_size(memory.total)}
    rows = [
        (_("Processor"), join_parts(processor.name, cores, *fast)),
        (_("Memory"), _("{free} free of {total}", **sizes) + limited),
        (_("Disk"), _("{size} free", size=format_size(hardware.disk_free))),
        ("torch", torch_build_text(hardware.torch)),
    ]
    if driver.problem is None:
        cuda = _("unknown") if driver.cuda is None else "{}.{}".format(*driver.cuda)
        version = driver.version or _("unknown")
        rows.append((_("Driver"), _("NVIDIA {version}, CUDA up to {cuda}", version=version, cuda=cuda)))
    if not hardware.cards:
        rows.append((_("Cards"), _("none")))
    _print_rows(rows)


def _print_rows(rows: list[tuple[str, str]]) -> None:
    """Labels and texts in two columns; a Chinese character is two columns wide."""
    from rich.cells import cell_len

    width = max(cell_len(label) for label, _text in rows)
    for label, text in rows:
        print_line(label + " " * (width - cell_len(label) + 2) + printable(text))


def _print_cards(hardware: Hardware) -> None:
    print_line()
    header = ("torch", _("card"), _("free memory"), _("now"), _("used by"))
    print_table(header, (_row(card) for card in hardware.cards))


def _row(card: Card) -> tuple[str, ...]:
    capability = (
        None if card.capability is None else _("capability {version}", version="{}.{}".format(*card.capability))
    )
    return (
        f"cuda:{card.cuda_index}" if card.usable else _("not usable"),
        join_parts(card.name, capability),
        _("{free} of {total}", free=format_size(card.memory_free), total=format_size(card.memory_total)),
        _("lost") if card.lost else _load(card),
        _programs(card),
    )


def _load(card: Card) -> str:
    load = _("load unknown") if card.utilisation is None else f"{card.utilisation} %"
    temperature = [] if card.temperature is None else [f"{card.temperature} °C"]
    power = [] if card.power is None else [f"{card.power:.0f} W"]
    return join_parts(load, *temperature, *power)


def _programs(card: Card) -> str:
    """The programs that use the card's memory, the largest first."""
    if card.processes is None:
        return _("unknown")
    if not card.processes:
        return _("no program")
    ordered = sorted(card.processes, key=lambda process: -(process.memory or 0))
    return join_parts(
        *(
            f"{process.name or process.pid}" + ("" if process.memory is None else f" {format_size(process.memory)}")
            for process in ordered
        )
    )
