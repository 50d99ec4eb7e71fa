"""The process between the one that starts a training and those that train: torch's own elastic agent.

It starts one process per device, ends all when one dies, restarts them if that is allowed, and meets the agents of other machines.
It runs in a process of its own: its signal handlers need a main thread, and a training is started from any thread.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import uuid
from typing import Any

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.elastic.rendezvous.api import RendezvousError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from engine.parallel.channel import Channel
from engine.parallel.launch_spec import ORPHAN_SECONDS, LaunchSpec, launch_spec

_KILL_SECONDS = 3
"""Between SIGTERM and SIGKILL."""
_RENDEZVOUS_SECONDS = 900
_RUN_ID = "freezetui"
"""By which the agents of several machines know one another; as in the line for torchrun in docs/parallel.md."""


def main() -> None:
    """Run the processes to their end, and report how they ended."""
    spec = launch_spec()
    if spec is None:
        raise SystemExit("This module is started by freezetui train.")
    channel = Channel(spec.port, spec.key)
    channel.send({"agent": os.getpid()})
    is_orphaned, has_ended = threading.Event(), threading.Event()
    channel.follow(lambda message: None, lambda: _end_orphans(is_orphaned, has_ended))
    result: dict[str, Any] = {"ended": "done"}
    try:
        elastic_launch(_config(spec), sys.executable)("-P", "-m", spec.module)
    except ChildFailedError as error:
        failures = {str(rank): failure.exitcode for rank, failure in error.failures.items()}
        result = {"ended": "failed", "failures": failures}
    except SignalException:
        result = {"ended": "terminated"}
    except (RendezvousError, OSError, RuntimeError, ValueError) as error:
        result = {"ended": "rendezvous", "reason": str(error).partition("\n")[0]}
    has_ended.set()
    channel.send(result)
    channel.close()
    if is_orphaned.is_set():
        shutil.rmtree(spec.folder, ignore_errors=True)
    os._exit(0)  # nothing is left to do, and torch's threads for the rendezvous may take long to end


def _config(spec: LaunchSpec) -> LaunchConfig:
    meeting = spec.rendezvous
    is_alone = meeting.nodes == 1
    endpoint = "127.0.0.1:0" if is_alone else meeting.endpoint
    is_local = is_alone or endpoint.rpartition(":")[0] in ("127.0.0.1", "localhost")
    return LaunchConfig(
        min_nodes=meeting.nodes,
        max_nodes=meeting.nodes,
        nproc_per_node=len(spec.devices),
        run_id=str(uuid.uuid4()) if is_alone else _RUN_ID,
        rdzv_backend="c10d",
        rdzv_endpoint=endpoint,
        rdzv_configs={"timeout": _RENDEZVOUS_SECONDS, "is_host": meeting.node_rank == 0},
        local_addr="127.0.0.1" if is_local else None,
        max_restarts=spec.max_restarts,
        monitor_interval=0.2,
        logs_specs=DefaultLogsSpecs(log_dir=str(spec.log_folder), redirects=Std.ALL),
        shutdown_timeout=_KILL_SECONDS,
    )


def _end_orphans(is_orphaned: threading.Event, has_ended: threading.Event) -> None:
    """The process that started the training is dead: its processes have noticed too. End those that do not end themselves."""
    is_orphaned.set()
    if not has_ended.wait(ORPHAN_SECONDS):
        os.kill(os.getpid(), signal.SIGTERM)  # the main thread ends the processes


if __name__ == "__main__":
    main()
