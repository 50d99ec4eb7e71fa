"""One look at everything, and looks repeated cheaply."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from engine.hardware.cuda_order import CudaOrder, cuda_order
from engine.hardware.machine import ROOT, free_disk, nvidia_card_built_in, read_memory, read_processor
from engine.hardware.nvml import Nvml
from engine.hardware.snapshot import Card, Driver, Hardware, TorchBuild
from engine.hardware.torch_build import problem_with, read_torch_build
from engine.messages import Message


class HardwareWatch:
    """Looks again and again: NVML stays open, what cannot change is asked once. For use from one thread."""

    def __init__(
        self,
        workspace: Path,
        *,
        torch_build: TorchBuild | None = None,
        root: Path = ROOT,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`root` stands for `/` and `environment` for the process's variables, for looking at another machine's files."""
        self._workspace = workspace
        self._root = root
        self._environment = os.environ if environment is None else environment
        self._processor = read_processor(root)
        self._torch = read_torch_build() if torch_build is None else torch_build
        self._nvml = Nvml()

    def look(self) -> Hardware:
        """Everything as it is now. Creates no CUDA context, imports no torch and raises nothing."""
        driver, cards = self._nvml.look()
        order = cuda_order(self._nvml.identities(), self._environment)
        return Hardware(
            processor=self._processor,
            memory=read_memory(self._root),
            disk_free=free_disk(self._workspace),
            torch=self._torch,
            driver=self._explained(driver),
            cards=tuple(self._judged(card, order, driver) for card in cards),
            cuda_order_known=order.known,
            notes=() if order.known else (_ESTIMATED,),
        )

    def close(self) -> None:
        """Let go of the driver."""
        self._nvml.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _judged(self, card: Card, order: CudaOrder, driver: Driver) -> Card:
        """`card` with its CUDA number, and with the first reason why torch cannot train on it."""
        if card.problem is not None:
            return card
        index = order.numbers.index(card.number) if card.number in order.numbers else None
        problem = problem_with(card, self._torch, driver)
        if problem is None and index is None:
            problem = _slices_chosen(card) if order.slices else _hidden(card, self._environment)
        return replace(card, cuda_index=index, problem=problem)

    def _explained(self, driver: Driver) -> Driver:
        """`driver`; where there is none, with what that means on this machine."""
        if driver.problem is None or driver.problem.code != "hardware.no_driver":
            return driver
        if sys.platform == "darwin":
            return Driver(problem=_MAC)
        return Driver(problem=_CARD_WITHOUT_DRIVER) if nvidia_card_built_in(self._root) else driver


def probe(
    workspace: Path,
    *,
    torch_build: TorchBuild | None = None,
    root: Path = ROOT,
    environment: Mapping[str, str] | None = None,
) -> Hardware:
    """Look once. `workspace` is the folder whose disk will be written to; it need not exist."""
    with HardwareWatch(workspace, torch_build=torch_build, root=root, environment=environment) as watch:
        return watch.look()


_MAC = Message(
    "hardware.mac",
    "NVIDIA's cards do not work in a Mac; training uses Apple's graphics (device=mps) where torch can, else the processor.",
)

_CARD_WITHOUT_DRIVER = Message(
    "hardware.card_without_driver",
    "This machine has an NVIDIA card but no NVIDIA driver; install the driver (in a container, start it with access to the "
    "cards), or train on the processor.",
)

_ESTIMATED = Message(
    "hardware.order_estimated",
    "The cards differ, and CUDA numbers them by its own estimate of their speed: the numbers shown are ours; set "
    "CUDA_DEVICE_ORDER=PCI_BUS_ID to be sure of them.",
)


def _hidden(card: Card, environment: Mapping[str, str]) -> Message:
    return Message(
        "hardware.card_hidden",
        "{card} is hidden from torch by CUDA_VISIBLE_DEVICES={value}.",
        {"card": card.name, "value": environment.get("CUDA_VISIBLE_DEVICES", "")},
    )


def _slices_chosen(card: Card) -> Message:
    return Message(
        "hardware.slices_chosen",
        "{card}: CUDA_VISIBLE_DEVICES names a slice (MIG), whose memory is not known here; name a whole card to train on it.",
        {"card": card.name},
    )
