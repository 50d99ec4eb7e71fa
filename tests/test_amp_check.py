"""Whether 16-bit is used on a device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.hardware import Hardware
from engine.planning.amp_check import amp_check_failed, compare_with_fp32, passes, run_amp_check
from engine.planning.device import usable_amp_dtype
from engine.planning.subprocess_call import SubprocessCall
from tests.given_hardware import PROCESSOR_ONLY

SIGILL = {"failed": "ended by signal 4", "signal": 4}
GOOD = {"finite": True, "loss": 10.1, "fp32_loss": 10.0, "seconds": 1.0, "fp32_seconds": 2.0}


def child_that_returns(result: Mapping[str, Any]) -> SubprocessCall:
    return lambda *_: dict(result)


def processor(name: str) -> Hardware:
    return replace(PROCESSOR_ONLY, processor=replace(PROCESSOR_ONLY.processor, name=name, amx_bf16=True))


def test_a_step_in_bf16_agrees_with_fp32_on_this_processor() -> None:
    result = compare_with_fp32("cpu", "yolov4-tiny", "bf16", input_length=64)
    assert result["finite"]
    assert result["loss"] == pytest.approx(result["fp32_loss"], rel=0.05)
    assert result["loss"] != result["fp32_loss"]


@pytest.mark.parametrize(
    ("change", "device", "expected"),
    [
        ({}, "cpu", True),
        ({"finite": False}, "cuda:0", False),
        ({"loss": 12.0}, "cuda:0", False),
        ({"seconds": 3.0}, "cpu", False),
        ({"seconds": 3.0}, "cuda:0", True),
        (SIGILL, "cpu", False),
    ],
)
def test_a_check_passes_if_it_is_finite_agrees_and_is_faster_on_a_processor(
    change: dict[str, Any], device: str, expected: bool
) -> None:
    assert passes({**GOOD, **change}, device) == expected


@pytest.mark.parametrize(
    ("result", "is_stored"), [({"failed": "no answer within 120 s"}, False), (SIGILL, True), (GOOD, True)]
)
def test_a_disturbed_check_is_not_stored_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, result: dict[str, Any], is_stored: bool
) -> None:
    monkeypatch.setenv("FREEZETUI_CACHE", str(tmp_path))
    hardware = processor(str(result))
    passed = run_amp_check("cpu", hardware, "yolov4-tiny", "bf16", child_that_returns(result))
    assert passed == (result is GOOD)
    assert amp_check_failed("cpu", hardware, "yolov4-tiny", "bf16") != passed
    assert any(tmp_path.iterdir()) == is_stored


def test_16_bit_is_not_used_where_its_check_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREEZETUI_CACHE", str(tmp_path))
    hardware = processor("claims to have AMX")
    assert usable_amp_dtype("cpu", hardware, "yolov4-tiny") == "bf16"
    run_amp_check("cpu", hardware, "yolov4-tiny", "bf16", child_that_returns(SIGILL))
    assert usable_amp_dtype("cpu", hardware, "yolov4-tiny") is None
    assert usable_amp_dtype("cpu", hardware, "yolov4") == "bf16"
