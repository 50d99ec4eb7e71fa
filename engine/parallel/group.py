"""The processes that train together, and what they exchange: tensors, flags and small objects.

All methods are collective: every process of the group calls them, in the same order. So a process that fails (out of memory,
say) does not leave the others waiting: it goes on with the collective calls of its step, contributes zeros and a flag, and all
processes see that flag in the same call (`engine/training/distributed.py`). This needs neither a second channel between the
processes nor a new group, and is the same for Gloo and NCCL. They cannot be interrupted instead: a process that waits in a
reduction of Gloo is not woken by `abort`, and with NCCL its thread waits in the driver. A process that dies ends the group: see
`CommunicationError`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")

BACKEND_VARIABLE = "FREEZETUI_BACKEND"
"""Environment variable with another backend of torch.distributed, for example gloo, with which two processes can share a card."""


class CommunicationError(Exception):
    """Another process of the group died or did not answer in time. The text is torch's, one line."""


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """The process `rank` among `world_size` processes; `device` is the torch device that it trains on.

    The first one, rank 0, alone writes files. A group of one process exchanges nothing.
    """

    rank: int = 0
    world_size: int = 1
    device: str = ""

    @property
    def is_first(self) -> bool:
        """Whether this process writes the run's files."""
        return self.rank == 0

    @property
    def is_single(self) -> bool:
        """Whether there is no other process."""
        return self.world_size == 1

    def sum(self, tensor: Tensor) -> Tensor:
        """`tensor`, replaced in place by the sum of those of all processes. On a GPU the host does not wait for it.

        Raises:
            CommunicationError: see the class; so do all methods.
        """
        if not self.is_single:
            with _communicating():
                dist.all_reduce(tensor)
        return tensor

    def agree(self, flags: Sequence[int]) -> tuple[int, ...]:
        """For each flag its largest value in any process. Exchanged between the hosts: nothing waits for a GPU."""
        if self.is_single:
            return tuple(flags)
        values = torch.tensor(flags, dtype=torch.int64)
        with _communicating():
            dist.all_reduce(values, op=dist.ReduceOp.MAX)
        return tuple(values.tolist())

    def all_gather(self, value: T) -> list[T]:
        """The values of all processes, by rank, in each of them; small and picklable."""
        if self.is_single:
            return [value]
        values: list[Any] = [None] * self.world_size
        with _communicating():
            dist.all_gather_object(values, value)
        return cast("list[T]", values)

    def broadcast(self, value: T) -> T:
        """The value of the first process, which is picklable."""
        if self.is_single:
            return value
        values: list[Any] = [value]
        with _communicating():
            dist.broadcast_object_list(values, src=0, device=torch.device("cpu"))
        return cast("T", values[0])

    def broadcast_tensors(self, tensors: Sequence[Tensor]) -> None:
        """Replace, in place, `tensors` by those of the first process."""
        if not self.is_single:
            with _communicating(), torch.no_grad():
                for tensor in tensors:
                    dist.broadcast(tensor, src=0)

    def barrier(self) -> None:
        """Wait for every process, at most for the time-out of the group."""
        self.agree((0,))

    def close(self) -> None:
        """Leave the group; the process ends soon."""
        if not self.is_single and dist.is_initialized():
            dist.destroy_process_group()


SINGLE = ProcessGroup()
"""The group of a training in one process."""


def connect(rank: int, world_size: int, device: str, timeout: timedelta) -> ProcessGroup:
    """Join the group whose address torchrun's environment names (MASTER_ADDR, MASTER_PORT).

    Tensors of the CPU go through Gloo, those of a GPU through NCCL where torch has it, else through Gloo too.

    Args:
        rank: of this process, from 0.
        world_size: number of processes.
        device: torch device of this process.
        timeout: how long a process waits for the others in one call. The longest wait is that for the first process at the end
            of an epoch: mAP, weights, checkpoint.

    Raises:
        CommunicationError: the others did not come in time.
    """
    with _communicating():
        dist.init_process_group(_backend(device), rank=rank, world_size=world_size, timeout=timeout)
    return ProcessGroup(rank, world_size, device)


def is_communication_error(error: BaseException) -> bool:
    """Whether an error of torch, raised in a backward pass for example, is that of a broken connection."""
    words = ("gloo", "NCCL", "ProcessGroup")
    return isinstance(error, CommunicationError | dist.DistError) or (
        isinstance(error, RuntimeError) and any(word in str(error) for word in words)
    )


def _backend(device: str) -> str:
    if not device.startswith("cuda"):
        return "gloo"
    torch.cuda.set_device(torch.device(device))
    return os.environ.get(BACKEND_VARIABLE, "cpu:gloo,cuda:nccl" if dist.is_nccl_available() else "gloo")


@contextmanager
def _communicating() -> Iterator[None]:
    """Turns the errors of a broken connection into CommunicationError."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:  # torch's DistBackendError and DistNetworkError are RuntimeErrors too
        raise CommunicationError(str(error).partition("\n")[0]) from error
