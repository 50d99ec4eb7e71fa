"""What NVML tells of one card, and the sentences for what it does not tell."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psutil
import pynvml

from engine.hardware.snapshot import Card, CardProcess
from engine.messages import Message, joined, marked, phrase

T = TypeVar("T")

_LOST = frozenset((pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_RESET_REQUIRED, pynvml.NVML_ERROR_GPU_NOT_FOUND))

_REASONS = {
    pynvml.NVML_ERROR_NOT_SUPPORTED: marked("not supported by this card"),
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND: marked("not supported by this driver"),
    pynvml.NVML_ERROR_NO_PERMISSION: marked("no permission"),
    pynvml.NVML_ERROR_TIMEOUT: marked("no answer in time"),
}
"""In words for people; every other error in NVML's own."""

_NO_TEXT = marked("its answer is no text")


@dataclass(slots=True)
class Told:
    """Questions and what came of them: `unanswered` lists, for each reason of the driver, what it did not tell."""

    unanswered: dict[str, list[str]] = field(default_factory=dict)
    lost: bool = False

    def ask(self, what: str, question: Callable[[], T]) -> T | None:
        """The answer; None, and a note of it, where there is none. A lost card is not asked again."""
        if self.lost:
            return None
        try:
            return question()
        except pynvml.NVMLError as error:
            self.lost = error.value in _LOST
            self.unanswered.setdefault(reason_of(error), []).append(what)
        except UnicodeDecodeError:  # drivers under WSL have answered with bytes that are no text
            self.unanswered.setdefault(_NO_TEXT, []).append(what)
        return None

    def notes(self, who: str) -> tuple[Message, ...]:
        """One sentence for each reason."""
        return tuple(
            Message(
                "hardware.not_told",
                "{who} does not tell {what} ({reason}).",
                {"who": phrase(who), "what": joined([phrase(one) for one in what]), "reason": said(reason)},
            )
            for reason, what in self.unanswered.items()
        )


def reason_of(error: Any) -> str:
    """Why NVML refused."""
    return _REASONS.get(error.value) or str(error)


def said(reason: str) -> Message | str:
    """A reason as a value of a message: ours can be translated, NVML's own stays as it is."""
    return phrase(reason) if reason in (*_REASONS.values(), _NO_TEXT) else reason


def ask_card(number: int, handle: Any, uuid: str | None, known: Card | None, told: Told) -> Card:
    """One card's answers. What cannot change is taken from `known`, the same card at an earlier look."""
    name = known.name if known else told.ask("its name", lambda: str(pynvml.nvmlDeviceGetName(handle)))
    name = name or f"NVIDIA card {number}"
    capability = known.capability if known else None
    if capability is None:
        capability = told.ask(
            "its compute capability", lambda: _pair(pynvml.nvmlDeviceGetCudaComputeCapability(handle))
        )
    memory = told.ask("its memory", lambda: pynvml.nvmlDeviceGetMemoryInfo(handle))
    if memory is not None and memory.total == 0:
        memory = None  # a card that shares the machine's memory
    known_total = known.memory_total if known and told.lost else None
    return Card(
        number=number,
        name=name,
        uuid=uuid,
        memory_total=known_total if memory is None else int(memory.total),
        memory_free=None if memory is None else int(memory.free),
        memory_used=None if memory is None else int(memory.used),
        processes=told.ask("who uses it", lambda: _processes(handle)),
        utilisation=told.ask("its utilisation", lambda: int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)),
        temperature=told.ask(
            "its temperature", lambda: int(pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU))
        ),
        power=told.ask("its power", lambda: pynvml.nvmlDeviceGetPowerUsage(handle) / 1000),  # NVML: milliwatts
        capability=capability,
        notes=told.notes(name) + _slices(name, handle, told),
    )


def speed(handle: Any) -> int | None:
    """Arithmetic units times their highest clock in MHz; old drivers do not tell."""
    with suppress(pynvml.NVMLError):
        clock = pynvml.nvmlDeviceGetMaxClockInfo(handle, pynvml.NVML_CLOCK_SM)
        return int(pynvml.nvmlDeviceGetNumGpuCores(handle)) * int(clock)
    return None


def lost_card(card: Card) -> Card:
    """What stays true of a card that no longer answers."""
    return Card(
        number=card.number,
        name=card.name,
        uuid=card.uuid,
        memory_total=card.memory_total,
        capability=card.capability,
        lost=True,
        problem=Message(
            "hardware.card_lost",
            "{card} no longer answers: it has fallen off the bus, or its driver was unloaded; restart the machine.",
            {"card": card.name},
        ),
    )


def silent_card(card: Card, reason: str) -> Card:
    """A card that is there, and of which the driver tells nothing."""
    return Card(
        number=card.number,
        name=card.name,
        uuid=card.uuid,
        capability=card.capability,
        problem=Message(
            "hardware.card_silent",
            "{card}: the driver tells nothing about it ({reason}); ask whoever runs this machine for access to it.",
            {"card": card.name, "reason": said(reason)},
        ),
    )


def _processes(handle: Any) -> tuple[CardProcess, ...]:
    """Everyone who holds memory of the card; who both computes and draws is listed once, with the larger figure."""
    found: dict[int, CardProcess] = {}
    for graphics, question in ((False, "Compute"), (True, "Graphics")):
        for process in _running(handle, question):
            pid = int(process.pid)
            memory = None if process.usedGpuMemory is None else int(process.usedGpuMemory)
            if pid in found and (before := found[pid].memory) is not None:
                memory = max(before, memory or 0)
            found[pid] = CardProcess(pid, _program(pid), memory, graphics)
    return tuple(found.values())


def _running(handle: Any, question: str) -> list[Any]:
    """The third form of the question, or the second with a driver that is too old for it."""
    try:
        return list(getattr(pynvml, f"nvmlDeviceGet{question}RunningProcesses_v3")(handle))
    except pynvml.NVMLError as error:
        if error.value != pynvml.NVML_ERROR_FUNCTION_NOT_FOUND:
            raise
        return list(getattr(pynvml, f"nvmlDeviceGet{question}RunningProcesses_v2")(handle))


def _program(pid: int) -> str | None:
    with suppress(psutil.Error, ValueError):
        return psutil.Process(pid).name()
    return None


def _slices(card: str, handle: Any, told: Told) -> tuple[Message, ...]:
    """A card that is cut into slices (MIG): a process gets one of them, and the figures are of the whole."""
    if told.lost:
        return ()
    with suppress(pynvml.NVMLError):
        if pynvml.nvmlDeviceGetMigMode(handle)[0] == 1:
            return (
                Message(
                    "hardware.sliced",
                    "{card} is cut into slices (MIG): one training gets one slice, and the figures shown are of the "
                    "whole card.",
                    {"card": card},
                ),
            )
    return ()


def _pair(version: Any) -> tuple[int, int]:
    major, minor = version
    return int(major), int(minor)
