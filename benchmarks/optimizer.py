"""Seconds of an optimizer's step, fused as the trainer takes it, as a ratio to what torch chooses by itself on this device.

    python -m benchmarks.optimizer

Both take turns on the same weights and gradients; the step's time is added to every batch, whatever its size.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import torch

from engine.network.yolov4 import build_network
from engine.recipe import make_recipe
from engine.training.stages import make_optimizer

TURNS = 7


def main() -> None:
    """Measure and print."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for name in ("yolov4-tiny", "yolov4"):
        network: Any = build_network(name, 20).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        for parameter in network.parameters():
            parameter.grad = torch.full_like(parameter, 1e-3)
        for kind in ("adamw", "adam", "sgd"):
            recipe = make_recipe({"network": name, "optimizer_type": kind})
            fused, chosen = make_optimizer(recipe, network), make_optimizer(recipe, network)
            for group in chosen.param_groups:
                group["fused"] = None
            ratios, seconds = [], []
            for _ in range(TURNS):
                ours, theirs = seconds_of(fused, device), seconds_of(chosen, device)
                ratios.append(theirs / ours)
                seconds.append(ours)
            print(
                f"{name} {kind}: {1000 * statistics.median(seconds):.0f} ms, {statistics.median(ratios):.1f} times as fast as "
                f"torch's own choice ({min(ratios):.1f} to {max(ratios):.1f})",
                flush=True,
            )


def seconds_of(optimizer: torch.optim.Optimizer, device: torch.device) -> float:
    """Seconds of one step, with a learning rate of next to nothing."""
    for group in optimizer.param_groups:
        group["lr"] = 1e-12
    began = time.perf_counter()
    optimizer.step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
