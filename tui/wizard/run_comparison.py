"""Two runs side by side: which settings differ, what the results are, and whether they can be compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from engine.messages import BadInput
from engine.runs.event_scan import Point
from engine.runs.folder import load_dataset_json, load_plan, read_events
from engine.runs.summary import RunSummary, summarize_run
from tui.wizard.run_history import RunHistory

Difference = Literal[
    "classes", "data", "data_changed", "validation_images", "training_images", "network", "input_shape"
]
"""What differs and limits what can be compared. `data_changed`: the same path with other images or boxes."""


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """One of the two runs."""

    summary: RunSummary
    history: RunHistory
    settings: Mapping[str, Any]
    """Its recipe; its data set as `data`, its preset as `preset`."""
    classes: tuple[str, ...]
    dataset: Mapping[str, Any]
    """The content of dataset.json; empty where it is missing or damaged."""

    def to_json(self) -> dict[str, Any]:
        """What a program needs to compare it: summary, steps and the values of every epoch."""
        return {
            **self.summary.to_json(),
            "total_steps": self.history.steps,
            "train_loss": [[epoch - 1, loss] for epoch, loss in self.summary.losses],
            "val_loss": [[epoch, loss] for epoch, loss in self.history.validation],
            "map": [[epoch, map50, mean] for epoch, map50, mean in self.history.maps],
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """`settings`: settings whose values differ -> both values. `limits`: what makes a comparison of the results doubtful."""

    left: ComparedRun
    right: ComparedRun
    settings: Mapping[str, tuple[Any, Any]]
    limits: tuple[Difference, ...]

    def to_json(self) -> dict[str, Any]:
        """The form of `runs compare --json`; epochs count from 0, as in events.jsonl."""
        return {
            "runs": [run.to_json() for run in (self.left, self.right)],
            "settings": {name: list(pair) for name, pair in self.settings.items()},
            "limits": list(self.limits),
        }


def compare(runs: Sequence[Path]) -> Comparison:
    """Read two run folders.

    Raises:
        BadInput: one of them holds no plan.
    """
    left, right = (_read(run) for run in runs)
    # In the order of the recipe; a setting that only one method reads is missing from the other recipe.
    names = [*left.settings, *(name for name in right.settings if name not in left.settings)]
    pairs = {name: (left.settings.get(name), right.settings.get(name)) for name in names}
    differing = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    return Comparison(left, right, differing, tuple(_limits(left, right)))


def loss_curves(comparison: Comparison) -> tuple[Literal["train", "val"], tuple[list[Point], list[Point]]]:
    """The loss of both runs after each epoch, counted from 1: that of the validation, or of the training where one has no validation."""
    runs = (comparison.left, comparison.right)
    if all(run.history.validation for run in runs):
        left, right = ([(epoch + 1.0, loss) for epoch, loss in run.history.validation] for run in runs)
        return "val", (left, right)
    return "train", (list(comparison.left.summary.losses), list(comparison.right.summary.losses))


def map_curves(comparison: Comparison) -> tuple[list[Point], list[Point]]:
    """mAP50 of both runs after each epoch that was evaluated, counted from 1."""
    left, right = (
        [(epoch + 1.0, map50) for epoch, map50, _map in run.history.maps] for run in (comparison.left, comparison.right)
    )
    return left, right


def _read(run: Path) -> ComparedRun:
    plan = load_plan(run)
    settings = {"data": plan.data.path, "preset": plan.preset or "", **plan.recipe.model_dump(mode="json")}
    dataset: dict[str, Any] = {}
    with suppress(BadInput):
        dataset = load_dataset_json(run)
    history = RunHistory().apply_all(read_events(run))
    return ComparedRun(summarize_run(run), history, settings, plan.classes, dataset)


def _limits(left: ComparedRun, right: ComparedRun) -> Iterator[Difference]:
    if left.classes != right.classes:
        yield "classes"
    if (difference := _data_difference(left, right)) is not None:
        yield difference
    if left.settings.get("network") != right.settings.get("network"):
        yield "network"
    if left.settings.get("input_shape") != right.settings.get("input_shape"):
        yield "input_shape"


def _data_difference(left: ComparedRun, right: ComparedRun) -> Difference | None:
    """How the data sets differ: what was trained on, or what was validated on, too, which decides about mAP."""
    is_same_path = left.settings["data"] == right.settings["data"]
    one, other = left.dataset, right.dataset
    if not (one.get("fingerprint") and other.get("fingerprint")):  # of an old version, or damaged
        return None if is_same_path else "data"
    content = _part(one, "content"), _part(other, "content")
    if one["fingerprint"] == other["fingerprint"] and _same_content(*content):
        return None
    if _part(one, "splits", "val") == _part(other, "splits", "val"):
        has_same_boxes = _part(one, "labels", "val") == _part(other, "labels", "val")
        if has_same_boxes and _same_content(_part(one, "content", "val"), _part(other, "content", "val")):
            return "training_images"
    if not is_same_path:
        return "data"
    return "validation_images" if _images(one) == _images(other) else "data_changed"


def _part(stored: Mapping[str, Any], name: str, split: str | None = None) -> Any:
    """A value of dataset.json, or that of one of its splits; None where it is missing."""
    value = stored.get(name)
    return value if split is None else value.get(split) if isinstance(value, dict) else None


def _images(stored: Mapping[str, Any]) -> set[str]:
    splits = stored.get("splits")
    lists = splits.values() if isinstance(splits, dict) else ()
    return {str(image) for images in lists if isinstance(images, list) for image in images}


def _same_content(one: Any, other: Any) -> bool:
    """Whether the images have the same hashes: a copy has other times. Where a run has stored none, nothing differs."""
    return one is None or other is None or _hashes(one) == _hashes(other)


def _hashes(content: Any) -> Any:
    """`content` with the hash instead of size, time and hash."""
    if isinstance(content, dict):
        return {name: _hashes(each) for name, each in content.items()}
    if isinstance(content, list) and len(content) == 3 and isinstance(content[2], str):
        return content[2]
    return [_hashes(each) for each in content] if isinstance(content, list) else content
