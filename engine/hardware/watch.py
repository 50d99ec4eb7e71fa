"""A snapshot of the hardware: once (`probe`), or repeatedly at little cost (`HardwareWatch`)."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from engine.hardware.cuda_order import CudaOrder, cuda_order
from engine.hardware.machine import ROOT, ProcessorSensors, free_disk, has_nvidia_card, read_memory, read_processor
from engine.hardware.nvml import Nvml
from engine.hardware.snapshot import Card, Driver, Hardware, TorchBuild
from engine.hardware.torch_build import incompatibility, read_torch_build
from engine.messages import Message

_log = logging.getLogger(__name__)


class HardwareWatch:
    """Takes snapshots. NVML stays open between them, and what cannot change is read once. For use from one thread."""

    def __init__(
        self,
        workspace: Path,
        *,
        torch_build: TorchBuild | None = None,
        root: Path = ROOT,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Read what cannot change.

        Args:
            workspace: the folder whose disk is measured.
            torch_build: used instead of the installed one.
            root: the folder that stands for `/`, to read the files of another machine.
            environment: used instead of the process's own variables.
        """
        self._workspace = workspace
        self._root = root
        self._environment = os.environ if environment is None else environment
        self._processor = read_processor(root)
        self._sensors = ProcessorSensors()
        self._torch = read_torch_build() if torch_build is None else torch_build
        self._nvml = Nvml()

    def read(self) -> Hardware:
        """A snapshot of everything. Creates no CUDA context, imports no torch and raises nothing."""
        driver, cards = self._nvml.read()
        order = cuda_order(self._nvml.identities(), self._environment)
        return Hardware(
            processor=self._sensors.read(self._processor),
            memory=read_memory(self._root),
            disk_free=free_disk(self._workspace),
            torch=self._torch,
            driver=self._explained_driver(driver),
            cards=tuple(self._checked_card(card, order, driver) for card in cards),
            cuda_order_known=order.known,
            notes=() if order.known else (_ESTIMATED_ORDER,),
        )

    def close(self) -> None:
        """Close the connection to the driver."""
        self._nvml.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _checked_card(self, card: Card, order: CudaOrder, driver: Driver) -> Card:
        """`card` with its CUDA index, and with the first reason why torch cannot train on it."""
        if card.problem is not None:
            return card
        index = order.numbers.index(card.number) if card.number in order.numbers else None
        problem = incompatibility(card, self._torch, driver)
        if problem is None and index is None:
            problem = _mig_listed(card) if order.mig else _hidden(card, self._environment)
        return replace(card, cuda_index=index, problem=problem)

    def _explained_driver(self, driver: Driver) -> Driver:
        """`driver`; if it is missing, with what that means on this machine."""
        if driver.problem is None or driver.problem.code != "hardware.no_driver":
            return driver
        if sys.platform == "darwin":
            return Driver(problem=_MAC)
        return Driver(problem=_CARD_WITHOUT_DRIVER) if has_nvidia_card(self._root) else driver


def probe(
    workspace: Path,
    *,
    torch_build: TorchBuild | None = None,
    root: Path = ROOT,
    environment: Mapping[str, str] | None = None,
) -> Hardware:
    """One snapshot; arguments as for `HardwareWatch`. `workspace` need not exist yet."""
    with HardwareWatch(workspace, torch_build=torch_build, root=root, environment=environment) as watch:
        hardware = watch.read()
    processor, memory = hardware.processor, hardware.memory
    _log.info("processor: %s, %s cores; memory: %s bytes free", processor.name, processor.cores, memory.available)
    for card in hardware.cards:
        _log.info("card: %s, usable: %s, %s bytes free", card.name, card.usable, card.memory_free)
    return hardware


_MAC = Message(
    "hardware.mac",
    "NVIDIA cards do not work in a Mac; training uses the Apple GPU (device=mps) if torch supports it, else the processor.",
)

_CARD_WITHOUT_DRIVER = Message(
    "hardware.card_without_driver",
    "This machine has an NVIDIA card but no NVIDIA driver; install the driver (in a container, start it with access to the "
    "cards), or train on the processor.",
)

_ESTIMATED_ORDER = Message(
    "hardware.order_estimated",
    "The cards are of different models, and CUDA numbers them by its own estimate of their speed: the numbers shown are "
    "estimated too; set CUDA_DEVICE_ORDER=PCI_BUS_ID to make them certain.",
)


def _hidden(card: Card, environment: Mapping[str, str]) -> Message:
    return Message(
        "hardware.card_hidden",
        "{card} is hidden from torch by CUDA_VISIBLE_DEVICES={value}.",
        {"card": card.name, "value": environment.get("CUDA_VISIBLE_DEVICES", "")},
    )


def _mig_listed(card: Card) -> Message:
    return Message(
        "hardware.slices_chosen",
        "{card}: CUDA_VISIBLE_DEVICES names a MIG instance, whose memory cannot be read; name a whole card to train on it.",
        {"card": card.name},
    )
