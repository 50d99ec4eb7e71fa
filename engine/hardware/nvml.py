"""NVIDIA's cards through NVML (nvidia-ml-py). Every failure becomes a sentence; no CUDA context is created."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import psutil
import pynvml

from engine.hardware.cuda_order import CardIdentity
from engine.hardware.snapshot import Card, CardProcess, Driver
from engine.messages import Message

T = TypeVar("T")

_LOST = frozenset(
    (
        pynvml.NVML_ERROR_GPU_IS_LOST,
        pynvml.NVML_ERROR_RESET_REQUIRED,
        pynvml.NVML_ERROR_GPU_NOT_FOUND,
        pynvml.NVML_ERROR_NOT_FOUND,
    )
)

_REASONS = {
    pynvml.NVML_ERROR_NOT_SUPPORTED: "not supported by this card",
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND: "not supported by this driver",
    pynvml.NVML_ERROR_NO_PERMISSION: "no permission",
    pynvml.NVML_ERROR_TIMEOUT: "no answer in time",
    pynvml.NVML_ERROR_GPU_IS_LOST: "the card has fallen off the bus",
}
"""For people; every other error in NVML's own words."""


@dataclass(slots=True)
class _Told:
    """The answers of one card, and which questions it did not answer, by the driver's reason."""

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
            self.unanswered.setdefault(_reason(error), []).append(what)
        except UnicodeDecodeError:  # seen with drivers under WSL
            self.unanswered.setdefault("its answer is no text", []).append(what)
        return None

    def notes(self, card: str) -> tuple[Message, ...]:
        """One sentence for each reason."""
        return tuple(
            Message(
                "hardware.not_told",
                "{card}: the driver does not tell {what} ({reason}).",
                {"card": card, "what": ", ".join(what), "reason": reason},
            )
            for reason, what in self.unanswered.items()
        )


class Nvml:
    """A connection that lasts: opened at the first look, and again at the next one after it broke."""

    def __init__(self) -> None:
        self._open = False
        self._seen: dict[int, Card] = {}  # by number, as they were when they last answered
        self._identities: dict[int, CardIdentity] = {}

    def look(self) -> tuple[Driver, tuple[Card, ...]]:
        """Driver and cards as they are now. A card seen before that has gone is still listed, as lost."""
        try:
            if not self._open:
                pynvml.nvmlInit()
                self._open = True
            driver = _driver()
            count = int(pynvml.nvmlDeviceGetCount())
        except pynvml.NVMLError as error:
            self.close()
            return Driver(problem=_no_connection(error)), tuple(_lost(card) for card in self._seen.values())
        numbers = sorted({*range(count), *self._seen})
        return driver, tuple(self._card(number) for number in numbers)

    def identities(self) -> tuple[CardIdentity, ...]:
        """What CUDA's order depends on, of the cards of the last look."""
        return tuple(self._identities[number] for number in sorted(self._identities))

    def close(self) -> None:
        """Let go of the driver."""
        if self._open:
            with suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()
        self._open = False

    def _card(self, number: int) -> Card:
        told = _Told()
        known = self._seen.get(number)
        handle = told.ask("the card", lambda: pynvml.nvmlDeviceGetHandleByIndex(number))
        if handle is None:
            if known is not None:
                return _lost(known)
            nameless = Card(number=number, name=f"NVIDIA card {number}", lost=told.lost)
            self._identities[number] = CardIdentity(nameless.name, None, None)
            if told.lost:
                return _lost(nameless)
            return replace(nameless, problem=_silent(nameless.name, next(iter(told.unanswered))))
        card = _ask_card(number, handle, known, told)
        if number not in self._identities or known is None or known.uuid != card.uuid:
            self._identities[number] = CardIdentity(card.name, card.uuid, None if card.lost else _speed(handle))
        if card.lost:
            return _lost(known or card)
        self._seen[number] = card
        return card


def _ask_card(number: int, handle: Any, known: Card | None, told: _Told) -> Card:
    """One card's answers. What cannot change is asked once for each card, which its UUID tells apart."""
    uuid = told.ask("its UUID", lambda: str(pynvml.nvmlDeviceGetUUID(handle)))
    same = known if known is not None and uuid is not None and known.uuid == uuid else None
    name = same.name if same else told.ask("its name", lambda: str(pynvml.nvmlDeviceGetName(handle)))
    name = name or f"NVIDIA card {number}"
    capability = same.capability if same else None
    if capability is None:
        capability = told.ask(
            "its compute capability", lambda: _pair(pynvml.nvmlDeviceGetCudaComputeCapability(handle))
        )
    memory = told.ask("its memory", lambda: pynvml.nvmlDeviceGetMemoryInfo(handle))
    processes = told.ask("who uses it", lambda: _processes(handle))
    utilisation = told.ask("its utilisation", lambda: int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu))
    temperature = told.ask(
        "its temperature", lambda: int(pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU))
    )
    power = told.ask("its power", lambda: pynvml.nvmlDeviceGetPowerUsage(handle) / 1000)  # NVML: milliwatts
    has_memory = memory is not None and memory.total > 0
    return Card(
        number=number,
        name=name,
        uuid=uuid,
        memory_total=int(memory.total) if memory is not None and has_memory else None,
        memory_free=int(memory.free) if memory is not None and has_memory else None,
        memory_used=int(memory.used) if memory is not None and has_memory else None,
        processes=processes,
        utilisation=utilisation,
        temperature=temperature,
        power=power,
        capability=capability,
        lost=told.lost,
        notes=told.notes(name) + _slices(name, handle, told),
    )


def _processes(handle: Any) -> tuple[CardProcess, ...]:
    """Everyone who holds memory of the card; a program that both computes and draws is listed once, with the larger figure."""
    found: dict[int, CardProcess] = {}
    for graphics, question in ((False, "Compute"), (True, "Graphics")):
        for process in _running(handle, question):
            memory = None if process.usedGpuMemory is None else int(process.usedGpuMemory)
            before = found.get(process.pid)
            if before is not None and before.memory is not None:
                memory = max(before.memory, memory or 0)
            found[process.pid] = CardProcess(int(process.pid), _program(process.pid), memory, graphics)
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
    with suppress(psutil.Error):
        return psutil.Process(pid).name()
    return None


def _speed(handle: Any) -> int | None:
    """Arithmetic units times their highest clock in MHz; old drivers do not tell."""
    with suppress(pynvml.NVMLError):
        clock = pynvml.nvmlDeviceGetMaxClockInfo(handle, pynvml.NVML_CLOCK_SM)
        return int(pynvml.nvmlDeviceGetNumGpuCores(handle)) * int(clock)
    return None


def _slices(card: str, handle: Any, told: _Told) -> tuple[Message, ...]:
    """A card that is cut into slices (MIG): a process gets one of them, and the figures are of the whole."""
    if told.lost:
        return ()
    with suppress(pynvml.NVMLError):
        if pynvml.nvmlDeviceGetMigMode(handle)[0] == 1:
            return (
                Message(
                    "hardware.sliced",
                    "{card} is cut into slices (MIG): one training gets one slice, and the figures shown are of the whole card.",
                    {"card": card},
                ),
            )
    return ()


def _driver() -> Driver:
    """Version, and the newest CUDA it runs: NVML gives 1000 * major + 10 * minor."""
    told = _Told()
    version = told.ask("its version", lambda: str(pynvml.nvmlSystemGetDriverVersion()))
    number = told.ask("its CUDA version", lambda: int(pynvml.nvmlSystemGetCudaDriverVersion()))
    cuda = (number // 1000, number % 1000 // 10) if number else None
    return Driver(version, cuda, notes=told.notes("NVIDIA's driver"))


def _pair(version: Any) -> tuple[int, int]:
    major, minor = version
    return int(major), int(minor)


def _reason(error: Any) -> str:
    return _REASONS.get(error.value) or str(error)


def _lost(card: Card) -> Card:
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


def _silent(card: str, reason: str) -> Message:
    return Message(
        "hardware.card_silent",
        "{card}: the driver refuses to answer ({reason}); ask whoever runs this machine for access to it.",
        {"card": card, "reason": reason},
    )


def _no_connection(error: Any) -> Message:
    """Why there is no driver to ask, and what to do."""
    match error.value:
        case pynvml.NVML_ERROR_LIBRARY_NOT_FOUND:
            return Message(
                "hardware.no_driver",
                "No NVIDIA driver is installed; if this machine has an NVIDIA card, install its driver (in a container, start it "
                "with access to the cards), else training runs on the processor.",
            )
        case pynvml.NVML_ERROR_DRIVER_NOT_LOADED:
            return Message(
                "hardware.driver_not_loaded",
                "NVIDIA's driver is installed but not running; restart the machine, and if that does not help install the "
                "driver again.",
            )
        case pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH:
            return Message(
                "hardware.driver_updated",
                "NVIDIA's driver was updated while the old one is still running; restart the machine.",
            )
        case pynvml.NVML_ERROR_NO_PERMISSION:
            return Message(
                "hardware.driver_no_permission",
                "NVIDIA's driver does not let this user look at the cards; ask whoever runs this machine for access to them "
                "(on Linux the groups video and render).",
            )
    return Message(
        "hardware.driver_failed",
        "NVIDIA's driver does not answer ({reason}); run nvidia-smi to see whether it works at all, and restart the machine.",
        {"reason": _reason(error)},
    )
