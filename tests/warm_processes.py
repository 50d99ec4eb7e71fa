"""Processes that begin with everything imported: forked from a server that has imported it and done nothing else. On POSIX only."""

from __future__ import annotations

import multiprocessing
import os
from typing import TYPE_CHECKING
from unittest import mock

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext

IMPORTED = ("engine.runner.start", "tests.command", "tests.small_training")
IMPORTED_DURING_TRAINING = (
    "matplotlib.pyplot",
    "torch.utils.tensorboard",
    "torchvision.ops",
    "torch._dynamo.distributed",
)


def warm_processes() -> ForkServerContext:
    """Starts processes; their functions must be importable by name. The first call waits for the imports."""
    from multiprocessing import forkserver

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*IMPORTED, *IMPORTED_DURING_TRAINING])
    # Every large tensor in pages of its own, so that what is freed is free again whatever lies beside it.
    with mock.patch.dict(os.environ, MALLOC_MMAP_THRESHOLD_="65536"):
        forkserver.ensure_running()
    return context
