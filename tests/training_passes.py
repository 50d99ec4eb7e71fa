"""A hand on the forward passes of a training: they wait for the test, or one of them fails as torch fails.

The hooks are torch's own and see every module of the process, so the training is the real one in whichever thread it runs. A pass
is counted where a network in training mode computes something; with `accumulate` 1 that is once in every step.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from engine.network.detector import Detector

PATIENCE = 120.0
"""Seconds after which a test that has forgotten a waiting training fails instead of hanging."""


class PassGate:
    """Lets as many passes begin as the test allows."""

    def __init__(self, allowed: int) -> None:
        self._changed = threading.Condition()
        self._allowed: float = allowed
        self.begun = 0
        self.is_waiting = False
        """Whether the training stands before a pass that is not allowed yet: all steps before it are done."""

    def allow(self, passes: float = 1) -> None:
        """Let so many more passes begin."""
        with self._changed:
            self._allowed += passes
            self._changed.notify_all()

    def open(self) -> None:
        """Hold nothing back any more."""
        self.allow(float("inf"))

    def enter(self) -> None:
        """In the training's thread: wait for the next pass to be allowed."""
        with self._changed:
            self.is_waiting = self.begun >= self._allowed
            assert self._changed.wait_for(lambda: self.begun < self._allowed, PATIENCE)
            self.is_waiting = False
            self.begun += 1


@contextmanager
def gated_passes(allowed: int) -> Iterator[PassGate]:
    """Trainings of this process begin `allowed` passes; the gate lets more of them begin."""
    gate = PassGate(allowed)

    def before(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if _trains(module, inputs[0]):
            gate.enter()

    handle = register_module_forward_pre_hook(before)
    try:
        yield gate
    finally:
        gate.open()
        handle.remove()


@contextmanager
def at_pass(
    number: int, act: Callable[[tuple[Tensor, ...]], tuple[Tensor, ...]], *, training: bool = True
) -> Iterator[None]:
    """`act` on the outputs of one pass of a training, or of its validation, counted from 0; what it returns takes their place."""
    passes = count()

    def after(module: nn.Module, inputs: tuple[Any, ...], outputs: Any) -> Any:
        is_one = _computes(module, inputs[0]) and module.training == training
        return act(outputs) if is_one and next(passes) == number else None

    handle = register_module_forward_hook(after)
    try:
        yield
    finally:
        handle.remove()


def _trains(module: nn.Module, images: Tensor) -> bool:
    return _computes(module, images) and module.training


def _computes(module: nn.Module, images: Tensor) -> bool:
    """Planning walks through a training too, without any numbers."""
    return type(images) is Tensor and not images.is_meta and isinstance(module, Detector)


def card_lost(*_: object) -> Any:
    """What a training sees of a card that falls off the bus."""
    raise torch.AcceleratorError("CUDA error: unspecified launch failure\nCUDA kernel errors might be asynchronous")


def card_busy(*_: object, **__: object) -> Any:
    """What a training sees of a card that another process has reserved."""
    raise torch.AcceleratorError("CUDA error: all CUDA-capable devices are busy or unavailable\nFor debugging ...")


def out_of_memory(_: object) -> Any:
    """The allocator is asked for more than any machine has."""
    return torch.empty(2**60)


def overflow(outputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Outputs whose loss is no longer a number."""
    return tuple(output * torch.inf for output in outputs)
