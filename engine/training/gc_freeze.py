"""Python's garbage collector, and how it is kept from stopping a training."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module


def import_late_modules() -> None:
    """Import before it is waited for what the first validation does: torchvision's operators, and with them torch's compiler.

    That is seconds, and most of torch's objects.
    """
    import_module("torchvision.ops")


@contextmanager
def gc_frozen() -> Iterator[None]:
    """Within, the collector looks only at what was made within; afterwards at everything again.

    torch and its modules are more than a million objects. Looking through all of them takes half a second, in which neither
    a step nor a screen moves.
    """
    import_late_modules()
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
