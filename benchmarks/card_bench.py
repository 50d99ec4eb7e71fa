"""What the sections of `benchmarks/card.py` share: the device, the amount of work, trainings through the engine, taken memory."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import psutil
import torch

from engine.dataset.index import Dataset
from engine.events import Event
from engine.hardware import probe
from engine.network.detector import build_network
from engine.plan import DataSource, Plan, open_source
from engine.planning.resolve import make_plan
from engine.recipe import Recipe, make_recipe
from engine.runner.resume import resume
from engine.runner.start import start
from engine.runner.supervisor import OnOutOfMemory
from engine.training.control import Control
from engine.weights.native import info_of, save_weights

PROJECT = Path(__file__).parent.parent
OFFICIAL_WEIGHTS = PROJECT / "model_data" / "yolov4-tiny.weights"
MIB = 2**20
_LONG_EPOCH = 16_000
"""Images: more than a card trains in a measurement of speed."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured. Batch sizes are pairs: freeze stage, unfreeze stage."""

    precisions: tuple[str, ...]
    lengths: Mapping[str, int]
    """Side of the input in pixels for each network."""
    batch_sizes: Mapping[str, tuple[tuple[int, int], ...]]
    """For each network, the most important pair first."""
    whole_trainings: tuple[str, ...]
    """Networks of the sections that train from the start to the end, or many steps."""
    timed_seconds: float
    """Of one measurement of speed."""
    timed_steps: int
    """Of a training, at least."""
    images: int
    """Of the drawn data set, where no other is given."""
    limits: Mapping[str, int]
    """Images that are used of each split; all of a split that is not named."""
    resume_epochs: tuple[int, int]
    """Freeze and unfreeze epochs of the trainings of which one is resumed."""
    estimate_epochs: tuple[int, int]
    """The same of the trainings whose seconds are estimated."""
    check_length: int
    """Side of the input of the 16-bit checks."""
    oom_length: int
    oom_batch_size: int


CARD = Scale(
    precisions=("fp32", "bf16", "fp16"),
    lengths={"yolov4-tiny": 416, "yolov4": 416},
    batch_sizes={"yolov4-tiny": ((16, 8), (64, 32)), "yolov4": ((16, 8), (64, 32))},
    whole_trainings=("yolov4-tiny", "yolov4"),
    timed_seconds=2.0,
    timed_steps=15,
    images=400,
    limits={},
    resume_epochs=(1, 2),
    estimate_epochs=(3, 6),
    check_length=224,
    oom_length=416,
    oom_batch_size=64,
)
PROCESSOR = Scale(
    precisions=("fp32", "bf16"),
    lengths={"yolov4-tiny": 128, "yolov4": 64},
    batch_sizes={"yolov4-tiny": ((4, 2),), "yolov4": ((4, 2),)},
    whole_trainings=("yolov4-tiny",),
    timed_seconds=0.3,
    timed_steps=3,
    images=24,
    limits={"train": 18, "val": 4},
    resume_epochs=(1, 2),
    estimate_epochs=(1, 2),
    check_length=64,
    oom_length=320,
    oom_batch_size=8,
)


@dataclass
class Bench:
    """One process that measures: where, on which data, until when. `deadline` as time.monotonic()."""

    device: str
    source: DataSource
    workspace: Path
    scale: Scale
    deadline: float = math.inf
    free_before: int | None = None
    """Bytes of the card that were free before this process used it."""
    _asked: float | None = field(default=None, init=False, repr=False)

    @cached_property
    def dataset(self) -> Dataset:
        """The data set, read once; on the processor only some of its images."""
        dataset = open_source(self.source)
        splits = {name: indices[: self.scale.limits.get(name)] for name, indices in dataset.splits.items()}
        return replace(dataset, splits=splits)

    @cached_property
    def long_dataset(self) -> Dataset:
        """The same with its training images again and again, so that no epoch ends while speed is measured."""
        train = self.dataset.splits["train"]
        repeats = -(-_LONG_EPOCH // len(train))
        return replace(self.dataset, splits={**self.dataset.splits, "train": np.tile(train, repeats)})

    @property
    def torch_device(self) -> torch.device:
        """The device as torch names it."""
        return torch.device(self.device)

    @property
    def is_card(self) -> bool:
        """Whether the device is a CUDA card."""
        return self.torch_device.type == "cuda"

    @property
    def is_late(self) -> bool:
        """Whether the deadline is over."""
        return time.monotonic() >= self.deadline

    def has_time(self) -> bool:
        """Whether one more measurement can be made before the deadline if it takes as long as the last: the time since the last call."""
        now = time.monotonic()
        took = 0.0 if self._asked is None else now - self._asked
        self._asked = now
        return now + took < self.deadline

    def recipe(self, network: str = "yolov4-tiny", **settings: Any) -> Recipe:
        """The default recipe of a network on this device at the scale's input size, with changes."""
        length = self.scale.lengths[network]
        freeze, unfreeze = self.scale.batch_sizes[network][0]
        number = [self.torch_device.index or 0] if self.is_card else []
        return make_recipe(
            {
                "network": network,
                "input_shape": [length, length],
                "freeze_batch_size": freeze,
                "unfreeze_batch_size": unfreeze,
                "freeze_epoch": 1,
                "unfreeze_epoch": 2,
                "device": "cuda" if self.is_card else "cpu",
                "devices": number,
                "num_workers": min(8, os.cpu_count() or 1) if self.is_card else 2,
                "model_path": str(self._weights(network)),
                **settings,
            }
        )

    def plan(self, recipe: Recipe, dataset: Dataset | None = None) -> Plan:
        """What the engine plans for a recipe now."""
        return make_plan(recipe, dataset or self.dataset, self.source, probe(self.workspace), self.workspace)

    def _weights(self, network: str) -> Path:
        """The official weights where they are there; else random ones, made once for all sections."""
        if network == "yolov4-tiny" and OFFICIAL_WEIGHTS.is_file():
            return OFFICIAL_WEIGHTS
        path = self.workspace / "model_data" / f"{network}-random.pth"
        if not path.is_file():
            path.parent.mkdir(exist_ok=True)
            torch.manual_seed(3)
            detector = build_network(network, len(self.dataset.classes))
            save_weights(path, detector, info_of(detector, self.dataset.classes, (416, 416)))
        return path

    # Trainings

    def train(
        self, plan: Plan, control: Control, on_out_of_memory: OnOutOfMemory = "stop", dataset: Dataset | None = None
    ) -> Iterator[Event]:
        """A training of the engine in a new run folder, without the dry run that comes before it on a card."""
        with mock.patch("engine.runner.start.preflight", lambda plan, _dataset, **_options: plan):
            yield from start(plan, control, dataset or self.dataset, on_out_of_memory=on_out_of_memory)

    def resume(self, run: Path, **overrides: Any) -> Iterator[Event]:
        """The engine's resume."""
        return resume(run, Control(), overrides=overrides or None, workspace=self.workspace)

    # Time

    def synchronize(self) -> None:
        """Wait until the device has done what it was given."""
        if self.is_card:
            torch.cuda.synchronize(self.torch_device)

    def step_seconds(self, step: Callable[[], object]) -> float:
        """Mean seconds of a step, after some that are not timed."""
        group = 5 if self.is_card else 1
        for _ in range(group):
            step()
        self.synchronize()
        steps, started = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - started) < self.scale.timed_seconds or steps < group:
            for _ in range(group):
                step()
            self.synchronize()
            steps += group
        return elapsed / steps

    # Memory

    def outside_torch(self) -> int | None:
        """Bytes of the card that this process holds besides torch's allocator: the context, and the libraries' kernels."""
        if not self.is_card or self.free_before is None:
            return None
        free, _total = torch.cuda.mem_get_info(self.torch_device)
        return max(0, self.free_before - free - torch.cuda.memory_reserved(self.torch_device))

    def allocated(self) -> int | None:
        """Bytes of tensors on the card."""
        return torch.cuda.memory_allocated(self.torch_device) if self.is_card else None

    @contextmanager
    def short_of_memory(self, room: int) -> Iterator[None]:
        """Inside the context only `room` bytes more can be allocated, as if another program had just taken the rest.

        On a card another process really allocates it. Elsewhere the address space of this process is limited (Linux only).
        """
        with ExitStack() as stack:
            if self.is_card:
                # What torch's allocator has reserved and does not use is not free to others, but to this process.
                torch.cuda.empty_cache()
                stack.enter_context(_taken_by_another_process(self.torch_device.index or 0, room))
            else:
                stack.enter_context(_limited_address_space(room))
            yield


def now_free(device: str, workspace: Path) -> int | None:
    """Bytes that are free on a card, without using it."""
    if not device.startswith("cuda"):
        return None
    card = probe(workspace).cuda_card(torch.device(device).index or 0)
    return None if card is None else card.memory_free


_TAKE = """
import sys, torch
device, room = torch.device("cuda", int(sys.argv[1])), int(sys.argv[2])
torch.zeros(1, device=device)
taken = []
while (size := torch.cuda.mem_get_info(device)[0] - room) > 2**21:
    taken.append(torch.empty(min(size, 2**33), dtype=torch.uint8, device=device))
print(len(taken), flush=True)
sys.stdin.read()
"""


@contextmanager
def _taken_by_another_process(index: int, room: int) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", _TAKE, str(index), str(room)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        if not process.stdout.readline():
            raise RuntimeError("the process that was to take the memory ended")
        yield
    finally:
        process.stdin.close()
        process.wait(60)
        process.stdout.close()


@contextmanager
def _limited_address_space(room: int) -> Iterator[None]:
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    limit = psutil.Process().memory_info().vms + room
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
