"""What is alive in torch's memory while fake tensors are computed with, and how it grows with the batch.

Nothing is allocated: under `FakeTensorMode` a tensor has a size and no content. The batch is a prime number of images, so
that a storage whose size is a multiple of it is known to grow with the batch, and any other not to. One walk thus gives the
memory of every batch size.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

PRIME_BATCH = 1009

Bytes = tuple[int, int]
"""Bytes that are there whatever the batch, and bytes for each image of it."""

Temporaries = Callable[[Any, Sequence[Any], Sequence[Tensor]], int]
"""Bytes that an operation (its name, arguments and results) takes inside itself and gives back before it returns."""


class LiveStorages(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's mode is not typed
    """Follows the sum of all storages made while it is entered; `moments` are its values at every change."""

    def __init__(self, temporaries: Temporaries) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.moments: list[Bytes] = [(0, 0)]
        self._temporaries = temporaries
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run one operation and look at what it made."""
        results = func(*args, **(kwargs or {}))
        made = [leaf for leaf in tree_leaves(results) if isinstance(leaf, Tensor)]
        for tensor in made:
            self._note(tensor.untyped_storage())
        if extra := self._temporaries(func, args, made):
            self._change(_split(extra), 1)
            self._change(_split(extra), -1)
        return results

    @property
    def now(self) -> Bytes:
        """What is alive at this moment."""
        return self.moments[-1]

    def since(self, moment: int) -> tuple[Bytes, ...]:
        """The moments from number `moment` on that are the peak for some batch size."""
        return upper_envelope(self.moments[moment:])

    def _note(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self._known:
            return
        self._known.add(key)
        size = _split(storage.nbytes())
        self._change(size, 1)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: Bytes) -> None:
        self._known.discard(key)
        self._change(size, -1)

    def _change(self, size: Bytes, sign: int) -> None:
        always, per_image = self.moments[-1]
        self.moments.append((always + sign * size[0], per_image + sign * size[1]))


def upper_envelope(moments: Iterable[Bytes]) -> tuple[Bytes, ...]:
    """Those of `moments` that are the largest `always + per_image * batch` for some batch of at least 1."""
    steepest: dict[int, int] = {}
    for always, per_image in moments:
        steepest[per_image] = max(always, steepest.get(per_image, always))
    kept: list[Bytes] = []
    highest = -1
    for per_image in sorted(steepest, reverse=True):  # a flatter line matters only where it starts higher
        if steepest[per_image] > highest:
            highest = steepest[per_image]
            kept.append((highest, per_image))
    return tuple(kept)


def peak(envelope: Sequence[Bytes], batch: int) -> int:
    """The largest value, in bytes, at a batch of so many images."""
    return max(always + per_image * batch for always, per_image in envelope)


def _split(size: int) -> Bytes:
    return (0, size // PRIME_BATCH) if size and size % PRIME_BATCH == 0 else (size, 0)
