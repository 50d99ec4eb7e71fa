"""Which of the processes of a training this one is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from engine.parallel.launch_spec import launch_spec


@dataclass(frozen=True, slots=True)
class Place:
    """From the variables that torch's elastic agent sets."""

    rank: int
    local_rank: int
    processes: int
    """Of all machines."""
    local_processes: int
    node: int
    """Number of this machine."""
    restart: int

    @classmethod
    def from_environment(cls, node_rank: int | None = None, environment: Mapping[str, str] = os.environ) -> Place:
        """`node_rank`: the number of this machine that the user gave; the agent counts them in an order of its own."""
        local_rank, local_processes = int(environment["LOCAL_RANK"]), int(environment["LOCAL_WORLD_SIZE"])
        node = int(environment["GROUP_RANK"]) if node_rank is None else node_rank
        rank = int(environment["RANK"]) if node_rank is None else node_rank * local_processes + local_rank
        restart = int(environment.get("TORCHELASTIC_RESTART_COUNT", "0"))
        return cls(rank, local_rank, int(environment["WORLD_SIZE"]), local_processes, node, restart)


def torchrun_place(environment: Mapping[str, str] = os.environ) -> Place | None:
    """The place of a process that torchrun has started with a command of ours; None in any other process."""
    if launch_spec(environment) is not None or not {"TORCHELASTIC_RUN_ID", "RANK", "LOCAL_RANK"} <= environment.keys():
        return None
    return Place.from_environment(environment=environment)
