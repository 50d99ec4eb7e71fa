"""Checkpoints: everything that an exact resume needs.

Two are kept. A new one is written to a temporary file and then renamed, so that the run folder has at least one complete
checkpoint at any time, also after the process was killed or the disk was full.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from engine.events import Step
from engine.files import atomic_write, replace_file
from engine.hardware import free_disk
from engine.messages import BadInput, Message, bad_input, format_bytes, join_phrases, phrase
from engine.network.detector import Detector
from engine.plan import StageName, StagePlan
from engine.recipe import Recipe
from engine.runs.folder import LAST_CHECKPOINT, PREVIOUS_CHECKPOINT, read_events
from engine.training.schedule import with_batch
from engine.weights.torch_file import check_tensor, plain_dict, read_torch_file

NEW_CHECKPOINT = f".{LAST_CHECKPOINT}.new"
"""The newest checkpoint, where the process was killed between the two renames."""
_FORMAT = "freezetui checkpoint"
_VERSION = 1
_LOSS_PARTS = 4
_SCALER_KEYS = {"scale", "growth_factor", "backoff_factor", "growth_interval", "_growth_tracker"}
_MAX_REASON_LENGTH = 300

_Count = Annotated[int, Field(ge=0, le=2**53)]
_Positive = Annotated[int, Field(ge=1, le=2**31)]
_Word = Annotated[str, Field(max_length=100)]
_Side = Annotated[int | float, Field(gt=0, le=1e6)]  # an int stays one, so that weights are saved to the same bytes


@dataclass(slots=True)
class Progress:
    """The position of a training: the next thing to do.

    `step` counts the optimizer steps of this epoch, `seen` the images that they used; after the last step of an epoch its
    validation is next. `sums` are the loss parts summed over the epoch's steps. The names are part of the checkpoint's format.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    epoch: _Count = 0
    step: _Count = 0
    seen: _Count = 0
    total_steps: _Count = 0
    sums: Annotated[list[float], Field(min_length=_LOSS_PARTS, max_length=_LOSS_PARTS)] = field(
        default_factory=lambda: [0.0] * _LOSS_PARTS
    )
    seconds: float = 0.0
    epoch_seconds: float = 0.0
    best_map50: float | None = None
    best_map50_95: float | None = None
    best_val_loss: float | None = None
    batch_sizes: dict[StageName, _Positive] = field(default_factory=dict)
    """Batch sizes by stage that replace the plan's."""
    accumulates: dict[StageName, _Positive] = field(default_factory=dict)
    """Batches per step by stage that replace the plan's."""
    validation_batch: _Positive | None = None
    """Batch size of validation, if memory did not suffice for more."""
    activation_checkpointing: bool | None = None
    """Replaces the plan's, if memory did not suffice without it."""
    epochs: Annotated[list[dict[_Word, int | float | _Word | bool | None]], Field(max_length=2**20)] = field(
        default_factory=list
    )
    """The events of finished epochs (`restored_logs.epoch_record`); empty in checkpoints of older versions."""

    def advance(self, images: int) -> None:
        """Count a step that used so many images."""
        self.step += 1
        self.total_steps += 1
        self.seen += images

    def next_epoch(self) -> None:
        """Move to the first step of the next epoch."""
        self.epoch += 1
        self.step = self.seen = 0
        self.sums = [0.0] * _LOSS_PARTS
        self.epoch_seconds = 0.0


def current_stage(recipe: Recipe, stage: StagePlan, progress: Progress, train_images: int) -> StagePlan:
    """A stage of the plan with the batch size that it has now, which may have been lowered, and its number of steps."""
    batch_size = progress.batch_sizes.get(stage.name, stage.batch_size)
    accumulate = progress.accumulates.get(stage.name, stage.accumulate)
    return with_batch(recipe, stage, batch_size, accumulate, train_images)


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
    processes: int = 1
    """How many trained together: with another number a resumed run rounds differently."""


@dataclass(frozen=True, slots=True)
class NewestCheckpoint:
    """The newest checkpoint of a run that can be read; `damaged` are the files that are newer and cannot be read."""

    checkpoint: Checkpoint
    file: Path
    damaged: tuple[Path, ...] = ()

    def note(self) -> Message | None:
        """Which steps are lost, where a newer checkpoint is damaged."""
        if not self.damaged:
            return None
        steps = [event for event in read_events(self.file.parent) if isinstance(event, Step)]
        progress = self.checkpoint.progress
        values = {
            "file": self.damaged[-1].name,
            "used": self.file.name,
            "epoch": progress.epoch + 1,
            "step": progress.step,
        }
        if not steps or (steps[-1].epoch, steps[-1].step + 1) <= (progress.epoch, progress.step):
            return Message(
                "checkpoint.damaged",
                "{file} is damaged, so the run resumes from {used} (epoch {epoch}, after {step} steps).",
                values,
            )
        return Message(
            "checkpoint.damaged_steps",
            "{file} is damaged, so the run resumes from {used} (epoch {epoch}, after {step} steps). The steps since then, up to "
            "step {last_step} of epoch {last_epoch}, are lost and are trained again.",
            {**values, "last_step": steps[-1].step + 1, "last_epoch": steps[-1].epoch + 1},
        )

    def settle(self) -> None:
        """Make this checkpoint the last one; call it with the run's lock held, before the next one is saved.

        Otherwise saving would put a damaged file in the place of the only one that can be read.

        Raises:
            OSError: the folder cannot be written.
        """
        run = self.file.parent
        last, previous = run / LAST_CHECKPOINT, run / PREVIOUS_CHECKPOINT
        if self.file.name == NEW_CHECKPOINT and last.exists():
            replace_file(last, previous)
        if self.file != last:
            replace_file(self.file, last)
        (run / NEW_CHECKPOINT).unlink(missing_ok=True)


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
    new = run / NEW_CHECKPOINT
    atomic_write(new, lambda file: torch.save(content, file))
    if last.exists():
        replace_file(last, previous)
    replace_file(new, last)
    return last


def has_checkpoint(run: Path) -> bool:
    """Whether a checkpoint was saved in the run, be it damaged."""
    return any((run / name).is_file() for name in (NEW_CHECKPOINT, LAST_CHECKPOINT, PREVIOUS_CHECKPOINT))


def load_newest(run: Path) -> Checkpoint:
    """The newest checkpoint of a run that can be read.

    Raises:
        BadInput: there is none.
    """
    return find_newest(run).checkpoint


def find_newest(run: Path) -> NewestCheckpoint:
    """The newest checkpoint of a run that can be read, and which files are damaged.

    Raises:
        BadInput: there is none.
    """
    damaged: list[Path] = []
    problems: list[Message] = []
    for name in (NEW_CHECKPOINT, LAST_CHECKPOINT, PREVIOUS_CHECKPOINT):
        path = run / name
        if path.is_file():
            try:
                return NewestCheckpoint(load_checkpoint(path), path, tuple(damaged))
            except BadInput as error:
                damaged.append(path)
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
        BadInput: the file is missing, damaged, hostile or no checkpoint; or a value in it cannot be right.
    """
    try:
        content = read_torch_file(path)
    except BadInput as error:
        raise bad_input("checkpoint.unreadable", "{path}: this is not a complete checkpoint.", path=path) from error
    name = content.get("format") if isinstance(content, dict) else None
    if not isinstance(name, str) or name != _FORMAT:
        raise bad_input("checkpoint.foreign", "{path}: this is not a checkpoint of freezetui.", path=path)
    version = content.get("version")
    if type(version) is not int or version != _VERSION:
        raise bad_input(
            "checkpoint.version",
            "{path}: written by another version ({version}).",
            path=path,
            version=version if type(version) is int and abs(version) < 10**6 else "?",
        )
    try:
        stored = _Stored.model_validate({key: content[key] for key in _Stored.model_fields if key in content})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        reason = first["msg"][:_MAX_REASON_LENGTH]
        raise _wrong(path, ".".join(map(str, first["loc"][:4])), reason) from error
    return Checkpoint(
        progress=stored.progress,
        network=_read_state(path, "network", stored.network),
        ema=None if stored.ema is None else _read_state(path, "ema", stored.ema),
        optimizer=plain_dict(stored.optimizer),
        scaler=stored.scaler,
        anchors=stored.anchors,
        scale_x_y=stored.scale_x_y,
        logs=stored.logs,
        processes=stored.processes,
    )


class _Stored(BaseModel):
    """The values of a checkpoint; the tensors are checked where they are read."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, arbitrary_types_allowed=True)

    progress: Progress
    network: dict[Any, Any]
    ema: dict[Any, Any] | None
    optimizer: dict[Any, Any]
    scaler: dict[str, int | float]
    anchors: tuple[tuple[_Side, _Side], ...]
    scale_x_y: tuple[Annotated[float, Field(ge=1, le=16)], ...]
    logs: dict[str, _Count]
    processes: _Positive = 1


def check_fits(
    path: Path, checkpoint: Checkpoint, network: Detector, optimizer: torch.optim.Optimizer, *, ema: bool, scaler: bool
) -> None:
    """Check that a checkpoint belongs to `network` and `optimizer`, and has an EMA and a gradient scaler where these are used.

    Raises:
        BadInput: a tensor is missing, or has another shape or type; the message names it.
    """
    if ema != (checkpoint.ema is not None):
        raise _wrong(path, "ema", phrase("it is missing") if ema else phrase("this run has none"))
    if scaler and checkpoint.scaler.keys() != _SCALER_KEYS:
        raise _wrong(path, "scaler", phrase("it is missing"))
    expected = network.state_dict()
    for key, state in (("network", checkpoint.network), ("ema", checkpoint.ema)):
        if state is None:
            continue
        if state.keys() != expected.keys():
            example = min(state.keys() ^ expected.keys())
            raise _wrong(
                path,
                key,
                phrase("{name} is missing", name=example)
                if example in expected
                else phrase("{name} is unknown", name=example),
            )
        for name, tensor in state.items():
            _check_like(path, f"{key}.{name}", tensor, expected[name])
    if (len(checkpoint.anchors), len(checkpoint.scale_x_y)) != (len(network.all_anchors), len(network.scale_x_y)):
        raise _wrong(path, "anchors", phrase("they belong to another network"))
    _check_optimizer(path, checkpoint.optimizer, optimizer)


def _check_optimizer(path: Path, stored: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> None:
    state = stored.get("state")
    if not isinstance(state, dict):
        raise _wrong(path, "optimizer.state", phrase("it is missing"))
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    names = {"momentum_buffer"} if "momentum" in optimizer.param_groups[0] else {"step", "exp_avg", "exp_avg_sq"}
    for index, values in dict.items(state):
        key = f"optimizer.state.{str(index)[:20]}"
        if type(index) is not int or not 0 <= index < len(parameters) or not isinstance(values, dict):
            raise _wrong(path, key, phrase("no such parameter"))
        for name, tensor in dict.items(values):
            if name not in names or not isinstance(tensor, Tensor | None):
                raise _wrong(path, key, phrase("not the state of this optimizer"))
            if tensor is not None:
                _check_like(path, f"{key}.{name}", tensor, torch.zeros(()) if name == "step" else parameters[index])


def _check_like(path: Path, name: str, tensor: Tensor, expected: Tensor) -> None:
    if tensor.dtype != expected.dtype or tensor.shape != expected.shape:
        reason = phrase("it is {found}, not {expected}", found=_describe(tensor), expected=_describe(expected))
        raise _wrong(path, name, reason)
    if tensor.is_floating_point():
        check_tensor(path, name, tensor)


def _describe(tensor: Tensor) -> str:
    return "x".join([*map(str, tensor.shape), str(tensor.dtype).removeprefix("torch.")])


def _read_state(path: Path, key: str, state: dict[Any, Any]) -> dict[str, Tensor]:
    """A state dict of a checkpoint."""
    for name, tensor in dict.items(state):
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise _wrong(path, f"{key}.{str(name)[:100]}", phrase("it is not a tensor"))
    return plain_dict(state)


def _wrong(path: Path, key: str, reason: Message | str) -> BadInput:
    return bad_input(
        "checkpoint.wrong_value",
        "{path}: {key} is not that of a checkpoint of this run ({reason}).",
        path=path,
        key=key,
        reason=reason,
    )


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
