"""Checks whether a device computes well in 16-bit: one step is compared with the same step in fp32.

Some older cards produce NaN in fp16, some virtual machines crash on instructions that they claim to have, some processors are
slower in bf16. The check runs once for each device, torch version and network, in a child process.
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
from engine.network.detector import build_network
from engine.planning.cache import code_version, load_cached, store_cached
from engine.planning.subprocess_call import SubprocessCall, call_subprocess, device_identity, serve_call
from engine.planning.synthetic import synthetic_batch
from engine.recipe import make_recipe
from engine.training.learner import Learner

_CACHE = "amp_checks"
_TIMEOUT_SECONDS = 120.0
LOSS_TOLERANCE = 0.05
"""Relative difference of the losses; the eight significant bits of bf16 change them by less than one percent."""

_UNCONFIRMED: dict[str, Mapping[str, Any]] = {}
"""Results that are kept until this program ends: a timeout or a full card need not happen again."""


def amp_check_failed(device: str, hardware: Hardware, network: str, precision: str) -> bool:
    """Whether an earlier check found that `precision` does not work well; runs no check."""
    key = _key(device, hardware, network, precision)
    result = load_cached(_CACHE, key) or _UNCONFIRMED.get(json.dumps(key))
    return result is not None and not passes(result, device)


def run_amp_check(
    device: str, hardware: Hardware, network: str, precision: str, call: SubprocessCall = call_subprocess
) -> bool:
    """Whether `precision` works well on `device`, from the cache or by a check of some seconds."""
    key = _key(device, hardware, network, precision)
    result = load_cached(_CACHE, key)
    if result is None:
        request = {"device": device, "network": network, "precision": precision}
        result = call(__name__, request, _TIMEOUT_SECONDS, None)
        if "failed" not in result or result.get("signal") == getattr(signal, "SIGILL", None):
            store_cached(_CACHE, key, result)
        else:
            _UNCONFIRMED[json.dumps(key)] = result
    return passes(result, device)


def passes(result: Mapping[str, Any], device: str) -> bool:
    """Whether the 16-bit step was finite, near the loss in fp32 and, on the CPU, faster."""
    if "failed" in result or not result["finite"]:
        return False
    agrees = math.isclose(result["loss"], result["fp32_loss"], rel_tol=LOSS_TOLERANCE)
    is_faster = not device.startswith("cpu") or result["seconds"] < result["fp32_seconds"]
    return agrees and is_faster


def compare_with_fp32(device: str, network: str, precision: str, input_length: int = 224) -> dict[str, Any]:
    """Loss and seconds of steps in fp32 and in `precision`, with the same random weights and images.

    `finite` tells whether losses and weights are finite in `precision`.
    """
    recipe = make_recipe({"network": network, "input_shape": [input_length, input_length]})
    result: dict[str, Any] = {}
    for name, prefix in (("fp32", "fp32_"), (precision, "")):
        torch.manual_seed(0)
        torch_device = torch.device(device)
        model = build_network(network, 3).move_to(torch_device)
        learner = Learner(recipe, model, torch_device, name, 100)
        learner.enter_stage("unfreeze")
        batch = synthetic_batch(4, (input_length, input_length), boxes=5, classes=3)
        loss = learner.step([batch], 1e-4, 0, check_loss=False)[0].item()
        started = time.monotonic()
        for _ in range(2):
            last_loss = learner.step([batch], 1e-4, 1, check_loss=False)[0].item()
        result |= {f"{prefix}loss": loss, f"{prefix}seconds": time.monotonic() - started}
        result["finite"] = math.isfinite(loss) and math.isfinite(last_loss) and learner.has_finite_weights()
    return result


def _key(device: str, hardware: Hardware, network: str, precision: str) -> dict[str, Any]:
    return {**device_identity(device, hardware), **code_version(), "network": network, "precision": precision}


if __name__ == "__main__":
    serve_call(lambda request: compare_with_fp32(request["device"], request["network"], request["precision"]))
