"""NVIDIA's driver through NVML (nvidia-ml-py). Every failure becomes a sentence; no CUDA context is created."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pynvml

from engine.hardware.cuda_order import CardIdentity
from engine.hardware.nvml_card import Told, ask_card, lost_card, reason_of, said, silent_card, speed
from engine.hardware.snapshot import Card, Driver
from engine.messages import Message


class Nvml:
    """A connection that lasts: opened at the first look, and again at the next one after it broke."""

    def __init__(self) -> None:
        self._open = False
        self._seen: dict[str, Card] = {}  # by UUID, the last to answer last, as they were then
        self._speeds: dict[str, int | None] = {}
        self._identities: tuple[CardIdentity, ...] = ()

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
            self._identities = ()
            return Driver(problem=_no_connection(error)), tuple(lost_card(card) for card in self._seen.values())
        cards = [self._card(number) for number in range(count)]
        self._identities = tuple(
            CardIdentity(card.name, card.uuid, self._speeds.get(card.uuid or "")) for card in cards
        )
        present = {card.uuid for card in cards}
        gone = [lost_card(card) for uuid, card in self._seen.items() if uuid not in present]
        return driver, (*cards, *gone)

    def identities(self) -> tuple[CardIdentity, ...]:
        """What CUDA's order depends on, of the cards of the last look."""
        return self._identities

    def close(self) -> None:
        """Let go of the driver."""
        if self._open:
            with suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()
        self._open = False

    def _card(self, number: int) -> Card:
        told = Told()
        handle = told.ask("itself", lambda: pynvml.nvmlDeviceGetHandleByIndex(number))
        if handle is None:
            return self._unanswering(number, told)
        uuid = told.ask("its UUID", lambda: str(pynvml.nvmlDeviceGetUUID(handle)))
        card = ask_card(number, handle, uuid, self._seen.pop(uuid, None) if uuid else None, told)
        if told.lost:
            return self._unanswering(number, told) if uuid is None else self._keep(lost_card(card))
        if uuid is not None and uuid not in self._speeds:
            self._speeds[uuid] = speed(handle)
        return self._keep(card)

    def _keep(self, card: Card) -> Card:
        if card.uuid is not None:
            self._seen[card.uuid] = card
        return card

    def _unanswering(self, number: int, told: Told) -> Card:
        """The card that had this number, as lost; or a nameless one with the driver's reason."""
        known = next((card for card in reversed(self._seen.values()) if card.number == number), None)
        if told.lost:
            return lost_card(known or Card(number, f"NVIDIA card {number}"))
        return silent_card(known or Card(number, f"NVIDIA card {number}"), next(iter(told.unanswered)))


def _driver() -> Driver:
    """Version, and the newest CUDA it runs: NVML gives 1000 * major + 10 * minor."""
    told = Told()
    version = told.ask("its version", lambda: str(pynvml.nvmlSystemGetDriverVersion()))
    number = told.ask("its CUDA version", lambda: int(pynvml.nvmlSystemGetCudaDriverVersion()))
    cuda = (number // 1000, number % 1000 // 10) if number else None
    return Driver(version, cuda, notes=told.notes("NVIDIA's driver"))


def _no_connection(error: Any) -> Message:
    """Why there is no driver to ask, and what to do."""
    match error.value:
        case pynvml.NVML_ERROR_LIBRARY_NOT_FOUND:
            return Message(
                "hardware.no_driver",
                "No NVIDIA driver is installed; if this machine has an NVIDIA card, install its driver (in a container, "
                "start it with access to the cards), else training runs on the processor.",
            )
        case pynvml.NVML_ERROR_DRIVER_NOT_LOADED:
            return Message(
                "hardware.driver_not_loaded",
                "NVIDIA's driver is installed but not running; restart the machine, and if that does not help install "
                "the driver again.",
            )
        case pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH:
            return Message(
                "hardware.driver_updated",
                "NVIDIA's driver was updated while the old one is still running; restart the machine.",
            )
        case pynvml.NVML_ERROR_NO_PERMISSION:
            return Message(
                "hardware.driver_no_permission",
                "NVIDIA's driver does not let this user look at the cards; ask whoever runs this machine for access to "
                "them (on Linux the groups video and render).",
            )
    return Message(
        "hardware.driver_failed",
        "NVIDIA's driver does not answer ({reason}); run nvidia-smi to see whether it works at all, and restart the "
        "machine.",
        {"reason": said(reason_of(error))},
    )
