"""A run whose figures are all given: its events, and the folder that they leave behind. Nothing is trained for it."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from engine.dataset.stored_splits import splits_to_json
from engine.events import CheckpointSaved, EpochFinished, Evaluated, Event, Finished, RunStarted, StageStarted, Step
from engine.plan import Plan, StagePlan
from engine.runs.folder import BEST_WEIGHTS, LAST_WEIGHTS, create_run
from engine.training.run_log import RunLog
from tests.small_training import plan_and_dataset, prepare

STARTED = 1_767_323_045.0
"""2026-01-02 03:04:05 UTC."""
RUN = "loss_2026_01_02_03_04_05"
SECONDS_PER_STEP = 0.25


def recorded_plan(workspace: Path) -> Plan:
    """Two epochs of the freeze stage and six of the unfreeze stage, on the data and weights of `prepare`."""
    return plan_and_dataset(workspace, freeze_epoch=2, unfreeze_epoch=8)[0]


def recorded_run(workspace: Path) -> Path:
    """The folder of the finished run, with the untrained weights as what it ended with."""
    prepare(workspace)
    plan, dataset = plan_and_dataset(workspace, freeze_epoch=2, unfreeze_epoch=8)
    created = create_run(plan, splits_to_json(dataset))
    run = created.rename(created.with_name(RUN))
    for name in (BEST_WEIGHTS, LAST_WEIGHTS):
        shutil.copy(workspace / "model_data" / "start.pth", run / name)
    with closing(RunLog(run, plan, {}, plan.stages[0].first_epoch)) as log:
        for event in recorded_events(run, plan):
            log.record(event)
    return run


def recorded_events(run: Path, plan: Plan) -> Iterator[Event]:
    """Every event of the run. The losses fall, steps take a quarter of a second, nothing is detected."""
    clock, done = STARTED, 0
    yield RunStarted(
        time=clock, run=str(run), plan=plan.to_json(), epoch=plan.stages[0].first_epoch, step=0, continued=False
    )
    for stage in plan.stages:
        yield StageStarted(
            time=clock,
            stage=stage.name,
            epoch=stage.first_epoch,
            batch_size=stage.batch_size,
            init_lr=stage.init_lr,
            min_lr=stage.min_lr,
        )
        for epoch in range(stage.first_epoch, stage.last_epoch + 1):
            for number in range(stage.steps_per_epoch):
                clock += SECONDS_PER_STEP
                yield _step(clock, plan, stage, epoch, number, done / plan.total_steps)
                done += 1
            clock += 2
            loss = _loss(done / plan.total_steps)
            yield EpochFinished(
                time=clock, stage=stage.name, epoch=epoch, train_loss=loss, val_loss=1.1 * loss, seconds=4.0
            )
            if (epoch + 1) % plan.recipe.eval_period == 0:
                yield Evaluated(time=clock, epoch=epoch, map50=0.0, map50_95=0.0, best=False)
            yield CheckpointSaved(time=clock, path=str(run / "last.ckpt"), epoch=epoch + 1, step=0, seconds=0.5)
    yield Finished(
        time=clock,
        run=str(run),
        best=str(run / BEST_WEIGHTS),
        last=str(run / LAST_WEIGHTS),
        map50=0.0,
        map50_95=0.0,
        seconds=clock - STARTED,
    )


def _step(clock: float, plan: Plan, stage: StagePlan, epoch: int, number: int, progress: float) -> Step:
    loss = _loss(progress)
    return Step(
        time=clock,
        stage=stage.name,
        epoch=epoch,
        step=number,
        steps=stage.steps_per_epoch,
        loss=loss,
        box=loss / 2,
        objectness=loss / 3,
        classes=loss / 6,
        lr=stage.min_lr + (stage.init_lr - stage.min_lr) * (1 - progress),
        images_per_second=stage.batch_size / SECONDS_PER_STEP,
        data_wait=0.04,
        memory_bytes=800 * 2**20 + round(progress * 400 * 2**20),
    )


def _loss(progress: float) -> float:
    return 0.25 + 2 * math.exp(-3 * progress)
