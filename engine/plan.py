"""A Plan: Recipe, Dataset and Hardware resolved into what will run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from engine.dataset.formats import open_dataset
from engine.dataset.index import Dataset
from engine.messages import Message, from_record, to_record
from engine.recipe import Recipe, make_recipe

StageName = Literal["freeze", "unfreeze"]


@dataclass(frozen=True, slots=True)
class DataSource:
    """Where a Dataset is and how it is to be read, so that the same one can be opened again."""

    path: str
    format: str = "auto"
    classes_file: str | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    """Class names in the labels, each with the name that replaces it."""


DEFAULT_SPLIT_SEED = 11
"""The default of the recipe's `seed`, which draws the splits that a data set lacks."""


def open_source(source: DataSource, seed: int = DEFAULT_SPLIT_SEED) -> Dataset:
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
    """Number of batches whose gradients are added up for one step."""
    memory_estimate_bytes: int | None = None
    memory_margin_bytes: int | None = None
    """The part of the estimate that is reserved for what cannot be predicted."""
    memory_limit_bytes: int | None = None
    """Memory of the device that was free when the plan was made."""
    seconds_estimate: float | None = None

    @property
    def epochs(self) -> int:
        """Number of epochs of the stage."""
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
    """CPU threads for matrix operations. Another number rounds differently, so it is stored with the run."""
    weights: str | None
    """Path of the weights file to start from; None for a start from scratch."""
    workspace: str
    """The folder with logs/ and model_data/."""
    stages: tuple[StagePlan, ...]
    warnings: tuple[Message, ...] = ()

    @property
    def total_steps(self) -> int:
        """Number of steps of all stages."""
        return sum(stage.epochs * stage.steps_per_epoch for stage in self.stages)

    def to_json(self) -> dict[str, Any]:
        """The form printed by `plan --json` and kept as plan.json."""
        return {
            "recipe": self.recipe.model_dump(mode="json", include=set(self.recipe.relevant_settings())),
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
            "warnings": [{**warning.to_json(), "message_parts": to_record(warning)} for warning in self.warnings],
        }


def plan_from_json(stored: Mapping[str, Any]) -> Plan:
    """The Plan that `Plan.to_json` stored in a run folder.

    Raises:
        KeyError, TypeError: `stored` is not in that form.
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
            from_record(warning.get("message_parts"), warning["message"], warning["code"])
            for warning in stored["warnings"]
        ),
    )
