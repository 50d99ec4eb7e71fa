"""A training whose processes torchrun has started: `torchrun ... -m tui train ...`, where each process runs the command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from engine.messages import bad_input
from engine.parallel.group import CommunicationError, ProcessGroup, connect
from engine.parallel.launch_spec import process_timeout
from engine.parallel.place import Place


@contextmanager
def torchrun_group(place: Place, devices: tuple[str, ...]) -> Iterator[ProcessGroup]:
    """The group of the processes that torchrun has started; `devices` are those of this machine.

    Raises:
        BadInput: there are more or fewer processes than devices on this machine, or another process died or hangs.
    """
    if place.local_processes != len(devices):
        raise bad_input(
            "launch.torchrun_processes",
            "devices: torchrun has started {processes} process(es) on this machine, and {devices} device(s) would train; set "
            "--nproc-per-node or devices so that they agree.",
            processes=place.local_processes,
            devices=len(devices),
        )
    try:
        group = connect(place.rank, place.processes, devices[place.local_rank], timedelta(seconds=process_timeout()))
        yield group
        group.close()
    except CommunicationError as error:
        raise bad_input(
            "launch.lost",
            "Rank {rank} on {device} cannot reach the other processes any more ({reason}); resume from the last checkpoint.",
            rank=place.rank,
            device=devices[place.local_rank],
            reason=error,
        ) from error
