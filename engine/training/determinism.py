"""Makes a training repeat bit for bit: a fixed number of threads, and deterministic algorithms."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils import deterministic as torch_settings

from engine.plan import Plan


@contextmanager
def deterministic(plan: Plan) -> Iterator[None]:
    """Inside the context torch uses the plan's number of threads and, on the CPU and on CUDA, deterministic algorithms.

    Must be entered in the thread that trains: `torch.set_num_threads` does not affect threads that already run. On an H100 the
    deterministic algorithms took no more time than the others (`benchmarks/card.py`).
    """
    threads = torch.get_num_threads()
    debug_mode = torch.get_deterministic_debug_mode()
    settings: Any = torch_settings  # its only setting is a property of the module's class, unknown to mypy
    fill_memory = settings.fill_uninitialized_memory
    torch.set_num_threads(plan.threads)
    if plan.device.partition(":")[0] in ("cpu", "cuda"):
        # The same as use_deterministic_algorithms(True, warn_only=True), which would import torch's compiler.
        torch.set_deterministic_debug_mode("warn")
        # Filling new memory with NaN would cost a pass over every tensor and only help to find defects in torch.
        settings.fill_uninitialized_memory = False
        # Such an operation is allowed. Not `catch_warnings`: that would undo what other threads change meanwhile.
        warnings.filterwarnings("ignore", message=".* does not have a deterministic implementation")
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_deterministic_debug_mode(debug_mode)
        settings.fill_uninitialized_memory = fill_memory
