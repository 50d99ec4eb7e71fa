"""What was found at one moment. Every value that could not be found out is None, never zero."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from engine.messages import Message


@dataclass(frozen=True, slots=True)
class Processor:
    """`cores` are those this process may use, hyperthreads not counted. The flags are None where they cannot be read."""

    name: str
    cores: int
    amx_bf16: bool | None = None
    avx512_bf16: bool | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes; a container's limit counts, not the machine's size. `limited`: such a limit is in force."""

    total: int
    available: int
    limited: bool = False


@dataclass(frozen=True, slots=True)
class CardProcess:
    """A program that holds memory of a card, the desktop included. `memory` in bytes; Windows keeps it to itself."""

    pid: int
    name: str | None
    memory: int | None
    graphics: bool


@dataclass(frozen=True, slots=True)
class Card:
    """One NVIDIA card. Memory in bytes, utilisation in percent, temperature in degrees Celsius, power in watts.

    `processes` is None where they cannot be known and empty where there are none.
    """

    number: int
    """NVML's number: the order of the PCI bus, as nvidia-smi shows it."""
    name: str
    uuid: str | None = None
    cuda_index: int | None = None
    """N of torch's `cuda:N`; None where torch does not see the card."""
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
    """Why torch cannot train on it, and what mends that."""
    notes: tuple[Message, ...] = ()
    """What the driver does not tell, and why."""

    @property
    def usable(self) -> bool:
        """Nothing is known that keeps torch from training on it."""
        return self.problem is None and self.cuda_index is not None


@dataclass(frozen=True, slots=True)
class Driver:
    """NVIDIA's driver. `cuda` is the newest CUDA it runs. `problem` says why there is nothing to tell."""

    version: str | None = None
    cuda: tuple[int, int] | None = None
    problem: Message | None = None
    notes: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class TorchBuild:
    """The installed torch. `cuda` is the CUDA version it was built for, None for a build without CUDA."""

    version: str | None
    cuda: str | None = None
    hip: str | None = None
    """The ROCm version of a build for AMD cards."""
    torchvision: str | None = None
    architectures: tuple[tuple[int, int], ...] | None = None
    """Compute capabilities that the build holds machine code for, ascending; None where not known."""
    portable_from: tuple[int, int] | None = None
    """The capability of the build's PTX, which the driver compiles for every newer card; None without."""
    mps: bool = False
    """It can train on this Mac's graphics."""

    @property
    def cuda_version(self) -> tuple[int, int] | None:
        """`cuda` as numbers."""
        if self.cuda is None:
            return None
        major, _, minor = self.cuda.partition(".")
        return int(major), int(minor.partition(".")[0] or 0)


@dataclass(frozen=True, slots=True)
class Hardware:
    """What `probe` found."""

    processor: Processor
    memory: Memory
    disk_free: int | None
    torch: TorchBuild
    driver: Driver = field(default_factory=Driver)
    cards: tuple[Card, ...] = ()
    cuda_order_known: bool = True
    """False: CUDA sorts unlike cards by speed, and the `cuda_index` of the cards is our estimate of that order."""
    notes: tuple[Message, ...] = ()
    """Sentences that concern no single card."""

    def cuda_card(self, index: int) -> Card | None:
        """The card that torch calls `cuda:index`."""
        return next((card for card in self.cards if card.cuda_index == index), None)

    @property
    def usable_cards(self) -> tuple[Card, ...]:
        """The cards torch can train on, in CUDA's order."""
        return tuple(sorted((card for card in self.cards if card.usable), key=lambda card: card.cuda_index or 0))

    @property
    def messages(self) -> tuple[Message, ...]:
        """Every sentence of this look."""
        found = [self.driver.problem, *self.driver.notes, *self.notes]
        for card in self.cards:
            found += [card.problem, *card.notes]
        return tuple(message for message in found if message is not None)

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
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


def with_cuda_order(hardware: Hardware, uuids: tuple[str, ...]) -> Hardware:
    """`hardware` with the true order: `uuids[N]` is the card that torch reports for `cuda:N`.

    For a process that has a CUDA context anyway (`torch.cuda.get_device_properties(N).uuid`, which lacks NVML's
    `GPU-` in front).
    """
    places = {uuid.removeprefix("GPU-"): index for index, uuid in enumerate(uuids)}
    cards = tuple(
        replace(card, cuda_index=places.get((card.uuid or "").removeprefix("GPU-"))) for card in hardware.cards
    )
    return replace(hardware, cards=cards, cuda_order_known=True)


def _card_json(card: Card) -> dict[str, Any]:
    plain = asdict(card)
    plain["capability"] = _dotted(card.capability)
    plain["usable"] = card.usable
    plain["problem"] = _message(card.problem)
    plain["notes"] = [note.to_json() for note in card.notes]
    return plain


def _message(message: Message | None) -> dict[str, str] | None:
    return None if message is None else message.to_json()


def _dotted(version: tuple[int, int] | None) -> str | None:
    return None if version is None else f"{version[0]}.{version[1]}"
