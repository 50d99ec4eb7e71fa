"""`freezetui probe`: what this machine has."""

from __future__ import annotations

from tui.commands.options import HERE, Json, Workspace
from tui.output import megabytes, print_json, print_line


def probe(workspace: Workspace = HERE, json: Json = False) -> int:
    """The hardware: processor, memory, disk, graphics cards, torch build."""
    from engine.hardware import probe as look

    hardware = look(workspace)
    if json:
        print_json(hardware.to_json())
        return 0
    processor, memory = hardware.processor, hardware.memory
    print_line(f"Processor  {processor.name}, {processor.cores} cores" + (", bf16" if processor.amx_bf16 else ""))
    print_line(f"Memory     {megabytes(memory.available)} free of {megabytes(memory.total)}")
    print_line(f"Disk       {megabytes(hardware.disk_free)} free")
    for card in hardware.cards:
        print_line(f"Card       {card.name}, {megabytes(card.memory_free)} free of {megabytes(card.memory_total)}")
    if not hardware.cards:
        print_line("Cards      none found")
    build = hardware.torch
    print_line(f"torch      {build.version}, " + (f"built for CUDA {build.cuda}" if build.cuda else "CPU build"))
    return 0
