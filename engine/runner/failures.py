"""The events that end a run early, and their messages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from engine.events import CARD_STOPPED, LossNotFinite, OutOfMemory
from engine.messages import BadInput, Message, join_names, phrase
from engine.plan import Plan
from engine.planning.memory.checkpointing import PERCENT_SLOWER
from engine.planning.memory.oom import less_memory_hint, smaller_batch_size, suggests_checkpointing
from engine.runs.folder import LAST_CHECKPOINT
from engine.training.learner import NonFiniteLoss
from engine.training.peers import FailureKind, FailureReport
from engine.training.trainer import Trainer


def is_device_failure(error: Exception) -> bool:
    """Whether the device failed, not the program: fallen off the bus, reset, driver gone. The process cannot use it again."""
    patterns = ("CUDA error", "CUDNN_STATUS_", "CUBLAS_STATUS_", "NCCL")
    return isinstance(error, torch.AcceleratorError) or (
        type(error) is RuntimeError and any(pattern in str(error) for pattern in patterns)
    )


def out_of_memory(trainer: Trainer, checkpoint: str | None, device: str) -> OutOfMemory:
    """Memory of `device` ran out while `trainer` trained or validated; `checkpoint` is the file to resume from."""
    stage, run = trainer.stage, trainer.run.name
    may_checkpoint = False
    if trainer.phase == "validation":
        batch_size = trainer.validation_batch()
        smaller = batch_size // 2 if batch_size // 2 >= trainer.group.world_size else None
        message = Message(
            "train.out_of_memory",
            "Memory ran out during validation in the {stage} stage, with {batch} images at a time. The number of images in the "
            "data set does not matter: memory holds one batch at a time.",
            {"stage": phrase(stage.name), "batch": batch_size},
        )
        hint = _resume_hint(f"freezetui resume {run} --on-oom retry")
    else:
        batch_size = stage.batch_size
        plan = replace(trainer.plan, activation_checkpointing=trainer.activation_checkpointing)
        smaller = smaller_batch_size(plan, stage, trainer.dataset)
        may_checkpoint = suggests_checkpointing(plan, stage, trainer.dataset)
        message = Message(
            "train.out_of_memory",
            "Memory ran out in the {stage} stage at batch size {batch}. The number of images in the data set does not matter: "
            "memory holds one batch at a time.",
            {"stage": phrase(stage.name), "batch": batch_size},
        )
        hint = less_memory_hint(trainer.recipe.network)
        if may_checkpoint:
            hint = phrase(
                "Resume from the last step with the same batch, about {percent} % slower, with: {command}",
                percent=PERCENT_SLOWER,
                command=f"freezetui resume {run} --set activation_checkpointing=on",
            )
        elif smaller is not None:
            hint = _resume_hint(f"freezetui resume {run} --set {stage.name}_batch_size={smaller}")
    return OutOfMemory(
        stage=stage.name,
        epoch=trainer.progress.epoch,
        step=trainer.progress.step,
        batch_size=batch_size,
        suggested_batch_size=smaller,
        where=device,
        during=trainer.phase,
        checkpoint=checkpoint,
        message=message,
        hint=hint,
        suggested_checkpointing=may_checkpoint,
    )


def network_does_not_fit(run: Path, plan: Plan) -> OutOfMemory:
    """Memory ran out while the network and its optimizer were moved to the device."""
    stage = plan.stages[0]
    return OutOfMemory(
        stage=stage.name,
        epoch=stage.first_epoch,
        step=0,
        batch_size=stage.batch_size,
        suggested_batch_size=None,
        where=plan.device,
        during="start",
        checkpoint=newest_checkpoint(run),
        message=Message(
            "train.out_of_memory",
            "There is not enough memory for the network {network} and its optimizer, even without images.",
            {"network": plan.recipe.network},
        ),
        hint=less_memory_hint(plan.recipe.network),
    )


def peer_failed(report: FailureReport) -> tuple[Message, Message | None, int]:
    """Another process of the training failed: the message, no hint, and the exit code."""
    message = Message(
        "train.peer_failed",
        "Rank {rank} on {device} failed: {reason}",
        {"rank": report.rank, "device": report.device, "reason": report.message},
    )
    return message, None, 1 if report.kind is FailureKind.DEFECT else BadInput.exit_code


def device_failed(trainer: Trainer, error: Exception) -> tuple[Message, Message]:
    """What happened to the device during training, and what to do."""
    message = Message(
        CARD_STOPPED,
        "{device} stopped working in epoch {epoch}, step {step} ({reason}). The last checkpoint is good.",
        {
            "device": str(trainer.device),
            "epoch": trainer.progress.epoch + 1,
            "step": trainer.progress.step + 1,
            "reason": str(error).partition("\n")[0],
        },
    )
    command = f"freezetui resume {trainer.run.name}"
    return message, phrase(
        "Restart the machine if the card does not come back; then resume with: {command}", command=command
    )


def device_failed_at_start(plan: Plan, error: Exception) -> tuple[Message, Message]:
    """What happened to the device before the first step, and what to do."""
    message = Message(
        CARD_STOPPED,
        "{device} does not work ({reason}). Nothing was trained, and existing checkpoints are unchanged.",
        {"device": plan.device, "reason": str(error).partition("\n")[0]},
    )
    return message, phrase("Restart the machine if the card does not come back, or train with device=cpu.")


def loss_not_finite(trainer: Trainer, error: NonFiniteLoss) -> LossNotFinite:
    """A loss that is not finite.

    Nothing is saved: the running statistics of batch norm contain the batch; those of the last checkpoint do not.
    """
    images = tuple(str(trainer.dataset.images[index]) for index in error.indices)
    return LossNotFinite(
        stage=trainer.stage.name,
        epoch=trainer.progress.epoch,
        step=trainer.progress.step,
        images=images,
        message=Message(
            "train.loss_not_finite",
            "The loss became infinite or NaN in epoch {epoch}, step {step}. The last checkpoint and the weights are good.",
            {"epoch": trainer.progress.epoch + 1, "step": trainer.progress.step + 1},
        ),
        hint=phrase(
            "Check the images {images} and their labels. Or start a new run from the weights of this run with an init_lr below "
            "{lr}, or with precision=fp32.",
            images=join_names(images),
            lr=f"{trainer.stage.init_lr:g}",
        ),
    )


def _resume_hint(command: str) -> Message:
    return phrase("Resume from the last step with: {command}", command=command)


def newest_checkpoint(run: Path) -> str | None:
    """The checkpoint that the run can be resumed from; None where there is none."""
    path = run / LAST_CHECKPOINT
    return str(path) if path.exists() else None
