"""Whether a device really computes 16-bit well: one step against the same step in fp32.

Some older cards give NaN in fp16, some virtual machines die of instructions that they name, some processors are slower in
bf16. The answer is found once for each device, torch and network, in a process of its own.
"""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Mapping
from typing import Any

import torch

from engine.hardware import Hardware
from engine.network.yolov4 import build_network
from engine.planning.cache import load_cached, program, store_cached
from engine.planning.subprocess_call import call_subprocess, device_identity, serve_call
from engine.planning.synthetic import synthetic_batch
from engine.recipe import make_recipe
from engine.training.learner import Learner

_KIND = "self_tests"
_TIMEOUT = 120.0
AGREES_WITHIN = 0.05
"""Relative difference of the losses; bf16 keeps eight bits, which moves them by less than one percent."""

_UNSETTLED: dict[str, Mapping[str, Any]] = {}
"""Answers that hold until this program ends: a time-out or a full card says nothing about another day."""


def amp_check_failed(device: str, hardware: Hardware, network: str, precision: str) -> bool:
    """Whether it is known that `precision` does not work well there; only looks it up."""
    key = _key(device, hardware, network, precision)
    answer = load_cached(_KIND, key) or _UNSETTLED.get(json.dumps(key))
    return answer is not None and not passes(answer, device)


def run_amp_check(device: str, hardware: Hardware, network: str, precision: str) -> bool:
    """Whether `precision` works well on `device`, finding it out where nobody knows yet (some seconds)."""
    key = _key(device, hardware, network, precision)
    answer = load_cached(_KIND, key)
    if answer is None:
        answer = call_subprocess(__name__, {"device": device, "network": network, "precision": precision}, _TIMEOUT)
        if "failed" not in answer or answer.get("signal") == getattr(signal, "SIGILL", None):
            store_cached(_KIND, key, answer)
        else:
            _UNSETTLED[json.dumps(key)] = answer
    return passes(answer, device)


def passes(answer: Mapping[str, Any], device: str) -> bool:
    """Whether an answer of the child speaks for 16-bit: finite, near the fp32 loss and, on the processor, faster."""
    if "failed" in answer or not answer["finite"]:
        return False
    agrees = math.isclose(answer["loss"], answer["fp32_loss"], rel_tol=AGREES_WITHIN)
    faster = not device.startswith("cpu") or answer["seconds"] < answer["fp32_seconds"]
    return agrees and faster


def compare(device: str, network: str, precision: str, side: int = 224) -> dict[str, Any]:
    """Loss, gradients and seconds of a step in `precision` and in fp32 from the same random weights and images."""
    recipe = make_recipe({"network": network, "input_shape": [side, side]})
    answer: dict[str, Any] = {}
    for name, prefix in (("fp32", "fp32_"), (precision, "")):
        torch.manual_seed(0)
        place = torch.device(device)
        built: Any = build_network(network, 3).to(place, memory_format=torch.channels_last)  # type: ignore[call-overload]
        learner = Learner(recipe, built, place, name, 100)
        learner.enter("unfreeze")
        batch = synthetic_batch(4, (side, side), boxes=5, classes=3)
        loss = learner.step([batch], 1e-4, 0, stop_at_broken=False)[0].item()
        started = time.monotonic()
        for _ in range(2):
            last = learner.step([batch], 1e-4, 1, stop_at_broken=False)[0].item()
        answer |= {f"{prefix}loss": loss, f"{prefix}seconds": time.monotonic() - started}
        answer["finite"] = math.isfinite(loss) and math.isfinite(last) and learner.is_finite()
    return answer


def _key(device: str, hardware: Hardware, network: str, precision: str) -> dict[str, Any]:
    return {**device_identity(device, hardware), **program(), "network": network, "precision": precision}


if __name__ == "__main__":
    serve_call(lambda asked: compare(asked["device"], asked["network"], asked["precision"]))
