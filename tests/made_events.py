"""Events with figures of no meaning."""

from __future__ import annotations

from engine.events import (
    EpochFinished,
    RunStarted,
    Step,
)


def step(number: int) -> Step:
    return Step(
        stage="freeze", epoch=0, step=number, steps=10_000, loss=1.0, box=0.5, objectness=0.3, classes=0.2, lr=1e-3,
        images_per_second=30.0, data_wait=0.0, memory_bytes=1,
    )  # fmt: skip


def epoch(number: int) -> EpochFinished:
    return EpochFinished(stage="freeze", epoch=number, train_loss=0.25, val_loss=0.5, seconds=61.0)


STARTED = RunStarted(run="logs/loss_x", plan={"stages": [], "total_steps": 100}, epoch=0, step=0, continued=False)
