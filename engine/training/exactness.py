"""What makes a training repeat bit for bit on the CPU: the same threads, and no sum whose order is left to chance."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.utils import deterministic as fresh_memory

from engine.plan import Plan


@contextmanager
def exact(plan: Plan) -> Iterator[None]:
    """Train with the plan's threads and, on the CPU, with deterministic sums; afterwards everything is as before.

    Must be entered in the thread that trains: the number of threads set elsewhere does not reach it. On a GPU exactness is
    not promised, since its deterministic kernels are slow.
    """
    threads = torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    filling = fresh_memory.fill_uninitialized_memory
    torch.set_num_threads(plan.threads)
    if plan.device == "cpu":
        torch.use_deterministic_algorithms(mode=True, warn_only=True)
        # Filling fresh memory with NaN would only find defects of torch, and costs a pass over every tensor.
        fresh_memory.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(mode=deterministic)
        fresh_memory.fill_uninitialized_memory = filling
