"""What is alive in torch's memory while tensors without content are computed with, and how it grows with the batch.

Nothing is allocated: a tensor here has a size and no content. The batch is a prime number of images, so that a storage whose
size is a multiple of it is known to grow with the batch, and any other not to. One walk thus gives the memory of every batch
size.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from engine.planning.memory.meta_kernels import RULES

PRIME_BATCH = 1009

Bytes = tuple[int, int]
"""Bytes that are there whatever the batch, and bytes for each image of it."""

Temporaries = Callable[[Any, Sequence[Any], Sequence[Tensor]], int]
"""Bytes that an operation (its name, arguments and results) takes inside itself and gives back before it returns."""


_CPU = torch.device("cpu")


class MetaOnCpu(Tensor):
    """A meta tensor that says it is on the CPU, so that autograd and autocast do with it what they do there.

    torch's own tensors of this kind (`FakeTensorMode`) give the same bytes and take two to three times as long.
    """

    meta: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]  # as torch does it

    @staticmethod
    def __new__(cls, meta: Tensor) -> MetaOnCpu:
        """In the form of `meta`, whose storage lives as long as this does."""
        made: MetaOnCpu = Tensor._make_wrapper_subclass(
            cls, meta.shape, strides=meta.stride(), storage_offset=meta.storage_offset(), dtype=meta.dtype, device=_CPU
        )
        made.meta = meta
        return made

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Has nothing to compute with by itself."""
        raise TypeError(f"{func} was called with a tensor without content, outside of MemoryTracker.")


class MemoryTracker(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's mode is not typed
    """While it is entered every tensor made has no content; `moments` are the sum of their storages at every change."""

    def __init__(self, temporaries: Temporaries) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.moments: list[Bytes] = [(0, 0)]
        self._temporaries = temporaries
        self._known: set[int] = set()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: to be skipped by torch's compiler it would be imported, which takes a second, and nothing is compiled here."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run one operation on forms alone and look at what it made."""
        in_place, takes_device = _traits(func)
        if in_place:
            made: list[MetaOnCpu] = []
            results = args[0] if func._schema.returns else None
        else:
            named = {key: _lowered(value) for key, value in kwargs.items()} if kwargs else {}
            if takes_device:
                named["device"] = "meta"
            found = RULES.get(func, func)(*map(_lowered, args), **named)
            if isinstance(found, Tensor):
                results = MetaOnCpu(found)
                made = [results]
            elif isinstance(found, tuple | list):
                results = [MetaOnCpu(one) if isinstance(one, Tensor) else one for one in found]
                made = [one for one in results if isinstance(one, MetaOnCpu)]
            else:
                results, made = found, []
            for tensor in made:
                self._note(tensor.meta.untyped_storage())
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


@cache
def _traits(func: Any) -> tuple[bool, bool]:
    """Whether an operation only writes into tensors that are there, and whether it is told a device."""
    schema = func._schema
    writes = [argument for argument in schema.arguments if argument.alias_info and argument.alias_info.is_write]
    if writes and (torch.Tag.inplace_view in func.tags or any(argument.is_out for argument in writes)):
        raise TypeError(f"{func} changes the form of a tensor in place; what that frees or takes cannot be told.")
    return bool(writes) and len(schema.returns) <= 1, any(argument.name == "device" for argument in schema.arguments)


def _lowered(value: Any) -> Any:
    """An argument of an operation, as it is handed to the meta device."""
    if isinstance(value, MetaOnCpu):
        return value.meta
    if isinstance(value, list | tuple):
        return [_lowered(one) for one in value]
    return value.to("meta") if isinstance(value, Tensor) else value


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
