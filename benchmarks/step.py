"""Seconds of a training step beside those of the loop that a tutorial would write, of activation checkpointing, and of its parts.

    python -m benchmarks.step [--rounds 5] [--only TEXT] [--threads N] [--precision fp32|bf16]

The plain loop (benchmarks/plain_training.py) has the same network and loss, with Mish written out (x * tanh(softplus(x))), fp32,
torch's default layout and optimizer; its frozen backbone still updates its batch norm, as there. The steps of all loops alternate,
so that a busy machine slows all of them; medians are printed, and ratios of the two steps of a round. With `--threads 1` the
seconds are those of the processor, which other programs change least.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from benchmarks.plain_training import PlainTraining
from engine.hardware import probe
from engine.network.blocks import LEAK, ConvBNAct
from engine.network.detector import build_network
from engine.plan import StageName
from engine.planning.device import preferred_amp_dtype
from engine.planning.synthetic import SyntheticBatch, synthetic_batch
from engine.recipe import make_recipe
from engine.training.learner import Learner

SHAPE, BOXES, CLASSES = (416, 416), 20, 20
CPU = torch.device("cpu")


def clock() -> float:
    """Seconds; of the processor, where one thread does all the work."""
    return time.thread_time() if torch.get_num_threads() == 1 else time.perf_counter()


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `goal`: times as fast as the plain loop."""

    network: str
    stage: StageName
    batch_size: int
    goal: float

    def __str__(self) -> str:
        return f"{self.network} {self.stage} batch {self.batch_size}"


ROWS = (
    Row("yolov4", "unfreeze", 4, 3.3),
    Row("yolov4", "freeze", 4, 3.5),
    Row("yolov4-tiny", "unfreeze", 8, 4.0),
    Row("yolov4-tiny", "freeze", 16, 5.0),
)


class PlainConvBNAct(nn.Module):
    """A `ConvBNAct` as tutorials write it."""

    def __init__(self, source: ConvBNAct) -> None:
        super().__init__()
        self.conv, self.norm, self.activation = source.conv, source.norm, source.activation

    def forward(self, x: Tensor) -> Tensor:
        """(b, in_channels, h, w) -> (b, out_channels, h / stride, w / stride)."""
        x = self.norm(self.conv(x))
        return F.leaky_relu(x, LEAK) if self.activation == "leaky" else x * torch.tanh(F.softplus(x))


def written_out(network: nn.Module) -> nn.Module:
    """The same network of `PlainConvBNAct`."""
    for name, child in network.named_children():
        if isinstance(child, ConvBNAct):
            setattr(network, name, PlainConvBNAct(child))
        else:
            written_out(child)
    return network


def learner_of(row: Row, precision: str, *, checkpointing: bool = False) -> Learner:
    """The learner that trains, in the stage of the row."""
    torch.manual_seed(0)
    network = build_network(row.network, CLASSES).move_to(CPU)
    network.set_activation_checkpointing(checkpointing)
    learner = Learner(make_recipe({"network": row.network}), network, CPU, precision, 1000)
    learner.enter_stage(row.stage)
    return learner


class Parts:
    """The seconds that steps of a learner spend in the network and its loss, in the backward pass, and in the optimizer."""

    def __init__(self, learner: Learner) -> None:
        self.seconds = 0.0
        learner.network.forward = self._timed(learner.network.forward)  # type: ignore[method-assign]
        learner.loss.terms = self._timed(learner.loss.terms)  # type: ignore[method-assign]
        learner.optimizer.step = self._timed(learner.optimizer.step)  # type: ignore[method-assign]

    def step(self, step: Callable[[], object]) -> float:
        """The share of one `step` outside these parts."""
        backward: Any = Tensor.backward
        self.seconds = 0.0
        Tensor.backward = self._timed(backward)  # type: ignore[method-assign]
        started = clock()
        try:
            step()
        finally:
            Tensor.backward = backward  # type: ignore[method-assign]
        return 1 - self.seconds / (clock() - started)

    def _timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            started = clock()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds += clock() - started

        return timed


def measure(row: Row, precision: str, rounds: int) -> Iterator[tuple[str, float]]:
    """Seconds of the named steps, `rounds` times in turn after one of each that is not counted; and shares."""
    batch = synthetic_batch(row.batch_size, SHAPE, BOXES, CLASSES)
    plain = PlainTraining(
        make_recipe({"network": row.network}), CPU, row.stage, row.batch_size, BOXES, CLASSES, wrap=written_out
    )
    ours = learner_of(row, precision)
    parts = Parts(ours)
    steps: dict[str, Callable[[], object]] = {"plain": plain.step, "ours": partial(_step, ours, batch)}
    if row.stage == "unfreeze":
        steps["checkpointed"] = partial(_step, learner_of(row, precision, checkpointing=True), batch)
    for index in range(rounds + 1):
        for name, step in steps.items():
            started = clock()
            step()
            if index:
                yield name, clock() - started
        if index:
            yield "outside", parts.step(steps["ours"])


def _step(learner: Learner, batch: SyntheticBatch) -> None:
    learner.step([batch], 1e-5, 100, check_loss=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="rows whose description contains this")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--precision", default="", help="default: the 16-bit format that the processor is fast in, else fp32"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    precision = arguments.precision or preferred_amp_dtype("cpu", probe(Path())) or "fp32"
    print(f"{arguments.threads} threads, {precision} beside the plain loop in fp32, {SHAPE[0]}x{SHAPE[1]}\n")
    print("| training | plain s | ours s | times as fast | goal | checkpointing | outside the parts |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in ROWS:
        if arguments.only not in str(row):
            continue
        found: dict[str, list[float]] = {}
        for name, value in measure(row, precision, arguments.rounds):
            found.setdefault(name, []).append(value)
        plain, ours = found["plain"], found["ours"]
        checkpointed = f"{_ratio(found['checkpointed'], ours):.2f} times as long" if "checkpointed" in found else ""
        print(
            f"| {row} | {statistics.median(plain):.2f} | {statistics.median(ours):.2f} | {_ratio(plain, ours):.2f} | {row.goal} | "
            f"{checkpointed} | {100 * statistics.median(found['outside']):.1f} % |",
            flush=True,
        )


def _ratio(first: list[float], second: list[float]) -> float:
    """The median of the rounds' ratios."""
    return statistics.median(a / b for a, b in zip(first, second, strict=True))


if __name__ == "__main__":
    main()
