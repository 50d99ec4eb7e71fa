"""The hardware at one moment. A value that could not be read is None, never zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from engine.messages import Message


@dataclass(frozen=True, slots=True)
class Processor:
    """`cores`: physical cores that this process may use. The flags are None where they cannot be read.

    `utilisation` in percent of the machine's processors since the snapshot before; None in the first one. `others`: what other programs
    used, in percent of the processors that this process may run on; None where it is not known. `temperature` in degrees Celsius.
    """

    name: str
    cores: int
    amx_bf16: bool | None = None
    avx512_bf16: bool | None = None
    utilisation: int | None = None
    temperature: int | None = None
    others: int | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """In bytes. `limited`: the figures are those of a container or session with a limit, not of the machine."""

    total: int
    available: int
    limited: bool = False


@dataclass(frozen=True, slots=True)
class CardProcess:
    """A program that holds memory of a card, the desktop included. `memory` in bytes; Windows does not report it."""

    pid: int
    name: str | None
    memory: int | None
    graphics: bool


@dataclass(frozen=True, slots=True)
class Card:
    """One NVIDIA card. Memory in bytes, utilisation in percent, temperature in degrees Celsius, power in watts.

    `processes` is None if they cannot be read, and empty if there are none.
    """

    number: int
    """NVML's index: the order of the PCI bus, as in nvidia-smi."""
    name: str
    uuid: str | None = None
    cuda_index: int | None = None
    """N of torch's `cuda:N`; None if torch does not see the card."""
    memory_total: int | None = None
    memory_free: int | None = None
    memory_used: int | None = None
    processes: tuple[CardProcess, ...] | None = None
    utilisation: int | None = None
    temperature: int | None = None
    power: float | None = None
    capability: tuple[int, int] | None = None
    lost: bool = False
    problem: Message | None = None
    """Why torch cannot train on it, and how to fix that."""
    notes: tuple[Message, ...] = ()
    """What the driver does not report, and why."""

    @property
    def usable(self) -> bool:
        """Whether torch sees the card and no reason is known why it could not train on it."""
        return self.problem is None and self.cuda_index is not None


@dataclass(frozen=True, slots=True)
class Driver:
    """NVIDIA's driver. `cuda`: the newest CUDA version it runs. `problem`: why it cannot be used."""

    version: str | None = None
    cuda: tuple[int, int] | None = None
    problem: Message | None = None
    notes: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class TorchBuild:
    """The installed torch. `version` is None if there is none; `cuda` is the CUDA version it was built for, if any."""

    version: str | None
    cuda: str | None = None
    hip: str | None = None
    """The ROCm version of a build for AMD cards."""
    torchvision: str | None = None
    architectures: tuple[tuple[int, int], ...] | None = None
    """Compute capabilities that the build has machine code for, ascending; None if not known."""
    portable_from: tuple[int, int] | None = None
    """Compute capability of the build's PTX code, which the driver compiles for every newer card; None if it has none."""
    mps: bool = False
    """Whether it can train on this Mac's GPU."""

    @property
    def cuda_version(self) -> tuple[int, int] | None:
        """`cuda` as (major, minor)."""
        if self.cuda is None:
            return None
        major, _, minor = self.cuda.partition(".")
        return int(major), int(minor.partition(".")[0] or 0)


@dataclass(frozen=True, slots=True)
class Hardware:
    """A snapshot of the machine. `disk_free` in bytes."""

    processor: Processor
    memory: Memory
    disk_free: int | None
    torch: TorchBuild
    driver: Driver = field(default_factory=Driver)
    cards: tuple[Card, ...] = ()
    cuda_order_known: bool = True
    """False: CUDA sorts cards of different models by speed, and the `cuda_index` of the cards is an estimate of that order."""
    notes: tuple[Message, ...] = ()
    """Sentences about the machine, not about one card."""

    def cuda_card(self, index: int) -> Card | None:
        """The card that torch calls `cuda:index`."""
        return next((card for card in self.cards if card.cuda_index == index), None)

    @property
    def usable_cards(self) -> tuple[Card, ...]:
        """The cards that torch can train on, in CUDA's order."""
        return tuple(sorted((card for card in self.cards if card.usable), key=lambda card: card.cuda_index or 0))

    def best_card(self, devices: Sequence[int] = ()) -> Card | None:
        """The card to train on: the usable one with the most free memory; None if no card is usable.

        Cards with the same free memory rank by `cuda_index`; a card whose free memory is unknown ranks last. `devices` (a
        recipe's setting) overrides that: the card with its first number is returned, or None if that card is not usable.
        """
        if devices:
            card = self.cuda_card(devices[0])
            return card if card is not None and card.usable else None
        return max(
            self.usable_cards, key=lambda card: -1 if card.memory_free is None else card.memory_free, default=None
        )

    @property
    def cards_together(self) -> tuple[Card, ...]:
        """The cards that several processes train on unless the user names others, in CUDA's order.

        Those usable ones with at least half the free memory of the best: a smaller one would limit the batch of all.
        """
        most = max((card.memory_free or 0 for card in self.usable_cards), default=0)
        return tuple(card for card in self.usable_cards if 2 * (card.memory_free or 0) >= most)

    @property
    def messages(self) -> tuple[Message, ...]:
        """Every sentence about the machine, its driver and its cards."""
        messages = [self.driver.problem, *self.driver.notes, *self.notes]
        for card in self.cards:
            messages += [card.problem, *card.notes]
        return tuple(message for message in messages if message is not None)

    def to_json(self) -> dict[str, Any]:
        """The form of `probe --json`."""
        return {
            "processor": asdict(self.processor),
            "memory": asdict(self.memory),
            "disk_free": self.disk_free,
            "driver": {
                "version": self.driver.version,
                "cuda": _dotted(self.driver.cuda),
                "problem": _message(self.driver.problem),
                "notes": [note.to_json() for note in self.driver.notes],
            },
            "cards": [_card_json(card) for card in self.cards],
            "cuda_order_known": self.cuda_order_known,
            "torch": asdict(self.torch)
            | {
                "architectures": None
                if self.torch.architectures is None
                else [_dotted(architecture) for architecture in self.torch.architectures],
                "portable_from": _dotted(self.torch.portable_from),
            },
            "notes": [note.to_json() for note in self.notes],
        }


def _card_json(card: Card) -> dict[str, Any]:
    return asdict(card) | {
        "capability": _dotted(card.capability),
        "usable": card.usable,
        "problem": _message(card.problem),
        "notes": [note.to_json() for note in card.notes],
    }


def _message(message: Message | None) -> dict[str, str] | None:
    return None if message is None else message.to_json()


def _dotted(version: tuple[int, int] | None) -> str | None:
    return None if version is None else f"{version[0]}.{version[1]}"
