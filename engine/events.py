"""Events of a run: frozen dataclasses, each with a JSON form of one line.

A training yields them; the screens, the commands and events.jsonl consume them. Epochs and steps count from 0, losses are
means per step, memory is in bytes, durations are in seconds. `time` is the Unix time at which the event was made; within a
process it never goes back, so that differences are durations although the clock is set.

Types and limits are checked where an event is read from a file, not where it is made.
"""

from __future__ import annotations

import functools
import json
import math
import re
import time as clock
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

from engine.messages import Message, from_record, json_text, to_record
from engine.plan import StageName

_END_OF_TIME = 253_402_300_000.0
"""The year 9999, the last that can be shown."""

Count = Annotated[int, Field(ge=0, le=2**53)]
Finite = Annotated[float, Field(ge=-1e100, le=1e100)]
Duration = Annotated[float, Field(ge=-_END_OF_TIME, le=_END_OF_TIME)]
"""Seconds; older versions measured negative ones when the clock was set back."""


def _monotonic() -> float:
    """Seconds that also pass while the machine sleeps, where the system counts these."""
    return clock.clock_gettime(clock.CLOCK_BOOTTIME) if hasattr(clock, "CLOCK_BOOTTIME") else clock.monotonic()


_CLOCK_OFFSET = clock.time() - _monotonic()


def steady_time() -> float:
    """The Unix time, as if the clock had not been set since this process started."""
    return _CLOCK_OFFSET + _monotonic()


class _PlannedStage(BaseModel):
    """What screens read of a stage in the plan of `RunStarted`."""

    name: StageName
    first_epoch: Count
    last_epoch: Count
    batch_size: Annotated[int, Field(ge=1, le=2**53)]
    steps_per_epoch: Count
    seconds_estimate: Duration | None = None


class _PlanRecord(BaseModel):
    stages: list[_PlannedStage] = []
    device: str = "cpu"
    recipe: dict[str, Any] = {}


def _checked_plan(stored: object) -> object:
    _PlanRecord.model_validate(stored)
    return stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened in a run."""

    MESSAGE_FIELDS: ClassVar[tuple[str, ...]] = ()
    """Fields that hold a Message, a tuple of Messages or None. JSON has their English text, and beside it, under
    `<field>_parts`, what is needed to translate it."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    time: Annotated[float, Field(ge=0, le=_END_OF_TIME)] = field(default_factory=steady_time)

    @classmethod
    def event_name(cls) -> str:
        """The name in the JSON field `event`: the class's name in snake_case."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def to_json(self) -> dict[str, Any]:
        """A JSON object. A float that is not finite becomes null: JSON has no number for it."""
        stored: dict[str, Any] = {"event": self.event_name()}
        for name in (f.name for f in fields(self)):
            value = getattr(self, name)
            stored.update(_messages_to_json(name, value) if name in self.MESSAGE_FIELDS else {name: _to_json(value)})
        return stored

    def to_line(self) -> str:
        """One line of events.jsonl, without the line break."""
        return json_text(self.to_json())


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """A run starts, or resumes at `epoch` and `step` (`continued`). `note` says which settings were changed."""

    MESSAGE_FIELDS: ClassVar[tuple[str, ...]] = ("note",)

    run: str
    plan: Annotated[Mapping[str, Any], BeforeValidator(_checked_plan)]
    epoch: Count
    step: Count
    continued: bool
    note: Message | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsLoaded(Event):
    """The weights a run starts from. `matched` of the network's `total` convolutions are in the file; `skipped` says which
    are not, and why.
    """

    MESSAGE_FIELDS: ClassVar[tuple[str, ...]] = ("skipped",)

    file: str
    kind: str
    matched: Count
    total: Count
    skipped: tuple[Message, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStarted(Event):
    """A stage starts or resumes."""

    stage: StageName
    epoch: Count
    batch_size: Count
    init_lr: Finite
    min_lr: Finite


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Event):
    """One optimizer step. `data_wait` is the fraction of the step's time spent waiting for images, 0 to 1.

    In events.jsonl one event may stand for `count` steps of a long epoch: it is the last of them, and its losses, learning
    rate, speed and wait are their means.
    """

    stage: StageName
    epoch: Count
    step: Count
    steps: Count
    loss: Finite
    box: Finite
    objectness: Finite
    classes: Finite
    lr: Finite
    images_per_second: Finite
    data_wait: Finite
    memory_bytes: Count
    count: Annotated[int, Field(ge=1, le=2**53)] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochFinished(Event):
    """The last step of an epoch and its validation are done. `val_loss` is None without validation images."""

    stage: StageName
    epoch: Count
    train_loss: Finite
    val_loss: Finite | None
    seconds: Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated(Event):
    """mAP on the validation split after `epoch`. `per_class`: AP50 of each class that has boxes there; older versions have none."""

    epoch: Count
    map50: Finite
    map50_95: Finite
    best: bool
    per_class: Mapping[str, Finite] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSaved(Event):
    """The run can be resumed at `epoch` and `step`."""

    path: str
    epoch: Count
    step: Count
    seconds: Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSkipped(Event):
    """An image could not be read and is left out of its batches; once for each image."""

    MESSAGE_FIELDS: ClassVar[tuple[str, ...]] = ("reason",)

    image: str
    reason: Message
    count: Count = 1
    """Images that could not be read so far, this one included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfMemory(Event):
    """The memory of `where` (a torch device) ran out.

    During validation both batch sizes are those of the validation. `checkpoint` is the file to resume from. `message` says
    what happened, `hint` what to do on the command line. `suggested_checkpointing`: the same batch is to be tried with activation
    checkpointing; `suggested_batch_size` is then the way without it.
    """

    MESSAGE_FIELDS: ClassVar[tuple[str, ...]] = ("message", "hint")

    stage: StageName
    epoch: Count
    step: Count
    batch_size: Count
    suggested_batch_size: Count | None
    where: str
    during: Literal["start", "training", "validation"]
    checkpoint: str | None
    message: Message
    hint: Message | None = None
    suggested_checkpointing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchChanged(Event):
    """From this step on the stage trains with another batch size, or with the same and activation checkpointing.

    `accumulate` batches make one step.
    """

    stage: StageName
    epoch: Count
    step: Count
    batch_size: Count
    init_lr: Finite
    min_lr: Finite
    accumulate: Count = 1
    activation_checkpointing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LossNotFinite(Event):
    """The loss became infinite or NaN and the run ended. `images` are those of the batch."""

    MESSAGE_FIELDS: ClassVar[tuple[str, ...]] = ("message", "hint")

    stage: StageName
    epoch: Count
    step: Count
    images: tuple[str, ...]
    message: Message
    hint: Message | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadsChanged(Event):
    """From this step on so many threads compute, since other programs use the fraction `others` (0 to 1) of the processor."""

    epoch: Count
    step: Count
    threads: Count
    others: Finite


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused(Event):
    """The training is paused."""

    epoch: Count
    step: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(Event):
    """The training resumes after a pause."""

    epoch: Count
    step: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandAnswered(Event):
    """A command of another process (`engine/runs/commands.py`) was accepted, or refused for the reason in `message`.

    What an accepted command does follows in events of its own, such as `paused`. `value` is that of the command.
    """

    MESSAGE_FIELDS: ClassVar[tuple[str, ...]] = ("message",)

    id: str
    command: str
    value: Count | None
    accepted: bool
    message: Message | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped(Event):
    """The run was stopped on request, after saving a checkpoint."""

    epoch: Count
    step: Count
    checkpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished(Event):
    """All epochs are done. `best` and `last` are weights files."""

    run: str
    best: str
    last: str
    map50: Finite | None
    map50_95: Finite | None
    seconds: Duration


CARD_STOPPED = "train.card_stopped"
"""Code of `Failed` where the device failed, not the training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Event):
    """The run ended with an error. `exit_code` is that of the command, `checkpoint` the file to resume from, if there is one."""

    MESSAGE_FIELDS: ClassVar[tuple[str, ...]] = ("message", "hint")

    code: str
    message: Message
    exit_code: Count
    checkpoint: str | None
    hint: Message | None = None


_EVENT_TYPES: dict[str, type[Event]] = {
    event_type.event_name(): event_type
    for event_type in (
        RunStarted, WeightsLoaded, StageStarted, Step, EpochFinished, Evaluated, CheckpointSaved, ImageSkipped, OutOfMemory, BatchChanged,
        LossNotFinite, ThreadsChanged, Paused, Resumed, CommandAnswered, Stopped, Finished, Failed,
    )
}  # fmt: skip


def event_from_json(stored: Mapping[str, Any]) -> Event | None:
    """The event in `stored`; None where this version does not know its type or its fields, or a value cannot be right."""
    event_type = _EVENT_TYPES.get(str(stored.get("event")))
    if event_type is None:
        return None
    parts = {f"{name}_parts" for name in event_type.MESSAGE_FIELDS}
    values: dict[str, Any] = {}
    try:
        for name, value in stored.items():
            if name in event_type.MESSAGE_FIELDS:
                values[name] = _messages_from_json(value, stored.get(f"{name}_parts"))
            elif name != "event" and name not in parts:
                values[name] = value
        return _reader(event_type.event_name()).validate_python(values)
    except (ValueError, RecursionError):
        return None


def event_from_line(line: str) -> Event | None:
    """The event in one line of events.jsonl; None where the line is damaged or incomplete."""
    try:
        stored = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event_from_json(stored) if isinstance(stored, dict) else None


@functools.cache
def _reader(event_name: str) -> TypeAdapter[Event]:
    return TypeAdapter(_EVENT_TYPES[event_name])


def _to_json(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return list(value) if isinstance(value, tuple) else value


def _messages_to_json(name: str, value: Message | tuple[Message, ...] | None) -> dict[str, Any]:
    if value is None:
        return {name: ""}
    if isinstance(value, Message):
        return {name: str(value), f"{name}_parts": to_record(value)}
    return {name: [str(message) for message in value], f"{name}_parts": [to_record(message) for message in value]}


def _messages_from_json(text: Any, parts: Any) -> Message | tuple[Message, ...] | None:
    if isinstance(text, list):
        records = parts if isinstance(parts, list) and len(parts) == len(text) else [None] * len(text)
        return tuple(from_record(record, str(line)) for line, record in zip(text, records, strict=True))
    return from_record(parts, str(text)) if text else None
