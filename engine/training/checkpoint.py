"""Checkpoints: everything needed to go on exactly.

Two are kept. The new one is written beside the old ones and takes its place by renaming, so that at every moment, a
killed process or a full disk included, at least one whole checkpoint lies in the run folder.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.files import atomic_write, replace_file
from engine.hardware import free_disk
from engine.messages import BadInput, bad_input
from engine.runs.folder import LAST_CHECKPOINT, PREVIOUS_CHECKPOINT
from engine.weights.torch_file import read_torch_file

_FORMAT = "freezetui checkpoint"
_VERSION = 1


@dataclass(slots=True)
class Progress:
    """How far a training has come. It points at the next thing to do.

    `step` counts the gradient updates of this epoch, `seen` the images they took from its order; an epoch whose steps are
    all done has its validation still before it. `sums` are the loss parts added up over the epoch's steps.
    """

    epoch: int = 0
    step: int = 0
    seen: int = 0
    total_steps: int = 0
    sums: list[float] = field(default_factory=lambda: [0.0] * 4)
    seconds: float = 0.0
    epoch_seconds: float = 0.0
    best_map50: float | None = None
    best_map50_95: float | None = None
    best_val_loss: float | None = None
    batch_sizes: dict[str, int] = field(default_factory=dict)
    """Batch sizes by stage that took the place of the plan's."""
    accumulates: dict[str, int] = field(default_factory=dict)
    """Batches that make a step, by stage, where they took the place of the plan's."""
    validation_batch: int | None = None
    """Images at a time in validation, where memory did not suffice for more."""

    def next_epoch(self) -> None:
        """Point at the first step of the next epoch."""
        self.epoch += 1
        self.step = self.seen = 0
        self.sums = [0.0] * 4
        self.epoch_seconds = 0.0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a training between two steps."""

    progress: Progress
    network: Mapping[str, Tensor]
    ema: Mapping[str, Tensor] | None
    optimizer: Mapping[str, Any]
    scaler: Mapping[str, Any]
    anchors: tuple[tuple[float, float], ...]
    scale_x_y: tuple[float, ...]
    """Both belong to the weights the run started from."""
    logs: Mapping[str, int]
    """Length in bytes of each log file at this moment."""


def save_checkpoint(run: Path, checkpoint: Checkpoint) -> Path:
    """Write `last.ckpt`; the one before becomes `previous.ckpt`.

    Raises:
        BadInput: the disk is full or read-only; the checkpoints that were there stay.
    """
    content = {
        "format": _FORMAT,
        "version": _VERSION,
        **{f.name: getattr(checkpoint, f.name) for f in dataclasses.fields(checkpoint)},
        "progress": dataclasses.asdict(checkpoint.progress),
    }
    last, previous = run / LAST_CHECKPOINT, run / PREVIOUS_CHECKPOINT
    fresh = run / f".{LAST_CHECKPOINT}.new"
    atomic_write(fresh, lambda file: torch.save(content, file))
    if last.exists():
        replace_file(last, previous)
    replace_file(fresh, last)
    return last


def load_newest(run: Path) -> Checkpoint:
    """The newest checkpoint of a run that can be read.

    Raises:
        BadInput: there is none.
    """
    problems = []
    # A process killed between the two renames leaves its new checkpoint under the first name, whole.
    for name in (f".{LAST_CHECKPOINT}.new", LAST_CHECKPOINT, PREVIOUS_CHECKPOINT):
        if (run / name).is_file():
            try:
                return load_checkpoint(run / name)
            except BadInput as error:
                problems.append(str(error))
    if problems:
        raise bad_input(
            "checkpoint.none_loads",
            "{run}: none of its checkpoints can be read: {problems}",
            run=run,
            problems=" ".join(problems),
        )
    raise bad_input(
        "checkpoint.none", "{run}: no checkpoint was saved in this run yet, so there is nothing to go on from.", run=run
    )


def load_checkpoint(path: Path) -> Checkpoint:
    """Read one checkpoint; no code in the file is ever run.

    Raises:
        BadInput: the file is missing, torn, hostile or something else.
    """
    try:
        content = read_torch_file(path)
    except BadInput as error:
        raise bad_input("checkpoint.unreadable", "{path}: this is no whole checkpoint.", path=path) from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise bad_input("checkpoint.foreign", "{path}: this is not a checkpoint of freezetui.", path=path)
    if content.get("version") != _VERSION:
        raise bad_input(
            "checkpoint.version",
            "{path}: written by another version ({version}).",
            path=path,
            version=content.get("version"),
        )
    try:
        return Checkpoint(
            progress=Progress(**content["progress"]),
            **{f.name: content[f.name] for f in dataclasses.fields(Checkpoint) if f.name != "progress"},
        )
    except (KeyError, TypeError) as error:
        raise bad_input("checkpoint.unreadable", "{path}: this is no whole checkpoint.", path=path) from error


def check_disk(folder: Path, parameter_bytes: int, *, ema: bool, adam: bool, weights_files: int) -> None:
    """Refuse a run that would fill the disk: three checkpoints (two kept, one in writing) and the weights that are kept.

    Args:
        folder: where the run will write.
        parameter_bytes: size of the network's parameters and buffers.
        weights_files: how many weights files the run keeps.

    Raises:
        BadInput: naming what is needed and what is free.
    """
    copies = 1 + ema + (2 if adam else 1)
    needed = parameter_bytes * (3 * copies + weights_files)
    free = free_disk(folder)
    if free is not None and needed > free:
        raise bad_input(
            "disk.too_small",
            "{folder}: the run needs {needed} MB of disk (two checkpoints, one in writing, {files} weights files), and {free} MB are "
            "free; free some space, or raise save_period.",
            folder=folder,
            needed=needed // 10**6 + 1,
            files=weights_files,
            free=free // 10**6,
        )
