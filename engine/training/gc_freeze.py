"""Keeps Python's garbage collector from interrupting a training."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module


def preload_modules() -> None:
    """Import what the first validation needs, before it is needed: torchvision's operators, and with them torch's compiler.

    The import takes seconds and creates most of torch's objects.
    """
    import_module("torchvision.ops")


@contextmanager
def gc_frozen() -> Iterator[None]:
    """Inside the context the collector ignores all objects that existed before it.

    torch and its modules are more than a million objects. A collection of all of them takes half a second, during which
    neither the training nor the screen moves.
    """
    preload_modules()
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
