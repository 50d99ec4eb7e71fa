"""A Plan: Recipe, Dataset and Hardware resolved into what will run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from engine.dataset.formats import open_dataset
from engine.dataset.index import Dataset
from engine.dataset.splits import DEFAULT_SEED
from engine.messages import Message, from_record, to_record
from engine.recipe import Recipe, make_recipe

StageName = Literal["freeze", "unfreeze"]

_PathText = Annotated[str, Field(pattern=r"\A[^\x00]*\z")]
_Count = Annotated[int, Field(ge=0, le=2**53)]
_DEVICE = r"\A(cpu|mps|cuda(:[0-9]{1,3})?)\z"
_Bytes = Annotated[int, Field(ge=0, le=2**63)] | None


@dataclass(frozen=True, slots=True)
class DataSource:
    """Where a Dataset is and how it is to be read, so that the same one can be opened again."""

    path: _PathText
    format: str = "auto"
    classes_file: _PathText | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    """Class names in the labels, each with the name that replaces it."""


DEFAULT_SPLIT_SEED = DEFAULT_SEED
"""See `DEFAULT_SEED`."""


def open_source(
    source: DataSource, seed: int = DEFAULT_SPLIT_SEED, progress: Callable[[int, int], None] | None = None
) -> Dataset:
    """The Dataset at `source`; `seed` draws the splits where it has none; for `progress` see `open_dataset`.

    Raises:
        BadInput: see `open_dataset`.
    """
    return open_dataset(
        Path(source.path),
        format=source.format,
        classes_file=None if source.classes_file is None else Path(source.classes_file),
        mapping=source.mapping,
        seed=seed,
        progress=progress,
    )


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage. Epochs count from 0 and include the last; memory in bytes; `seconds_estimate` is for the whole stage."""

    name: StageName
    first_epoch: _Count
    last_epoch: _Count
    batch_size: Annotated[int, Field(ge=1, le=2**31)]
    init_lr: float
    min_lr: float
    steps_per_epoch: _Count
    accumulate: Annotated[int, Field(ge=1, le=2**31)] = 1
    """Number of batches whose gradients are added up for one step."""
    memory_estimate_bytes: _Bytes = None
    memory_margin_bytes: _Bytes = None
    """The part of the estimate that is reserved for what cannot be predicted."""
    memory_limit_bytes: _Bytes = None
    """Memory of the device that was free when the plan was made."""
    seconds_estimate: float | None = None

    @property
    def epochs(self) -> int:
        """Number of epochs of the stage."""
        return self.last_epoch - self.first_epoch + 1


MEMORY_CODES = frozenset({"plan.memory_tight", "plan.memory"})
"""Codes of warnings that a stage does not fit into the free memory."""


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
    preset: str | None = None
    """Name of the preset that the recipe was made from; None where it was none, or not stored."""
    devices: tuple[str, ...] = ()
    """The torch devices of this machine that train together, `device` among them; empty where `device` trains alone."""
    nodes: int = 1
    """Number of machines; each trains on as many devices."""
    activation_checkpointing: bool = False
    """Whether the unfreeze stage computes parts of the network twice to need less memory; the gradients are the same."""

    @property
    def resolved_recipe(self) -> Recipe:
        """The recipe with what the plan decided in place of "auto", as the memory prediction needs it."""
        checkpointing = "on" if self.activation_checkpointing else "off"
        return self.recipe.model_copy(update={"activation_checkpointing": checkpointing})

    @property
    def processes(self) -> int:
        """Number of processes that train together, over all machines; 1 unless `parallel` is ddp."""
        return max(1, len(self.devices)) * self.nodes if self.recipe.parallel == "ddp" else 1

    @property
    def batch_parts(self) -> int:
        """In how many parts a batch is split: one for each process, or for each card of one process."""
        return max(1, len(self.devices)) * self.nodes

    @property
    def total_steps(self) -> int:
        """Number of steps of all stages."""
        return sum(stage.epochs * stage.steps_per_epoch for stage in self.stages)

    @property
    def fits(self) -> bool:
        """Whether every stage is predicted to fit into the free memory."""
        return all(
            stage.memory_estimate_bytes is None
            or stage.memory_limit_bytes is None
            or stage.memory_estimate_bytes <= stage.memory_limit_bytes
            for stage in self.stages
        )

    @property
    def memory_problems(self) -> tuple[Message, ...]:
        """The warnings that say which stage does not fit, and what would."""
        return tuple(warning for warning in self.warnings if warning.code in MEMORY_CODES)

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
            "preset": self.preset,
            "devices": list(self.devices),
            "nodes": self.nodes,
            "processes": self.processes,
            "activation_checkpointing": self.activation_checkpointing,
        }


class _StoredPlan(BaseModel):
    """What plan.json has besides the recipe. Anyone may have edited it."""

    model_config = ConfigDict(allow_inf_nan=False)

    data: DataSource
    classes: Annotated[tuple[str, ...], Field(min_length=1)]
    images: dict[str, _Count]
    device: Annotated[str, Field(pattern=_DEVICE)]
    precision: Literal["fp32", "bf16", "fp16"]
    threads: Annotated[int, Field(ge=1, le=4096)]
    weights: _PathText | None
    workspace: _PathText
    stages: Annotated[tuple[StagePlan, ...], Field(min_length=1)]
    warnings: list[dict[str, JsonValue]]
    preset: _PathText | None = None
    devices: tuple[Annotated[str, Field(pattern=_DEVICE)], ...] = ()
    nodes: Annotated[int, Field(ge=1, le=4096)] = 1
    activation_checkpointing: bool = False


def plan_from_json(stored: Mapping[str, Any]) -> Plan:
    """The Plan that `Plan.to_json` stored in a run folder.

    Raises:
        KeyError, TypeError, ValueError: `stored` is not in that form.
        BadInput: its recipe is not valid.
    """
    values = _StoredPlan.model_validate(stored)
    return Plan(
        recipe=make_recipe(stored["recipe"], source="plan.json"),
        data=values.data,
        classes=values.classes,
        images=values.images,
        device=values.device,
        precision=values.precision,
        threads=values.threads,
        weights=values.weights,
        workspace=values.workspace,
        stages=values.stages,
        warnings=tuple(
            from_record(warning.get("message_parts"), str(warning.get("message", "")), str(warning.get("code", "")))
            for warning in values.warnings
        ),
        preset=values.preset,
        devices=values.devices,
        nodes=values.nodes,
        activation_checkpointing=values.activation_checkpointing,
    )
