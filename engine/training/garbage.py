"""Python's garbage collector, and how it is kept from stopping a training."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def modules_left_alone() -> Iterator[None]:
    """Within, the collector looks only at what was made within.

    torch and its modules are more than a million objects. Looking through all of them takes half a second, in which neither
    a step nor a screen moves; afterwards everything is looked at again.
    """
    # Two thirds of them come late, in an optimizer's first step and in the first validation, unless they are asked for.
    import torch._dynamo
    import torchvision.ops

    assert torch._dynamo
    assert torchvision.ops
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
