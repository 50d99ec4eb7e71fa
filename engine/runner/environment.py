"""What the last bits of a training depend on: recorded when a run starts, compared when it is resumed."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path

import cv2
import numpy as np
import torch
from pydantic import BaseModel, ValidationError

from engine.files import write_text
from engine.messages import Message, gettext_noop, join_phrases, phrase
from engine.plan import Plan

ENVIRONMENT = "environment.json"


class Environment(BaseModel):
    """Instruction set and libraries of the process that trains."""

    torch: str
    instruction_set: str
    """What torch chose its CPU kernels for, for example AVX2; and the machine's architecture."""
    kernel_limit: str = ""
    """A lower instruction set that oneDNN, which computes the convolutions, was limited to."""
    threads: int
    card: str = ""
    """The graphics card that trains and torch's CUDA version; empty on the CPU."""
    opencv: str
    """Decodes and resizes the images."""
    numpy: str


_LABELS = {
    "torch": gettext_noop("torch {value}"),
    "instruction_set": gettext_noop("instruction set {value}"),
    "kernel_limit": gettext_noop("ONEDNN_MAX_CPU_ISA={value}"),
    "threads": gettext_noop("{value} threads"),
    "card": gettext_noop("card {value}"),
    "opencv": gettext_noop("OpenCV {value}"),
    "numpy": gettext_noop("NumPy {value}"),
}


def current_environment(plan: Plan) -> Environment:
    """That of this process, when it trains `plan`."""
    return Environment(
        torch=torch.__version__,
        instruction_set=f"{torch.backends.cpu.get_cpu_capability()} ({platform.machine()})",
        kernel_limit=os.environ.get("ONEDNN_MAX_CPU_ISA", os.environ.get("DNNL_MAX_CPU_ISA", "")),
        threads=plan.threads,
        card=_card(plan),
        opencv=cv2.__version__,
        numpy=np.__version__,
    )


def record_environment(run: Path, plan: Plan) -> None:
    """Write the environment of this process into a run that starts.

    Raises:
        BadInput: the disk is full.
    """
    write_text(run / ENVIRONMENT, json.dumps(current_environment(plan).model_dump()) + "\n")


def read_environment(run: Path) -> Environment | None:
    """The environment in which a run started; None for a run of an earlier version, which recorded nothing, or a damaged record."""
    try:
        return Environment.model_validate_json((run / ENVIRONMENT).read_bytes())
    except (OSError, ValidationError):
        return None


def environment_note(run: Path, plan: Plan) -> Message | None:
    """What is other than when the run started, where the last bits of its results depend on it.

    On MPS they are never the same twice. None too for a run of an earlier version, which recorded nothing.
    """
    if plan.device == "mps":
        return None
    if (then := read_environment(run)) is None:
        return None
    now = current_environment(plan)
    changed = [name for name in Environment.model_fields if getattr(then, name) != getattr(now, name)]
    if not changed and plan.recipe.threads == "adapt" and plan.device == "cpu":
        return Message(
            "resume.threads_adapt",
            "threads=adapt: the number of threads follows what other programs use, so the last bits of the results may differ from those of "
            "a run that was not interrupted.",
        )
    if not changed:
        return None
    return Message(
        "resume.environment",
        "The run began with {then}; it is resumed with {now}, so the last bits of its results will differ from those of a run that "
        "was not interrupted.",
        {
            "then": join_phrases([_describe(name, getattr(then, name)) for name in changed]),
            "now": join_phrases([_describe(name, getattr(now, name)) for name in changed]),
        },
    )


def _card(plan: Plan) -> str:
    device = torch.device(plan.device)
    if device.type != "cuda" or (device.index or 0) >= torch.cuda.device_count():
        return ""
    return f"{torch.cuda.get_device_name(device)} (CUDA {torch.version.cuda})"


def _describe(name: str, value: object) -> Message:
    return phrase(_LABELS[name], value=value if value != "" else "-")
