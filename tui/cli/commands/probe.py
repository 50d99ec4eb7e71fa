"""`freezetui probe`: what this machine has, what torch can use of it, and what to mend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.cli.console import megabytes, print_json, print_line, print_table
from tui.cli.options import HERE, Json, Workspace

if TYPE_CHECKING:
    from engine.hardware import Card, Hardware

UNKNOWN = "unknown"


def probe(workspace: Workspace = HERE, json: Json = False) -> int:
    """The hardware: processor, memory, disk, graphics cards, torch build."""
    from engine.hardware import probe as look

    hardware = look(workspace)
    if json:
        print_json(hardware.to_json())
        return 0
    _print_machine(hardware)
    if hardware.cards:
        _print_cards(hardware)
    for message in hardware.messages:
        print_line(f"\n{message}")
    return 0


def _print_machine(hardware: Hardware) -> None:
    processor, memory, build, driver = hardware.processor, hardware.memory, hardware.torch, hardware.driver
    fast = ", fast in bf16" if processor.amx_bf16 else ""
    limited = ", a limit of this container or session" if memory.limited else ""
    kind = f"built for CUDA {build.cuda}" if build.cuda else "built for AMD cards" if build.hip else "without CUDA"
    apple = ", with Apple's graphics" if build.mps else ""
    print_line(f"Processor  {processor.name}, {_cores(processor.cores)}{fast}")
    print_line(f"Memory     {megabytes(memory.available)} free of {megabytes(memory.total)}{limited}")
    print_line(f"Disk       {_size(hardware.disk_free)} free")
    print_line("torch      not installed" if build.version is None else f"torch      {build.version}, {kind}{apple}")
    if driver.problem is None:
        cuda = UNKNOWN if driver.cuda is None else "{}.{}".format(*driver.cuda)
        print_line(f"Driver     NVIDIA {driver.version or UNKNOWN}, CUDA up to {cuda}")
    if not hardware.cards:
        print_line("Cards      none")


def _print_cards(hardware: Hardware) -> None:
    print_line()
    print_table(("torch", "card", "free memory", "now", "used by"), (_row(card) for card in hardware.cards))


def _row(card: Card) -> tuple[str, ...]:
    capability = "" if card.capability is None else ", capability {}.{}".format(*card.capability)
    now = (
        UNKNOWN + " load" if card.utilisation is None else f"{card.utilisation} %",
        None if card.temperature is None else f"{card.temperature} °C",
        None if card.power is None else f"{card.power:.0f} W",
    )
    return (
        f"cuda:{card.cuda_index}" if card.usable else "no",
        card.name + capability,
        f"{_gibibytes(card.memory_free)} of {_gibibytes(card.memory_total)}",
        "lost" if card.lost else ", ".join(part for part in now if part is not None),
        _users(card),
    )


def _users(card: Card) -> str:
    """The programs that hold the card's memory, the largest first."""
    if card.processes is None:
        return UNKNOWN
    if not card.processes:
        return "nobody"
    ordered = sorted(card.processes, key=lambda process: -(process.memory or 0))
    return ", ".join(
        f"{process.name or process.pid}" + ("" if process.memory is None else f" {_gibibytes(process.memory)}")
        for process in ordered
    )


def _cores(count: int) -> str:
    return "1 core" if count == 1 else f"{count} cores"


def _gibibytes(size: int | None) -> str:
    """Memory of cards, which their makers count in powers of two."""
    return UNKNOWN if size is None else f"{size / 2**30:.1f} GiB"


def _size(size: int | None) -> str:
    return UNKNOWN if size is None else megabytes(size)
