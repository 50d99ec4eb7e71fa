"""What must be the same on all machines of a training, compared before its first step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from engine.dataset.index import Dataset
from engine.dataset.stored_splits import compare, parse_splits, splits_to_json
from engine.files import sha256_of
from engine.messages import bad_input, join_phrases, phrase
from engine.parallel.group import ProcessGroup
from engine.plan import Plan
from engine.recipe import to_plain_value
from engine.runner.agreement import from_first, on_all
from engine.runs.folder import DATASET

_OWN_SETTINGS = frozenset({"devices", "num_workers"})
"""Each machine may have others."""


@dataclass(frozen=True, slots=True)
class _Facts:
    """Of one process."""

    node: int
    values: Mapping[str, str]
    """By what they are called in the sentence about a difference."""
    plan: Plan


def plan_of_all(group: ProcessGroup, node: int, plan: Plan, dataset: Dataset) -> tuple[Plan, Dataset]:
    """The plan and the data set with which this process trains, where several machines train together.

    The batch sizes are those of the machine with the least memory; paths and devices stay those of each machine. The splits are
    those of the first.

    Args:
        group: all processes.
        node: number of this machine.
        plan: that of this machine.
        dataset: as it is read on this machine.

    Raises:
        BadInput: in all processes, where something differs: a version, a setting, the weights, the images or their boxes.
    """
    facts = _compared(group, _Facts(node, _values(plan), plan))
    common = min((each.plan for each in facts), key=lambda plan: [stage.batch_size for stage in reversed(plan.stages)])
    return (
        replace(
            common,
            data=plan.data,
            device=group.device,
            devices=plan.devices,
            threads=plan.threads,
            weights=plan.weights,
            workspace=plan.workspace,
        ),
        _common_data(group, node, dataset),
    )


def check_resumed(group: ProcessGroup, node: int, plan: Plan, checkpoint: str) -> None:
    """Compare what several machines resume; `checkpoint` says at which epoch and step this one does.

    Raises:
        BadInput: in all processes, where something differs.
    """
    _compared(group, _Facts(node, {**_values(plan), "weights": "", "checkpoint": checkpoint}, plan))


def _compared(group: ProcessGroup, facts: _Facts) -> list[_Facts]:
    gathered = group.all_gather(facts)
    on_all(group, lambda: _require_same(gathered))
    return gathered


def _values(plan: Plan) -> dict[str, str]:
    settings = {
        name: str(to_plain_value(value))
        for name, value in plan.recipe.relevant_settings().items()
        if name not in _OWN_SETTINGS
    }
    settings.pop("model_path", None)  # a path; what is in the file is compared
    return {
        "freezetui": version("freezetui"),
        "torch": torch.__version__.partition("+")[0],
        "processes": str(plan.processes),
        **settings,
        "precision": plan.precision,
        "weights": "none" if plan.weights is None else sha256_of(Path(plan.weights))[:12],
    }


def _require_same(facts: Sequence[_Facts]) -> bool:
    """Raise BadInput where a machine has another value than the first."""
    first = facts[0]
    for other in facts:
        differences = [
            phrase(
                "{name} is {value} on machine {node} and {first} on machine {first_node}",
                **_difference(name, first, other),
            )
            for name in first.values
            if other.values.get(name) != first.values[name]
        ]
        if differences:
            raise bad_input(
                "launch.machines_differ",
                "The machines cannot train together: {differences}. Start all with the same recipe and versions.",
                differences=join_phrases(differences, "; "),
            )
    return True


def _difference(name: str, first: _Facts, other: _Facts) -> dict[str, Any]:
    return {
        "name": name,
        "value": other.values.get(name, "-"),
        "node": other.node,
        "first": first.values[name],
        "first_node": first.node,
    }


def _common_data(group: ProcessGroup, node: int, dataset: Dataset) -> Dataset:
    """The data set of this machine with the splits of the first."""
    stored = parse_splits(from_first(group, lambda: splits_to_json(dataset)), Path(DATASET))

    def own() -> Dataset:
        comparison = compare(dataset, stored)
        if changes := comparison.describe():
            raise bad_input(
                "launch.data_differs",
                "{path}: the data set of machine {node} is not that of machine 0: {changes}.",
                path=dataset.root,
                node=node,
                changes=changes,
            )
        return comparison.dataset

    return on_all(group, own)
