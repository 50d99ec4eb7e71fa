"""The card that trains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.hardware import (
    Card,
    Hardware,
    Memory,
    Processor,
    TorchBuild,
)
from engine.messages import Message
from tests.dataset_on_disk import write_voc
from tests.nvml_stand_in import (
    GIB,
    OTHER_UUID,
    SMALL_AND_LARGE,
    card,
    command_on,
    machine,
    snapshots,
)


def graphics_card(index: int | None, free: int | None, **values: Any) -> Card:
    return Card(index or 0, f"card {index}", cuda_index=index, memory_free=free, **values)


def machine_with(*cards: Card) -> Hardware:
    return Hardware(Processor("any", 1), Memory(1, 1), None, TorchBuild("2.14.1"), cards=cards)


TOO_OLD = Message("hardware.card_too_old", "too old")


@pytest.mark.parametrize(
    ("cards", "devices", "best"),
    [
        ((), (), None),
        ((graphics_card(0, 2 * GIB), graphics_card(1, 8 * GIB), graphics_card(2, 4 * GIB)), (), 1),
        ((graphics_card(1, 8 * GIB), graphics_card(0, 8 * GIB)), (), 0),
        ((graphics_card(0, None), graphics_card(1, 0)), (), 1),
        ((graphics_card(0, None), graphics_card(1, None)), (), 0),
        ((graphics_card(0, 24 * GIB, problem=TOO_OLD), graphics_card(1, 2 * GIB)), (), 1),
        ((graphics_card(0, 24 * GIB, problem=TOO_OLD),), (), None),
        ((graphics_card(None, 24 * GIB),), (), None),
        ((graphics_card(0, 2 * GIB), graphics_card(1, 8 * GIB)), (0,), 0),
        ((graphics_card(0, 2 * GIB), graphics_card(1, 8 * GIB)), (0, 1), 0),
        ((graphics_card(0, 2 * GIB), graphics_card(1, 8 * GIB, problem=TOO_OLD)), (1,), None),
        ((graphics_card(0, 2 * GIB),), (3,), None),
    ],
)
def test_the_usable_card_with_the_most_free_memory_trains_unless_another_is_named(
    cards: tuple[Card, ...], devices: tuple[int, ...], best: int | None
) -> None:
    card = machine_with(*cards).best_card(devices)
    assert (None if card is None else card.cuda_index) == best


def test_the_best_card_follows_the_free_memory(library: Path, tmp_path: Path) -> None:
    small, large = SMALL_AND_LARGE
    large_in_use = card(
        "NVIDIA GeForce RTX 4090", 24, uuid=OTHER_UUID, used=22 * GIB, capability="8.9", speed="16384 2520"
    )
    states = [machine(small, large), machine(small, large_in_use), machine(small), machine()]
    names = [snapshot["best"] for snapshot in snapshots(library, tmp_path, *states)]
    assert names == ["NVIDIA GeForce RTX 4090", "NVIDIA GeForce GTX 1650", "NVIDIA GeForce GTX 1650", None]


def test_the_command_plans_on_the_best_card(library: Path, tmp_path: Path) -> None:
    small, _large = SMALL_AND_LARGE
    large_in_use = card(
        "NVIDIA GeForce RTX 4090", 24, uuid=OTHER_UUID, used=22 * GIB, capability="8.9", speed="16384 2520"
    )
    data = write_voc(tmp_path / "data", train=8, val=2)
    settings = ["precision=fp32", "input_shape=[96, 96]", "model_path=", "freeze_train=false", "unfreeze_batch_size=2"]
    options = [
        "--data",
        str(data),
        "--json",
        "--no-dry-run",
        *(word for setting in settings for word in ("--set", setting)),
    ]
    plan = json.loads(command_on(library, tmp_path, machine(small, large_in_use), "plan", *options))
    assert plan["device"] == "cuda:1", "CUDA lists the faster card, which is in use, first"
    plan = json.loads(
        command_on(library, tmp_path, machine(small, large_in_use), "plan", *options, "--set", "devices=[0]")
    )
    assert plan["device"] == "cuda:0"
