"""The numbers that CUDA gives to the cards."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.hardware.cuda_order import CardIdentity, cuda_order
from tests.nvml_stand_in import (
    SMALL_AND_LARGE,
    codes,
    machine,
    snapshots,
)


def order(snapshot: Mapping[str, Any]) -> list[int | None]:
    return [entry["cuda_index"] for entry in snapshot["cards"]]


@pytest.mark.parametrize(
    ("environment", "expected", "known"),
    [
        ({}, [1, 0], False),
        ({"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, [0, 1], True),
        ({"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "1,0"}, [1, 0], True),
        ({"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "1"}, [None, 0], True),
        ({"CUDA_VISIBLE_DEVICES": "1"}, [0, None], False),
        ({"CUDA_VISIBLE_DEVICES": "GPU-9999"}, [None, 0], True),
        ({"CUDA_VISIBLE_DEVICES": "GPU-9999,GPU-1111"}, [1, 0], True),
        ({"CUDA_VISIBLE_DEVICES": ""}, [None, None], True),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, [None, None], True),
    ],
)
def test_two_different_cards_get_the_numbers_that_cuda_gives_them(
    library: Path, tmp_path: Path, environment: dict[str, str], expected: list[int | None], known: bool
) -> None:
    (snapshot,) = snapshots(library, tmp_path, machine(*SMALL_AND_LARGE), environment=environment)
    assert order(snapshot) == expected
    assert snapshot["cuda_order_known"] is known
    assert ("hardware.order_estimated" in codes(snapshot)) is not known
    for entry in snapshot["cards"]:
        hidden = entry["cuda_index"] is None
        assert entry["usable"] is not hidden
        assert (entry["problem"] is not None and entry["problem"]["code"] == "hardware.card_hidden") is hidden


@pytest.mark.parametrize("visible_devices", ["0,1,2", "2,0", "1", "0,2,-1,1", "1,1", "0,5,1", "0,5,5", " 2 , 1", "1gpu2,2ampere", "x",
                                    "", "+1", "3", "GPU-a", "GPU-b1,GPU-a", "GPU-b", "GPU-a,GPU-a", "GPU-a,0", "GPU-c,GPU-zz"])  # fmt: skip
def test_visible_devices_are_parsed_as_torch_parses_them(visible_devices: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    uuids = ["GPU-a1", "GPU-b1", "GPU-b2", "GPU-c1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible_devices)
    expected = torch.cuda._parse_visible_devices()
    if expected and isinstance(expected[0], str):
        expected = torch.cuda._transform_uuid_to_ordinals(expected, uuids)
    expected = expected[: next((place for place, number in enumerate(expected) if number >= len(uuids)), None)]
    alike = [CardIdentity("NVIDIA A100", uuid, 1) for uuid in uuids]
    assert list(cuda_order(alike, {"CUDA_VISIBLE_DEVICES": visible_devices}).numbers) == expected
