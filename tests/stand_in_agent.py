"""Stands in for torch's elastic agent and the processes that train: no torch, so that a test of the launcher takes a second.

`STAND_IN_SCRIPT` says what each rank does, as JSON: {"0": [["event", {...}], ["wait", 1], ["die"], ...], "1": [...]}. Like the agent,
the first process of this module starts one process per rank, ends all when one fails, and tells the launcher.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

from engine.parallel.channel import Channel
from engine.parallel.launch_spec import LaunchSpec, launch_spec


def main() -> None:
    spec = launch_spec()
    assert spec is not None
    rank = os.environ.get("STAND_IN_RANK")
    if rank is None:
        agent(spec)
    else:
        worker(spec, int(rank))


def agent(spec: LaunchSpec) -> None:
    """One start of all ranks, and as many more as the spec allows."""
    channel = Channel(spec.port, spec.key)
    channel.send({"agent": os.getpid()})
    channel.follow(lambda message: None, lambda: os._exit(0))
    for restart in range(spec.max_restarts + 1):
        ranks = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.stand_in_agent"],
                env={**os.environ, "STAND_IN_RANK": str(rank), "STAND_IN_RESTART": str(restart)},
            )
            for rank in range(len(spec.devices))
        ]
        while all(rank.poll() is None for rank in ranks) or any(
            rank.poll() is None and all(other.poll() in (0, None) for other in ranks) for rank in ranks
        ):
            time.sleep(0.02)
        codes = {str(number): rank.returncode for number, rank in enumerate(ranks) if rank.returncode not in (0, None)}
        for rank in ranks:
            rank.kill()
            rank.wait()
        if not codes:
            break
    channel.send({"ended": "failed", "failures": codes} if codes else {"ended": "done"})
    channel.close()
    os._exit(0)


def worker(spec: LaunchSpec, rank: int) -> None:
    import psutil

    restart = int(os.environ["STAND_IN_RESTART"])
    channel = Channel(spec.port, spec.key)
    channel.send(
        {
            "rank": rank,
            "local_rank": rank,
            "pid": os.getpid(),
            "started": psutil.Process().create_time(),
            "device": spec.devices[rank],
            "restart": restart,
        }
    )
    job = channel.receive()["job"]
    told: list[dict[str, object]] = []
    is_orphan = threading.Event()
    channel.follow(told.append, is_orphan.set)
    silenced = threading.Event()
    threading.Thread(target=give_signs, args=(channel, silenced), daemon=True).start()
    steps = job["script"][str(rank)]
    for name, *values in steps[min(restart, len(steps) - 1)]:
        match name:
            case "event":
                channel.send({"event": values[0]})
            case "send":
                channel.send(values[0])
            case "wait":
                time.sleep(values[0])
            case "until_told":
                while not any(values[0] in message for message in told) and not is_orphan.is_set():
                    time.sleep(0.02)
            case "echo":
                text = json.dumps([job.get("kind"), told, job.get("note")])
                channel.send({"event": {**values[0], "message": text, "message_parts": None}})
            case "silence":
                silenced.set()
            case "die":
                time.sleep(0.2)  # what was sent before is on its way
                os.kill(os.getpid(), signal.SIGKILL)
            case "exit":
                channel.close()
                os._exit(values[0])
    channel.send({"bye": True})
    channel.close()
    os._exit(0)


def give_signs(channel: Channel, silenced: threading.Event) -> None:
    while not silenced.wait(0.1):
        channel.send({"alive": True})


if __name__ == "__main__":
    main()
