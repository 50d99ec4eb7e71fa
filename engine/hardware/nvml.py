"""NVIDIA's driver, queried through NVML (nvidia-ml-py). Every failure becomes a sentence; no CUDA context is created."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pynvml

from engine.hardware.cuda_order import CardIdentity
from engine.hardware.nvml_card import (
    QueryLog,
    failure_reason,
    lost_card,
    read_card,
    reason_phrase,
    speed,
    unreadable_card,
)
from engine.hardware.snapshot import Card, Driver
from engine.messages import Message, gettext_noop, phrase


class Nvml:
    """A connection to the driver. Opened by the first `read`, and again by the next one after it broke."""

    def __init__(self) -> None:
        self._is_open = False
        self._known_cards: dict[str, Card] = {}  # by UUID, as they were last read; the most recently read one last
        self._speeds: dict[str, int | None] = {}
        self._identities: tuple[CardIdentity, ...] = ()

    def read(self) -> tuple[Driver, tuple[Card, ...]]:
        """Driver and cards as they are now. A card of an earlier call that is missing now is listed as lost."""
        try:
            if not self._is_open:
                pynvml.nvmlInit()
                self._is_open = True
            driver = _driver()
            count = int(pynvml.nvmlDeviceGetCount())
        except pynvml.NVMLError as error:
            self.close()
            self._identities = ()
            return Driver(problem=_connection_problem(error)), tuple(map(lost_card, self._known_cards.values()))
        cards = [self._read_card(number) for number in range(count)]
        self._identities = tuple(
            CardIdentity(card.name, card.uuid, self._speeds.get(card.uuid or "")) for card in cards
        )
        present = {card.uuid for card in cards}
        missing = [lost_card(card) for uuid, card in self._known_cards.items() if uuid not in present]
        return driver, (*cards, *missing)

    def identities(self) -> tuple[CardIdentity, ...]:
        """The input of `cuda_order`, for the cards of the last `read`."""
        return self._identities

    def close(self) -> None:
        """Close the connection."""
        if self._is_open:
            with suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()
        self._is_open = False

    def _read_card(self, number: int) -> Card:
        log = QueryLog()
        handle = log.query("its handle", lambda: pynvml.nvmlDeviceGetHandleByIndex(number))
        if handle is None:
            return self._unidentified_card(number, log)
        uuid = log.query(gettext_noop("its UUID"), lambda: str(pynvml.nvmlDeviceGetUUID(handle)))
        card = read_card(number, handle, uuid, self._known_cards.pop(uuid, None) if uuid else None, log)
        if log.lost:
            return self._unidentified_card(number, log) if uuid is None else self._remember(lost_card(card))
        if uuid is not None and uuid not in self._speeds:
            self._speeds[uuid] = speed(handle)
        return self._remember(card)

    def _remember(self, card: Card) -> Card:
        if card.uuid is not None:
            self._known_cards[card.uuid] = card
        return card

    def _unidentified_card(self, number: int, log: QueryLog) -> Card:
        """The card that had this number in an earlier call, or a nameless one, with the reason why it cannot be read."""
        known = next((card for card in reversed(self._known_cards.values()) if card.number == number), None)
        card = known or Card(number, f"NVIDIA card {number}")
        return lost_card(card) if log.lost else unreadable_card(card, next(iter(log.failures)))


def _driver() -> Driver:
    """Version, and the newest CUDA that it runs: NVML returns 1000 * major + 10 * minor."""
    log = QueryLog()
    version = log.query(gettext_noop("its version"), lambda: str(pynvml.nvmlSystemGetDriverVersion()))
    number = log.query(gettext_noop("its CUDA version"), lambda: int(pynvml.nvmlSystemGetCudaDriverVersion()))
    cuda = (number // 1000, number % 1000 // 10) if number else None
    return Driver(version, cuda, notes=log.notes(phrase("NVIDIA's driver")))


def _connection_problem(error: Any) -> Message:
    """Why NVML cannot be opened, and what to do."""
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
                "NVIDIA's driver does not give this user access to the cards; ask the administrator of this machine for "
                "it (on Linux the groups video and render).",
            )
    return Message(
        "hardware.driver_failed",
        "NVIDIA's driver does not answer ({reason}); run nvidia-smi to see whether it works at all, and restart the "
        "machine.",
        {"reason": reason_phrase(failure_reason(error))},
    )
