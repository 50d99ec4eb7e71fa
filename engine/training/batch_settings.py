"""The batch sizes of a training that its plan does not know: those that were lowered since. They are part of its progress."""

from __future__ import annotations

from dataclasses import dataclass

from engine.events import BatchChanged
from engine.plan import Plan, StagePlan
from engine.recipe import MIN_BATCH_SIZE
from engine.training.checkpoint import Progress, current_stage


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """What `progress` says about the batches of `plan`; `train_images` is the size of the training split."""

    plan: Plan
    progress: Progress
    train_images: int

    def current(self, stage: StagePlan) -> StagePlan:
        """The stage of the plan with its current batch size, which may have been lowered."""
        return current_stage(self.plan.recipe, stage, self.progress, self.train_images)

    @property
    def validation_batch(self) -> int:
        """The batch size of validation: at most the smallest batch size of the stages."""
        smallest = min(self.current(stage).batch_size for stage in self.plan.stages)
        return min(smallest, self.progress.validation_batch or smallest)

    @property
    def activation_checkpointing(self) -> bool:
        """Whether the unfreeze stage computes parts of the network twice now; it may have been turned on after the plan."""
        changed = self.progress.activation_checkpointing
        return self.plan.activation_checkpointing if changed is None else changed

    def lower(self, stage: StagePlan, size: int, accumulate: int | None) -> StagePlan:
        """Train `stage` and those after it with a batch size of at most `size`; returns `stage` as it is from now on.

        Args:
            stage: of the plan, or as it was until now.
            size: images in a batch; of several processes or cards each gets as many of them, at least 2.
            accumulate: batches per optimizer step in this stage; None: no change.
        """
        progress, parts = self.progress, self.plan.batch_parts
        size = max(MIN_BATCH_SIZE, size // parts) * parts
        for each in self.plan.stages:
            if each.first_epoch >= stage.first_epoch:
                progress.batch_sizes[each.name] = min(self.current(each).batch_size, size)
        if accumulate is not None:
            progress.accumulates[stage.name] = accumulate
        return self.current(next(each for each in self.plan.stages if each.name == stage.name))

    def changed_event(self, stage: StagePlan) -> BatchChanged:
        """What `stage` trains with from now on."""
        return BatchChanged(
            stage=stage.name,
            epoch=self.progress.epoch,
            step=self.progress.step,
            batch_size=stage.batch_size,
            accumulate=stage.accumulate,
            init_lr=stage.init_lr,
            min_lr=stage.min_lr,
            activation_checkpointing=self.activation_checkpointing,
        )
