"""Time of an optimizer step with the fused implementation that the trainer uses, and its ratio to torch's default.

    python -m benchmarks.optimizer

Both alternate on the same weights and gradients. The time does not depend on the batch size.
"""

from __future__ import annotations

import statistics
import time

import torch

from engine.network.detector import build_network
from engine.recipe import make_recipe
from engine.training.stages import make_optimizer

REPEATS = 7


def main() -> None:
    """Measure and print."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for name in ("yolov4-tiny", "yolov4"):
        network = build_network(name, 20).move_to(device)
        for parameter in network.parameters():
            parameter.grad = torch.full_like(parameter, 1e-3)
        for kind in ("adamw", "adam", "sgd"):
            recipe = make_recipe({"network": name, "optimizer_type": kind})
            fused, default = make_optimizer(recipe, network), make_optimizer(recipe, network)
            for group in default.param_groups:
                group["fused"] = None
            ratios, seconds = [], []
            for _ in range(REPEATS):
                fused_seconds, default_seconds = step_seconds(fused, device), step_seconds(default, device)
                ratios.append(default_seconds / fused_seconds)
                seconds.append(fused_seconds)
            print(
                f"{name} {kind}: {1000 * statistics.median(seconds):.0f} ms, {statistics.median(ratios):.1f} times as fast as "
                f"torch's default ({min(ratios):.1f} to {max(ratios):.1f})",
                flush=True,
            )


def step_seconds(optimizer: torch.optim.Optimizer, device: torch.device) -> float:
    """Seconds of one step, with a learning rate so small that the weights hardly change."""
    for group in optimizer.param_groups:
        group["lr"] = 1e-12
    started = time.perf_counter()
    optimizer.step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
