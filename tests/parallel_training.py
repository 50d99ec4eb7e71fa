"""Trainings in several processes of this machine, without the launcher: each process is started here and joins the group."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_post_hook

from engine.events import Event, Step, event_from_json
from engine.messages import bad_input
from engine.parallel.group import ProcessGroup, connect
from engine.runner.resume import Changes, resume_in_group
from engine.runner.start import train_new_run
from engine.runner.supervisor import OnOutOfMemory
from engine.training.control import Control
from engine.training.learner import Learner
from tests.anchor_free_network import SPEC, registered
from tests.small_training import plan_and_dataset
from tests.training_passes import at_pass, out_of_memory, overflow
from tests.warm_processes import warm_processes

TWO = {"device": "cpu", "devices": [0, 1], "parallel": "ddp", "freeze_batch_size": 8, "unfreeze_batch_size": 4}
"""Settings of a training in two processes."""
ONE = {"freeze_batch_size": 4, "unfreeze_batch_size": 2, "accumulate": 2}
"""The same in one process."""

SMALL = {
    "network": SPEC.name,
    "model_path": "",
    "freeze_train": False,
    "unfreeze_epoch": 1,
    "unfreeze_batch_size": 8,
    "num_workers": 0,
}
"""A network that computes and is saved in an instant, for what happens between the processes."""

Watch = Callable[[Event, ProcessGroup, Control], None]
"""Is called in each process after each event; importable by name."""


@dataclass(frozen=True)
class Job:
    """What the processes do: start a training in `workspace`, or resume `run`."""

    workspace: Path
    settings: dict[str, Any] = field(default_factory=dict)
    run: Path | None = None
    on_out_of_memory: OnOutOfMemory = "stop"
    prepare: Callable[[ProcessGroup], None] | None = None
    watch: Watch | None = None
    as_on_a_card: bool = False
    """Do not look at the loss before backward, which a card would have to be waited for."""


def train_together(job: Job, processes: int = 2) -> list[list[Event]]:
    """The events of each process; every process must end by itself."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = [warm_processes().Process(target=_train, args=(rank, processes, port, job)) for rank in range(processes)]
    for process in started:
        process.start()
    for process in started:
        process.join(600)
    try:
        assert [process.exitcode for process in started] == [0] * processes, [process.exitcode for process in started]
    finally:
        for process in started:
            process.kill()
    return [_read_events(job.workspace, rank) for rank in range(processes)]


def steps(events: list[Event]) -> list[Step]:
    """The events of steps."""
    return [event for event in events if isinstance(event, Step)]


def _train(rank: int, processes: int, port: int, job: Job) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    if sys.platform == "linux":
        os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    _open_for_good.enter_context(registered())
    if job.as_on_a_card:
        step = Learner.step
        Learner.step = lambda *values, check_loss: step(*values, check_loss=False)  # type: ignore[method-assign]
    group = connect(rank, processes, "cpu", timedelta(seconds=300))
    control = Control()
    if job.prepare is not None:
        job.prepare(group)
    lines = []
    for event in _events(job, control, group):
        lines.append(event.to_line())
        if job.watch is not None:
            job.watch(event, group, control)
    (job.workspace / f"rank_{rank}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    group.close()


def _events(job: Job, control: Control, group: ProcessGroup) -> Iterator[Event]:
    if job.run is not None:
        yield from resume_in_group(
            job.run, None, control, Changes(job.settings, None, False), job.on_out_of_memory, group
        )
        return
    plan, dataset = plan_and_dataset(job.workspace, **{**TWO, **job.settings})
    yield from train_new_run(plan, dataset, control, job.on_out_of_memory, group)


def _read_events(workspace: Path, rank: int) -> list[Event]:
    lines = (workspace / f"rank_{rank}.jsonl").read_text(encoding="utf-8").splitlines()
    events = [event_from_json(json.loads(line)) for line in lines]
    return [event for event in events if event is not None]


# Faults: what `Job.prepare` does in one process


@dataclass(frozen=True)
class Fault:
    """In the process `rank` something fails; the pass of the training, or of the validation, is counted from 0."""

    rank: int
    at_pass: int
    where: str
    """forward, backward (when other gradients were exchanged), update, validation, refused (bad input) or not_finite."""

    def __call__(self, group: ProcessGroup) -> None:
        if group.rank != self.rank:
            return
        if self.where == "update":
            _fail_at_update(self.at_pass)
        elif self.where == "validation":
            _open_for_good.enter_context(at_pass(self.at_pass, out_of_memory, training=False))
        else:
            _open_for_good.enter_context(at_pass(self.at_pass, _ACTS[self.where]))


def _refuse(_: object) -> Any:
    raise bad_input("test.refused", "no images are left")


def _fail_in_backward(outputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The last gradient of the pass fails: that of the layer which computes first."""
    _first_layer(outputs[0]).register_prehook(out_of_memory)
    return outputs


def _fail_at_update(number: int) -> None:
    """The optimizer has changed the weights when memory runs out."""
    updates = count()

    def after(optimizer: torch.optim.Optimizer, *_: object) -> None:
        is_real = (
            type(optimizer.param_groups[0]["params"][0]) is torch.nn.Parameter
        )  # planning trains without any numbers
        if is_real and next(updates) == number:
            out_of_memory(None)

    register_optimizer_step_post_hook(after)


_ACTS: dict[str, Callable[[tuple[Tensor, ...]], tuple[Tensor, ...]]] = {
    "forward": out_of_memory,
    "backward": _fail_in_backward,
    "refused": _refuse,
    "not_finite": overflow,
}


def _first_layer(output: Tensor) -> Any:
    """The node of the autograd graph that is farthest from `output`."""
    depths = {output.grad_fn: 0}
    waiting = [output.grad_fn]
    while waiting:
        node = waiting.pop(0)
        for following, _ in node.next_functions:
            if following is not None and following not in depths:
                depths[following] = depths[node] + 1
                waiting.append(following)
    return max((node for node in depths if "Convolution" in node.name()), key=depths.__getitem__)


_open_for_good = ExitStack()
