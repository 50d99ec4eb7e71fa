"""Checkpoints: everything that an exact resume needs.

Two are kept. A new one is written to a temporary file and then renamed, so that the run folder has at least one complete
checkpoint at any time, also after the process was killed or the disk was full.
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
from engine.messages import BadInput, Message, bad_input, format_bytes, join_phrases
from engine.runs.folder import LAST_CHECKPOINT, PREVIOUS_CHECKPOINT
from engine.weights.torch_file import read_torch_file

_FORMAT = "freezetui checkpoint"
_VERSION = 1


@dataclass(slots=True)
class Progress:
    """The position of a training: the next thing to do.

    `step` counts the optimizer steps of this epoch, `seen` the images that they used; after the last step of an epoch its
    validation is next. `sums` are the loss parts summed over the epoch's steps. The names are part of the checkpoint's format.
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
    """Batch sizes by stage that replace the plan's."""
    accumulates: dict[str, int] = field(default_factory=dict)
    """Batches per step by stage that replace the plan's."""
    validation_batch: int | None = None
    """Batch size of validation, if memory did not suffice for more."""

    def next_epoch(self) -> None:
        """Move to the first step of the next epoch."""
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
    """Anchors and scale_x_y of the weights that the run started from; empty for a network without anchors."""
    logs: Mapping[str, int]
    """Length of each log file in bytes."""


def save_checkpoint(run: Path, checkpoint: Checkpoint) -> Path:
    """Write `last.ckpt`; the last one becomes `previous.ckpt`.

    Raises:
        BadInput: the disk is full or read-only; the existing checkpoints stay.
    """
    content = {
        "format": _FORMAT,
        "version": _VERSION,
        **{f.name: getattr(checkpoint, f.name) for f in dataclasses.fields(checkpoint)},
        "progress": dataclasses.asdict(checkpoint.progress),
    }
    last, previous = run / LAST_CHECKPOINT, run / PREVIOUS_CHECKPOINT
    new = run / f".{LAST_CHECKPOINT}.new"
    atomic_write(new, lambda file: torch.save(content, file))
    if last.exists():
        replace_file(last, previous)
    replace_file(new, last)
    return last


def load_newest(run: Path) -> Checkpoint:
    """The newest checkpoint of a run that can be read.

    Raises:
        BadInput: there is none.
    """
    problems: list[Message] = []
    # If the process is killed between the two renames, the new checkpoint is complete under the first name.
    for name in (f".{LAST_CHECKPOINT}.new", LAST_CHECKPOINT, PREVIOUS_CHECKPOINT):
        if (run / name).is_file():
            try:
                return load_checkpoint(run / name)
            except BadInput as error:
                problems.extend(error.messages)
    if problems:
        raise bad_input(
            "checkpoint.none_loads",
            "{run}: none of its checkpoints can be read: {problems}",
            run=run,
            problems=join_phrases(problems, " "),
        )
    raise bad_input(
        "checkpoint.none", "{run}: no checkpoint was saved in this run yet, so it cannot be resumed.", run=run
    )


def load_checkpoint(path: Path) -> Checkpoint:
    """Read one checkpoint; code in the file is never run.

    Raises:
        BadInput: the file is missing, incomplete, hostile or no checkpoint.
    """
    try:
        content = read_torch_file(path)
    except BadInput as error:
        raise bad_input("checkpoint.unreadable", "{path}: this is not a complete checkpoint.", path=path) from error
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
        raise bad_input("checkpoint.unreadable", "{path}: this is not a complete checkpoint.", path=path) from error


def check_disk(folder: Path, parameter_bytes: int, *, ema: bool, adam: bool, weights_files: int) -> None:
    """Refuse a run that would fill the disk: three checkpoints (two kept, one temporary) and the weights files.

    Args:
        folder: where the run will write.
        parameter_bytes: size of the network's parameters and buffers.
        ema: whether checkpoints contain an EMA of the network.
        adam: whether the optimizer keeps two values per parameter, not one.
        weights_files: how many weights files the run keeps.

    Raises:
        BadInput: naming the needed and the free disk space.
    """
    copies = 1 + ema + (2 if adam else 1)
    needed = parameter_bytes * (3 * copies + weights_files)
    free = free_disk(folder)
    if free is not None and needed > free:
        raise bad_input(
            "disk.too_small",
            "{folder}: the run needs {needed} of disk space (three checkpoints, one of them temporary, and {files} weights files), and "
            "{free} are free; free some space, or set a larger save_period.",
            folder=folder,
            needed=format_bytes(needed),
            files=weights_files,
            free=format_bytes(free),
        )
