"""What NVML reports about one card, and the sentences for what it does not report."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psutil
import pynvml

from engine.hardware.snapshot import Card, CardProcess
from engine.messages import Message, gettext_noop, join_phrases, phrase

T = TypeVar("T")

_LOST = frozenset((pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_RESET_REQUIRED, pynvml.NVML_ERROR_GPU_NOT_FOUND))

_REASONS = {
    pynvml.NVML_ERROR_NOT_SUPPORTED: gettext_noop("not supported by this card"),
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND: gettext_noop("not supported by this driver"),
    pynvml.NVML_ERROR_NO_PERMISSION: gettext_noop("no permission"),
    pynvml.NVML_ERROR_TIMEOUT: gettext_noop("no answer in time"),
}
"""Reasons that can be translated, by NVML's error; other errors keep NVML's own text."""

_NOT_TEXT = gettext_noop("its answer is not valid text")


@dataclass(slots=True)
class QueryLog:
    """Runs queries of the driver and records which failed.

    `failures` lists, for each reason, the names of the failed queries; `lost` is set when the driver no longer reaches the card.
    """

    failures: dict[str, list[str]] = field(default_factory=dict)
    lost: bool = False

    def query(self, name: str, function: Callable[[], T]) -> T | None:
        """The result of `function`; None, and an entry in `failures`, if it fails. A lost card is not queried again."""
        if self.lost:
            return None
        try:
            return function()
        except pynvml.NVMLError as error:
            self.lost = error.value in _LOST
            self.failures.setdefault(failure_reason(error), []).append(name)
        except UnicodeDecodeError:  # drivers under WSL have returned names that are not valid text
            self.failures.setdefault(_NOT_TEXT, []).append(name)
        return None

    def notes(self, subject: Message | str) -> tuple[Message, ...]:
        """One sentence for each reason of failure. `subject`: a card's name, which is not translated, or a phrase."""
        return tuple(
            Message(
                "hardware.not_told",
                "{who} does not report {what} ({reason}).",
                {
                    "who": subject,
                    "what": join_phrases([phrase(name) for name in names]),
                    "reason": reason_phrase(reason),
                },
            )
            for reason, names in self.failures.items()
        )


def failure_reason(error: Any) -> str:
    """Why NVML refused a query."""
    return _REASONS.get(error.value) or str(error)


def reason_phrase(reason: str) -> Message | str:
    """A reason as a value of a message: ours can be translated, NVML's own text stays as it is."""
    return phrase(reason) if reason in (*_REASONS.values(), _NOT_TEXT) else reason


def read_card(number: int, handle: Any, uuid: str | None, earlier: Card | None, log: QueryLog) -> Card:
    """The card's state now. What cannot change is taken from `earlier`, the same card in an earlier snapshot."""
    name = (
        earlier.name if earlier else log.query(gettext_noop("its name"), lambda: str(pynvml.nvmlDeviceGetName(handle)))
    )
    name = name or f"NVIDIA card {number}"
    capability = earlier.capability if earlier else None
    if capability is None:
        capability = log.query(
            gettext_noop("its compute capability"), lambda: _pair(pynvml.nvmlDeviceGetCudaComputeCapability(handle))
        )
    memory = log.query(gettext_noop("its memory"), lambda: pynvml.nvmlDeviceGetMemoryInfo(handle))
    if memory is not None and memory.total == 0:
        memory = None  # a card that shares the machine's memory
    earlier_total = earlier.memory_total if earlier and log.lost else None
    return Card(
        number=number,
        name=name,
        uuid=uuid,
        memory_total=earlier_total if memory is None else int(memory.total),
        memory_free=None if memory is None else int(memory.free),
        memory_used=None if memory is None else int(memory.used),
        processes=log.query(gettext_noop("the programs that use it"), lambda: _processes(handle)),
        utilisation=log.query(
            gettext_noop("its utilisation"), lambda: int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)
        ),
        temperature=log.query(
            gettext_noop("its temperature"),
            lambda: int(pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU)),
        ),
        power=log.query(
            gettext_noop("its power"),
            lambda: pynvml.nvmlDeviceGetPowerUsage(handle) / 1000,  # NVML: milliwatts
        ),
        capability=capability,
        notes=log.notes(name) + _mig_notes(name, handle, log),
    )


def speed(handle: Any) -> int | None:
    """Arithmetic units times their highest clock in MHz; None with old drivers, which do not report it."""
    with suppress(pynvml.NVMLError):
        clock = pynvml.nvmlDeviceGetMaxClockInfo(handle, pynvml.NVML_CLOCK_SM)
        return int(pynvml.nvmlDeviceGetNumGpuCores(handle)) * int(clock)
    return None


def lost_card(card: Card) -> Card:
    """`card` after the driver lost it: only what cannot change is kept."""
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


def unreadable_card(card: Card, reason: str) -> Card:
    """`card` where it exists and the driver reports nothing about it."""
    return Card(
        number=card.number,
        name=card.name,
        uuid=card.uuid,
        capability=card.capability,
        problem=Message(
            "hardware.card_silent",
            "{card}: the driver reports nothing about it ({reason}); ask the administrator of this machine for access to it.",
            {"card": card.name, "reason": reason_phrase(reason)},
        ),
    )


def _processes(handle: Any) -> tuple[CardProcess, ...]:
    """The programs that hold memory of the card. One that both computes and draws is listed once, with the larger figure."""
    processes: dict[int, CardProcess] = {}
    for graphics, kind in ((False, "Compute"), (True, "Graphics")):
        for process in _running_processes(handle, kind):
            pid = int(process.pid)
            memory = None if process.usedGpuMemory is None else int(process.usedGpuMemory)
            if pid in processes and (before := processes[pid].memory) is not None:
                memory = max(before, memory or 0)
            processes[pid] = CardProcess(pid, _process_name(pid), memory, graphics)
    return tuple(processes.values())


def _running_processes(handle: Any, kind: str) -> list[Any]:
    """Version 3 of NVML's function, or version 2 with a driver that is too old for it."""
    try:
        return list(getattr(pynvml, f"nvmlDeviceGet{kind}RunningProcesses_v3")(handle))
    except pynvml.NVMLError as error:
        if error.value != pynvml.NVML_ERROR_FUNCTION_NOT_FOUND:
            raise
        return list(getattr(pynvml, f"nvmlDeviceGet{kind}RunningProcesses_v2")(handle))


def _process_name(pid: int) -> str | None:
    with suppress(psutil.Error, ValueError):
        return psutil.Process(pid).name()
    return None


def _mig_notes(card: str, handle: Any, log: QueryLog) -> tuple[Message, ...]:
    """A note for a card in MIG mode: a process gets one instance, while NVML's figures are those of the whole card."""
    if log.lost:
        return ()
    with suppress(pynvml.NVMLError):
        if pynvml.nvmlDeviceGetMigMode(handle)[0] == 1:
            return (
                Message(
                    "hardware.sliced",
                    "{card} is divided into MIG instances: one training gets one instance, and the figures shown are "
                    "those of the whole card.",
                    {"card": card},
                ),
            )
    return ()


def _pair(version: Any) -> tuple[int, int]:
    major, minor = version
    return int(major), int(minor)
