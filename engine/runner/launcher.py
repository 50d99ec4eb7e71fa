"""The process that starts a training in several: what it knows of the others, and how it ends them when one dies or hangs.

It starts torch's elastic agent (`engine/parallel/agent.py`), which starts one process per device (`worker.py`). All of them
connect to this process: what they tell are events and signs of life, what they are told are the requests to the `Control`. When
this process dies, their connections end and they end too.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from engine.events import (
    CARD_STOPPED,
    CommandAnswered,
    Event,
    Failed,
    Finished,
    LossNotFinite,
    OutOfMemory,
    RunStarted,
    Stopped,
    event_from_json,
)
from engine.messages import BadInput, Message, bad_input, from_record
from engine.parallel.channel import Hub, send
from engine.parallel.launch_spec import ONE_MACHINE, ORPHAN_SECONDS, LaunchSpec, Rendezvous, process_timeout
from engine.runner.dead_ranks import DeadRank, append_event, failed_event
from engine.training.control import Control

_log = logging.getLogger(__name__)

AGENT = "engine.parallel.agent"
WORKER = "engine.runner.worker"
_POLL_SECONDS = 0.1
_END_SECONDS = 15.0
"""For the agent to end the other processes after it was told to."""
_ENDS = (Finished, Stopped, OutOfMemory, LossNotFinite, Failed)


class NotStarted(BadInput):
    """The training was stopped before its first step."""

    exit_code = 130


@dataclass(slots=True)
class _Rank:
    """A process that trains, as seen from here."""

    rank: int
    local_rank: int
    pid: int
    started: float
    """Unix time at which the process was created."""
    device: str
    restart: int
    silent: float = 0.0
    """Seconds since its last sign of life."""
    has_ended: bool = False
    """Whether it said that it ends."""
    has_lost_others: bool = False
    """Whether it ends since it could not reach the others."""
    failure: Message | None = None
    """Why it ends, in its own words."""
    is_defect: bool = False
    """Whether that is a defect of ours."""
    sent: dict[str, object] = field(default_factory=dict)
    """The requests that were passed on to it."""


class Launcher:
    """The agent, the processes, and what they have told so far."""

    def __init__(
        self,
        job: dict[str, Any],
        devices: Sequence[str],
        control: Control,
        folder: Path,
        *,
        rendezvous: Rendezvous = ONE_MACHINE,
        max_restarts: int = 0,
        run: Path | None = None,
    ) -> None:
        """See `launch`; `folder` is a temporary one."""
        self._job = job
        self._control = control
        self._folder = folder
        self._run = run
        self._hub = Hub()
        self._spec = LaunchSpec(
            module=WORKER,
            devices=tuple(devices),
            port=self._hub.port,
            key=self._hub.key,
            folder=str(folder),
            rendezvous=rendezvous,
            max_restarts=max_restarts,
            timeout=process_timeout(),
        )
        self._ranks: dict[int, tuple[Connection, _Rank]] = {}
        """By the identity of the connection."""
        self._agent: subprocess.Popen[bytes] | None = None
        self._agent_result: dict[str, Any] | None = None
        self._last: Event | None = None
        self.result: dict[str, Any] | None = None
        """Of a call."""
        self.should_end: Callable[[], bool] = self._is_waiting_stopped
        self._refusal: BadInput | None = None
        self._dead: DeadRank | None = None
        """The process that died or hung first, since the last start."""

    def events(self) -> Iterator[Event]:
        """Start everything, and yield the events to the last one.

        Raises:
            BadInput: the training cannot start.
        """
        self._start_agent()
        last_look = time.monotonic()
        while True:
            for connection, message in self._hub.read(_POLL_SECONDS):
                yield from self._handle(connection, message)
            now = time.monotonic()
            self._watch(min(now - last_look, 1.0))  # this process may have been stopped itself
            last_look = now
            if self.should_end():
                raise NotStarted(Message("launch.not_started", "Stopped before the other machines were there."))
            self._pass_on_requests()
            if self._agent is not None and self._agent.poll() is not None:
                yield from self._drain()
                break
        if self._refusal is not None and not isinstance(self._last, _ENDS):
            raise self._refusal
        if not isinstance(self._last, _ENDS) and self.result is None:
            yield self._fail()

    def close(self) -> None:
        """End every process that is left."""
        left = [rank for _connection, rank in self._ranks.values()]
        self._hub.close()
        if self._agent is not None and self._agent.poll() is None:
            self._agent.terminate()
            try:
                self._agent.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                self._agent.kill()
                self._agent.wait()
        for rank in left:
            _kill(rank)

    # The agent

    def _start_agent(self) -> None:
        self._spec.log_folder.mkdir()
        own_session: dict[str, Any] = {} if sys.platform == "win32" else {"start_new_session": True}
        environment = self._spec.environment()
        environment.setdefault(
            "TORCH_CPP_LOG_LEVEL", "ERROR"
        )  # DDP warns of an option that is chosen here (replica.py)
        if self._spec.rendezvous.nodes == 1 and sys.platform == "linux":
            environment.setdefault("GLOO_SOCKET_IFNAME", "lo")  # nothing of it leaves this machine
        with (self._folder / "agent.log").open("wb") as log:
            self._agent = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
                [sys.executable, "-P", "-m", AGENT],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **own_session,  # Ctrl+C goes to this process only, which passes it on
            )

    def _drain(self) -> Iterator[Event]:
        """What the processes told before the agent ended; where the agent was killed, what they tell until they end."""
        deadline = time.monotonic() + ORPHAN_SECONDS
        while True:
            received = self._hub.read(_POLL_SECONDS)
            for connection, message in received:
                yield from self._handle(connection, message)
            if not self._ranks and not received:
                return
            if time.monotonic() > deadline:
                return
            if self._agent_result is None:  # nobody watches the processes any more
                for connection, rank in self._ranks.values():
                    _request(connection, rank, "stop", value=True)

    # Messages

    def _handle(self, connection: Connection, message: dict[str, Any] | None) -> Iterator[Event]:
        if message is None:
            _connection, rank = self._ranks.pop(id(connection), (connection, None))
            if rank is not None:
                self._has_closed(rank)
            return
        if "rank" in message:
            self._greet(connection, message)
        elif "ended" in message:
            self._agent_result = message
        elif id(connection) in self._ranks:
            rank = self._ranks[id(connection)][1]
            rank.silent = 0.0
            yield from self._handle_rank(rank, message)

    def _greet(self, connection: Connection, message: dict[str, Any]) -> None:
        """A process has started: tell it what to do."""
        rank = _Rank(
            int(message["rank"]),
            int(message["local_rank"]),
            int(message["pid"]),
            float(message["started"]),
            str(message["device"]),
            int(message["restart"]),
        )
        self._ranks[id(connection)] = connection, rank
        job = self._job
        if rank.restart and self._run is not None:
            job = {**job, "kind": "resume", "run": str(self._run), "overrides": {}, "again": True}
            if self._dead is not None:
                job["note"] = self._dead.record()
        send(connection, {"job": job})

    def _handle_rank(self, rank: _Rank, message: dict[str, Any]) -> Iterator[Event]:
        if "event" in message:
            event = event_from_json(message["event"])
            if event is not None:
                self._last = event
                if isinstance(event, RunStarted):
                    self._run, self._dead = Path(event.run), None
                elif isinstance(event, CommandAnswered):
                    self._control.adopt(event)
                elif isinstance(event, _ENDS) and getattr(event, "code", "") != CARD_STOPPED:
                    self._tell_all({"ended": True})  # those that cannot reach the first one any more need no restart
                yield event
        elif "refused" in message:
            messages = [from_record(record, "") for record in message["refused"]]
            self._refusal = BadInput(*messages)
        elif "result" in message:
            self.result = message["result"]
        elif "failure" in message:
            rank.failure, rank.is_defect = from_record(message["failure"], ""), bool(message["is_defect"])
        elif "lost" in message:
            rank.has_lost_others = True
        elif "bye" in message:
            rank.has_ended = True

    def _tell_all(self, message: dict[str, Any]) -> None:
        for connection, _rank in self._ranks.values():
            send(connection, message)

    def _has_closed(self, rank: _Rank) -> None:
        """The connection of a process has ended: it has ended or died."""
        if rank.has_ended or (rank.has_lost_others and self._dead is not None):
            return
        if self._dead is None or self._dead.is_elsewhere:
            self._dead = DeadRank(
                rank.rank,
                rank.device,
                rank.failure,
                is_defect=rank.is_defect,
                is_elsewhere=rank.has_lost_others,
                restart=rank.restart,
            )
            _log.warning("rank %s (pid %s, %s) has died", rank.rank, rank.pid, rank.device)

    # Signs of life, and requests

    def _watch(self, seconds: float) -> None:
        """Kill a process that gives no sign of life; the agent then ends the others."""
        for _connection, rank in self._ranks.values():
            rank.silent += seconds
            if rank.silent > self._spec.silence and not rank.has_ended:
                if self._dead is None or self._dead.is_elsewhere:
                    self._dead = DeadRank(
                        rank.rank, rank.device, None, silent_seconds=round(rank.silent), restart=rank.restart
                    )
                _log.warning("rank %s (pid %s) hangs", rank.rank, rank.pid)
                rank.silent = 0.0
                _kill(rank)

    def _is_waiting_stopped(self) -> bool:
        """Whether a stop was requested while this machine waits for the others."""
        is_waiting = not self._ranks and self._run is None and self._spec.rendezvous.nodes > 1
        return is_waiting and self._control.stop_requested

    def _pass_on_requests(self) -> None:
        control = self._control
        first = next(((connection, rank) for connection, rank in self._ranks.values() if rank.local_rank == 0), None)
        if first is None:
            return
        connection, rank = first
        for report in control.pop_reports():  # first: a stop that one announces is then never logged before it
            send(connection, {"report": report.to_json()})
        if (batch_size := control.pop_requested_batch_size()) is not None:
            send(connection, {"lower_batch": batch_size})
        _request(connection, rank, "pause", value=control.pause_requested)
        _request(connection, rank, "stop", value=control.stop_requested)

    # The end

    def _fail(self) -> Event:
        """The event that ends a training of which a process died; written into the run's log."""
        result = self._agent_result
        if self._dead is None and result is not None and result["ended"] == "rendezvous":
            raise bad_input(
                "launch.rendezvous",
                "The machines did not meet at {endpoint}: {reason}.",
                endpoint=self._spec.rendezvous.endpoint or "127.0.0.1",
                reason=result["reason"],
            )
        failures = {} if result is None else {int(rank): int(code) for rank, code in result.get("failures", {}).items()}
        dead = self._dead or DeadRank(next(iter(failures), 0), "?", None)
        dead = replace(dead, exit_code=failures.get(dead.rank), last_words=self._last_words(dead))
        event = failed_event(dead, self._run)
        if self._run is None:
            raise BadInput(event.message)
        append_event(self._run, event)
        return event

    def _last_words(self, dead: DeadRank) -> str:
        """The last line that the process wrote to its standard error."""
        local_rank = dead.rank - self._spec.rendezvous.node_rank * len(self._spec.devices)
        pattern = f"*/attempt_{dead.restart}/{local_rank}/stderr.log"
        with suppress(OSError):
            for path in self._spec.log_folder.glob(pattern):
                lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
                if lines:
                    return lines[-1][:300]
        return ""


def _request(connection: Connection, rank: _Rank, name: str, *, value: bool) -> None:
    """Pass on a request once."""
    if rank.sent.get(name, False) != value:
        rank.sent[name] = value
        send(connection, {name: value})


def _kill(rank: _Rank) -> None:
    """Kill the process, unless it has died and another one has its number now."""
    with suppress(psutil.Error):
        process = psutil.Process(rank.pid)
        if abs(process.create_time() - rank.started) < 1:
            process.kill()
