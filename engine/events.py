"""What happens in a run: frozen records, each with a JSON form of one line.

`train` yields them; screens, the console and events.jsonl read them. Epochs and steps count from 0, losses are means per
step, memory is in bytes, times are seconds. `time` is the Unix time at which the event was made.
"""

from __future__ import annotations

import json
import math
import re
import time as clock
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from engine.plan import StageName


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened in a run."""

    time: float = field(default_factory=clock.time)

    @classmethod
    def event_name(cls) -> str:
        """The name in the JSON field `event`: the class's name in snake_case."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def to_json(self) -> dict[str, Any]:
        """A JSON object; a value that is not finite becomes null, since JSON has no word for it."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {"event": self.event_name(), **{name: _finite(value) for name, value in values.items()}}

    def to_line(self) -> str:
        """One line of events.jsonl, without its end."""
        return json.dumps(self.to_json(), ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """A run begins, or goes on from `epoch` and `step`."""

    run: str
    plan: Mapping[str, Any]
    epoch: int
    step: int
    continued: bool
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsLoaded(Event):
    """The weights a run starts from: how many of the network's tensors they filled, and what was left out and why."""

    file: str
    kind: str
    matched: int
    total: int
    skipped: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStarted(Event):
    """A stage begins (or is gone on with)."""

    stage: StageName
    epoch: int
    batch_size: int
    init_lr: float
    min_lr: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Event):
    """One gradient update. `data_wait` is the share of the step's time spent waiting for images, 0 to 1."""

    stage: StageName
    epoch: int
    step: int
    steps: int
    loss: float
    box: float
    objectness: float
    classes: float
    lr: float
    images_per_second: float
    data_wait: float
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochFinished(Event):
    """An epoch's last step and its validation are done. `val_loss` is None without validation images."""

    stage: StageName
    epoch: int
    train_loss: float
    val_loss: float | None
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated(Event):
    """mAP on the validation split after `epoch`."""

    epoch: int
    map50: float
    map50_95: float
    best: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSaved(Event):
    """The run can go on from `epoch`, `step`."""

    path: str
    epoch: int
    step: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSkipped(Event):
    """An image could not be read; the training goes on without it."""

    image: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfMemory(Event):
    """Memory ran out at `where` (a torch device). The number of images in the data set plays no part in that.

    `during` says what was under way; in validation both batch sizes are the validation's own. `checkpoint` is where the run
    can go on from.
    """

    stage: StageName
    epoch: int
    step: int
    batch_size: int
    suggested_batch_size: int | None
    where: str
    during: Literal["start", "training", "validation"]
    checkpoint: str | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchChanged(Event):
    """From this step on the stage trains with another batch size, `accumulate` batches to a step."""

    stage: StageName
    epoch: int
    step: int
    batch_size: int
    init_lr: float
    min_lr: float
    accumulate: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LossNotFinite(Event):
    """The loss became infinite or not a number; `images` are those of the batch. The run stops."""

    stage: StageName
    epoch: int
    step: int
    images: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused(Event):
    """The training waits."""

    epoch: int
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(Event):
    """The training goes on after a pause."""

    epoch: int
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped(Event):
    """The run was asked to stop and has saved a checkpoint."""

    epoch: int
    step: int
    checkpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished(Event):
    """All epochs are done."""

    run: str
    best: str
    last: str
    map50: float | None
    map50_95: float | None
    seconds: float


CARD_STOPPED = "train.card_stopped"
"""Code of the event `Failed` where the device failed, not the training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Event):
    """The run ended because of `message`; `exit_code` is the command's. `checkpoint` is where it can go on, if there is one."""

    code: str
    message: str
    exit_code: int
    checkpoint: str | None


_KINDS: dict[str, type[Event]] = {
    kind.event_name(): kind
    for kind in (
        RunStarted, WeightsLoaded, StageStarted, Step, EpochFinished, Evaluated, CheckpointSaved, ImageSkipped, OutOfMemory, BatchChanged,
        LossNotFinite, Paused, Resumed, Stopped, Finished, Failed,
    )
}  # fmt: skip


def event_from_json(stored: Mapping[str, Any]) -> Event | None:
    """The event in `stored`; None where it is of a kind, or has fields, that this version does not know."""
    kind = _KINDS.get(str(stored.get("event")))
    if kind is None:
        return None
    values = {
        name: tuple(value) if isinstance(value, list) else value for name, value in stored.items() if name != "event"
    }
    try:
        return kind(**values)  # type: ignore[arg-type]  # the kind decides which fields there are
    except TypeError:
        return None


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return list(value) if isinstance(value, tuple) else value
