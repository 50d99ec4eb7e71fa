"""A Plan: Recipe, Dataset and Hardware resolved. What it says is what will run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from engine.dataset.formats import open_dataset
from engine.dataset.index import Dataset
from engine.messages import Message
from engine.recipe import Recipe, make_recipe

StageName = Literal["freeze", "unfreeze"]


@dataclass(frozen=True, slots=True)
class DataSource:
    """Where a Dataset is and how it was understood, so that the same one can be opened again."""

    path: str
    format: str = "auto"
    classes_file: str | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    """Class names of the labels to the names that take their place."""


def open_source(source: DataSource, seed: int = 11) -> Dataset:
    """The Dataset at `source`; `seed` draws the splits where it has none.

    Raises:
        BadInput: see `open_dataset`.
    """
    return open_dataset(
        Path(source.path),
        format=source.format,
        classes_file=None if source.classes_file is None else Path(source.classes_file),
        mapping=source.mapping,
        seed=seed,
    )


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage. Epochs count from 0 and include the last; memory in bytes; `seconds_estimate` is for the whole stage."""

    name: StageName
    first_epoch: int
    last_epoch: int
    batch_size: int
    init_lr: float
    min_lr: float
    steps_per_epoch: int
    accumulate: int = 1
    """Batches whose gradients make one step."""
    memory_estimate_bytes: int | None = None
    memory_margin_bytes: int | None = None
    """Of the estimate, what is kept back for what cannot be predicted."""
    memory_limit_bytes: int | None = None
    """What is free now on the device."""
    seconds_estimate: float | None = None

    @property
    def epochs(self) -> int:
        """How many epochs the stage has."""
        return self.last_epoch - self.first_epoch + 1


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is decided before the first step. Nothing in it says "auto"."""

    recipe: Recipe
    data: DataSource
    classes: tuple[str, ...]
    images: Mapping[str, int]
    """Number of images in each split."""
    device: str
    """A torch device: `cpu`, `cuda:0`, `mps`."""
    precision: Literal["fp32", "bf16", "fp16"]
    threads: int
    """Threads of the CPU's matrix work. Another number gives another rounding, so it is kept with the run."""
    weights: str | None
    """The file to start from, found; None from scratch."""
    workspace: str
    """The folder that holds logs/ and model_data/."""
    stages: tuple[StagePlan, ...]
    warnings: tuple[Message, ...] = ()

    @property
    def total_steps(self) -> int:
        """Steps of all stages together."""
        return sum(stage.epochs * stage.steps_per_epoch for stage in self.stages)

    def stage_of(self, epoch: int) -> StagePlan:
        """The stage that `epoch` belongs to."""
        return next(stage for stage in self.stages if stage.first_epoch <= epoch <= stage.last_epoch)

    def to_json(self) -> dict[str, Any]:
        """The form printed by `plan --json` and kept as plan.json."""
        return {
            "recipe": self.recipe.model_dump(mode="json", include=set(self.recipe.read_settings())),
            "data": {
                "path": self.data.path,
                "format": self.data.format,
                "classes_file": self.data.classes_file,
                "mapping": dict(self.data.mapping),
            },
            "classes": list(self.classes),
            "images": dict(self.images),
            "device": self.device,
            "precision": self.precision,
            "threads": self.threads,
            "weights": self.weights,
            "workspace": self.workspace,
            "stages": [
                {name: getattr(stage, name) for name in StagePlan.__dataclass_fields__} for stage in self.stages
            ],
            "total_steps": self.total_steps,
            "warnings": [warning.to_json() for warning in self.warnings],
        }


def plan_from_json(stored: Mapping[str, Any]) -> Plan:
    """The Plan that `Plan.to_json` made, as kept in a run folder.

    Raises:
        KeyError, TypeError: `stored` is no such thing.
        BadInput: its recipe is not valid.
    """
    return Plan(
        recipe=make_recipe(stored["recipe"], source="plan.json"),
        data=DataSource(**stored["data"]),
        classes=tuple(stored["classes"]),
        images=stored["images"],
        device=stored["device"],
        precision=stored["precision"],
        threads=stored["threads"],
        weights=stored["weights"],
        workspace=stored["workspace"],
        stages=tuple(StagePlan(**stage) for stage in stored["stages"]),
        warnings=tuple(
            Message(warning["code"], "{text}", {"text": warning["message"]}) for warning in stored["warnings"]
        ),
    )
