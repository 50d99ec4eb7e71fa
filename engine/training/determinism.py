"""What makes a training repeat bit for bit on the CPU: the same threads, and no sum whose order is left to chance."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils import deterministic

from engine.plan import Plan


@contextmanager
def exact(plan: Plan) -> Iterator[None]:
    """Train with the plan's threads and, on the CPU, with deterministic sums; afterwards everything is as before.

    Must be entered in the thread that trains: the number of threads set elsewhere does not reach it. On a GPU exactness is
    not promised, since its deterministic kernels are slow.
    """
    threads = torch.get_num_threads()
    before = torch.get_deterministic_debug_mode()
    memory: Any = deterministic  # its one setting lives in the module's class, where mypy does not see it
    filling = memory.fill_uninitialized_memory
    torch.set_num_threads(plan.threads)
    if plan.device == "cpu":
        # "warn" is use_deterministic_algorithms(True, warn_only=True) without what that imports: torch's compiler.
        torch.set_deterministic_debug_mode("warn")
        # Filling fresh memory with NaN would only find defects of torch, and costs a pass over every tensor.
        memory.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_deterministic_debug_mode(before)
        memory.fill_uninitialized_memory = filling
