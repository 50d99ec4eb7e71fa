"""One process of a training in several: started by torch's elastic agent on each device, it trains its part of every batch.

It is told what to do by the process that started the training (`launcher.py`), and tells it what happens:

    here     {"rank", "local_rank", "pid", "started", "device", "restart"}, then {"alive"}, and from the first process of a machine {"event"};
             before the first event perhaps {"refused"}; at the end {"bye"}, {"lost"} (the others do not answer) or {"failure"}
    there    {"job"}, then {"stop"}, {"pause"}, {"lower_batch"}, {"ended"} (the first process has told its last event)
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import psutil

from engine.events import Event, Step, event_from_json
from engine.messages import BadInput, Message, bad_input, from_record, to_record
from engine.parallel.channel import Channel
from engine.parallel.group import CommunicationError, ProcessGroup, connect
from engine.parallel.launch_spec import ORPHAN_SECONDS, LaunchSpec, Rendezvous, launch_spec
from engine.parallel.place import Place
from engine.training.control import Control

EXIT_LOST = 17
"""Of a process that could not reach the others."""
EXIT_FAILURE = 18
"""Of a process whose device failed."""
EXIT_DEFECT = 1
_SIGNS = 10
"""Of life that a process gives in the time after which it counts as hanging."""
_END_SECONDS = 2.0
"""A process that cannot reach the others waits so long for the word that the run has ended."""


def main() -> None:
    """Train to the end, whatever it is."""
    spec = launch_spec()
    if spec is None:
        raise SystemExit("This module is started by freezetui train.")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started the training decides
    nodes = spec.rendezvous.nodes
    place = Place.from_environment(spec.rendezvous.node_rank if nodes > 1 else None)
    channel = Channel(spec.port, spec.key)
    started = psutil.Process().create_time()
    channel.send(
        {
            "rank": place.rank,
            "local_rank": place.local_rank,
            "pid": os.getpid(),
            "started": started,
            "device": spec.devices[place.local_rank],
            "restart": place.restart,
        }
    )
    job = channel.receive()["job"]
    code = _work(spec, place, channel, job)
    channel.close()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # threads of libraries, some of which wait for a process that is gone, must not keep this one


def _work(spec: LaunchSpec, place: Place, channel: Channel, job: Mapping[str, Any]) -> int:
    """Do the job; returns the exit code."""
    control = Control(can_detach=bool(job.get("can_detach")))
    has_ended, stop_signs = threading.Event(), threading.Event()

    def follow(message: Mapping[str, Any]) -> None:
        if message.get("ended"):
            has_ended.set()
        obey(message, control)

    channel.follow(follow, lambda: _stop_orphan(control))
    period = spec.silence / _SIGNS
    threading.Thread(target=_give_signs, args=(channel, stop_signs, period), name="signs", daemon=True).start()
    code = _train(spec, place, channel, job, control)
    if code == EXIT_LOST and has_ended.wait(_END_SECONDS):
        code = 0  # the run has ended, and this process needs no restart
    channel.send({"bye": True} if code == 0 else {"lost": True} if code == EXIT_LOST else {})
    stop_signs.set()
    return code


def _train(spec: LaunchSpec, place: Place, channel: Channel, job: Mapping[str, Any], control: Control) -> int:
    """Train; returns the exit code."""
    from engine.runner.failures import is_device_failure

    device = spec.devices[place.local_rank]
    try:
        if place.processes != spec.rendezvous.nodes * place.local_processes:
            raise bad_input(
                "launch.processes_differ",
                "devices: this machine trains with {own} process(es) and all {nodes} machines with {all}; each needs as many as the "
                "others.",
                own=place.local_processes,
                nodes=spec.rendezvous.nodes,
                all=place.processes,
            )
        group = connect(place.rank, place.processes, device, timedelta(seconds=spec.timeout))
        if job["kind"] == "call":
            result = import_module(job["module"]).answer(job["request"], group)
            if group.is_first:
                channel.send({"result": result})
            return 0
        for event in run_job(job, control, group, spec.rendezvous):
            if place.local_rank == 0:
                channel.send({"event": event.to_json()}, may_be_lost=isinstance(event, Step))
    except CommunicationError:
        traceback.print_exc()
        return EXIT_LOST
    except BadInput as refusal:
        if place.local_rank == 0:
            channel.send({"refused": [to_record(message) for message in refusal.messages]})
    except Exception as error:  # noqa: BLE001  whatever it is, the process that started the training says it
        traceback.print_exc()
        reason = Message("", "{text}", {"text": f"{type(error).__name__}: {error}".partition("\n")[0]})
        is_failure = is_device_failure(error)
        channel.send({"failure": to_record(reason), "is_defect": not is_failure})
        return EXIT_FAILURE if is_failure else EXIT_DEFECT
    return 0


def run_job(job: Mapping[str, Any], control: Control, group: ProcessGroup, rendezvous: Rendezvous) -> Iterator[Event]:
    """The events of what the processes of `group` do together.

    Args:
        job: "kind" is start (with "plan" and "index", a file with the data set) or resume (with "run", and what is to be
            other than before).
        control: requests to this process.
        group: all processes.
        rendezvous: the machines.
    """
    if job["kind"] == "start":
        from engine.dataset.index_file import load_index
        from engine.plan import plan_from_json
        from engine.runner.machines import plan_of_all
        from engine.runner.start import train_new_run

        plan, dataset = replace(plan_from_json(job["plan"]), device=group.device), load_index(Path(job["index"]))
        if rendezvous.nodes > 1:
            plan, dataset = plan_of_all(group, rendezvous.node_rank, plan, dataset)
        yield from train_new_run(plan, dataset, control, job["on_out_of_memory"], group)
        return
    from engine.runner.resume import Changes, resume_in_group

    changes = Changes(
        job.get("overrides") or {},
        None if job.get("data") is None else Path(job["data"]),
        bool(job.get("accept_changes")),
    )
    checkpoint_file = None if job.get("checkpoint") is None else Path(job["checkpoint"])
    note = None if job.get("note") is None else from_record(job["note"], "")
    yield from resume_in_group(
        Path(job["run"]), checkpoint_file, control, changes, job["on_out_of_memory"], group, note, rendezvous
    )


def obey(message: Mapping[str, Any], control: Control) -> None:
    """Give a request to `control`."""
    if "report" in message and (report := event_from_json(message["report"])) is not None:
        control.report(report)
    if message.get("stop"):
        control.stop()
    if "pause" in message:
        (control.pause if message["pause"] else control.resume)()
    if "lower_batch" in message:
        control.lower_batch(int(message["lower_batch"]))


def _give_signs(channel: Channel, ended: threading.Event, period: float) -> None:
    while not ended.wait(period):
        channel.send({"alive": True}, may_be_lost=True)


def _stop_orphan(control: Control) -> None:
    """The process that started the training is dead: save a checkpoint and end, or end without one if that takes too long."""
    control.stop()
    time.sleep(ORPHAN_SECONDS)
    os._exit(EXIT_LOST)


if __name__ == "__main__":
    main()
