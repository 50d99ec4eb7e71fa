"""Commands to the process that trains a run, from any other process on its machine.

Each command is a small file in `commands/` of the run folder. A sender writes it beside and renames it, so that a reader never
sees a part of one, and two senders never write into the same file. The training process lists the folder a few times a
second, removes each file when it has read it, and answers with the event `command_answered` in events.jsonl.

`commands/receiver.json` names the process that reads. Every command carries its `session`: one that was meant for a former
process of the run is refused by the next.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.files import disk_error, error_reason, remove_abandoned, replace_file, temporary_name
from engine.messages import BadInput, bad_input
from engine.regular_files import read_regular_file
from engine.runs.lock import is_running

COMMANDS = "commands"
"""The folder of the command files, in the run folder."""
RECEIVER = "receiver.json"
NOT_RUNNING = "command.not_running"
"""Code of the error where no process trains the run."""
_NAME = re.compile(r"[0-9]{20}-[0-9a-f]{8}")
"""The time in nanoseconds, so that commands are read in the order in which they were sent, and a random part."""
_MAX_BYTES = 2**14

CommandName = Literal["pause", "resume", "stop", "lower_batch", "extend", "detach"]


class Command(BaseModel):
    """What a process is asked to do. `value`: images in a batch (`lower_batch`) or epochs in total (`extend`)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    """A `CommandName`, or one of a later version."""
    value: int | None = Field(None, ge=0, le=2**53)
    session: str
    """Of the process for which it is meant."""
    sender: str = ""
    """Host and process, for people."""


class Receiver(BaseModel):
    """The process that reads the commands of a run."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    session: str
    """Of this process and this training only."""
    pid: int
    host: str
    can_detach: bool = False
    """Whether the training can move into a background process; one that runs in the background cannot."""

    @property
    def is_elsewhere(self) -> bool:
        """Whether it runs on another machine."""
        return self.host != socket.gethostname()


@dataclass(frozen=True, slots=True)
class ReceivedCommand:
    """A command that was read; `command` is None where its file was damaged."""

    id: str
    command: Command | None


class CommandInbox:
    """The commands that other processes send to the training of this process."""

    def __init__(self, folder: Path, session: str) -> None:
        self._folder = folder
        self.session = session
        self._read: set[str] = set()
        """Files that were read and could not be removed."""

    def read(self) -> list[ReceivedCommand]:
        """The commands that arrived since the last call, oldest first. A folder that cannot be read has none."""
        try:
            with os.scandir(self._folder) as entries:
                names = sorted(entry.name for entry in entries if _NAME.fullmatch(entry.name))
        except OSError:
            return []
        return [ReceivedCommand(name, self._take(name)) for name in names if name not in self._read]

    def _take(self, name: str) -> Command | None:
        path = self._folder / name
        command = None
        with suppress(OSError, ValidationError):
            command = Command.model_validate_json(read_regular_file(path, _MAX_BYTES))
        try:
            path.unlink()
        except OSError:
            self._read.add(name)
        return command


@contextmanager
def command_inbox(run: Path, *, can_detach: bool = False) -> Iterator[CommandInbox]:
    """Receive commands to `run`, whose lock this process holds.

    A folder that cannot be written to does not stop the training: then nobody can send it commands.
    """
    folder, session = run / COMMANDS, secrets.token_hex(8)
    receiver = Receiver(session=session, pid=os.getpid(), host=socket.gethostname(), can_detach=can_detach)
    with suppress(OSError):
        folder.mkdir(exist_ok=True)
        remove_abandoned(folder)
        _write(folder / RECEIVER, receiver.model_dump_json())
    try:
        yield CommandInbox(folder, session)
    finally:
        with suppress(OSError):
            (folder / RECEIVER).unlink(missing_ok=True)


def read_receiver(run: Path) -> Receiver | None:
    """The process that reads commands to `run`; None where there is none. After a crash it may be one that has died."""
    with suppress(OSError, ValidationError):
        return Receiver.model_validate_json(read_regular_file(run / COMMANDS / RECEIVER, _MAX_BYTES))
    return None


def check_can_command(run: Path) -> Receiver:
    """The process that commands to `run` reach.

    Raises:
        BadInput: nothing trains the run, it is on another machine, or it reads no commands.
    """
    receiver = read_receiver(run)
    if receiver is None or receiver.is_elsewhere:
        if not is_running(run):
            raise _not_running(run)
        if receiver is None:
            raise bad_input(
                "command.no_receiver",
                "{run}: the process that trains this run takes no commands now; try again in a moment. One of an older version "
                "takes none.",
                run=run.name,
            )
        raise bad_input(
            "command.elsewhere",
            "{run}: this run trains on the machine {host}; from here it can be watched, not steered.",
            run=run.name,
            host=receiver.host,
        )
    if not is_running(run):
        raise _not_running(run)
    return receiver


def send_command(run: Path, name: CommandName, value: int | None = None) -> str:
    """Send a command to the process that trains `run`; returns the `id` of its answer, an event `command_answered`.

    Raises:
        BadInput: see `check_can_command`; or the folder cannot be written to.
    """
    receiver = check_can_command(run)
    sender = f"{socket.gethostname()}:{os.getpid()}"
    command = Command(name=name, value=value, session=receiver.session, sender=sender)
    command_id = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
    path = run / COMMANDS / command_id
    try:
        _write(path, command.model_dump_json())
    except OSError as error:
        raise disk_error(path, error) or bad_input(
            "disk.not_written", "{path}: cannot be read or written ({reason}).", path=path, reason=error_reason(error)
        ) from error
    return command_id


def is_received(run: Path, command_id: str) -> bool:
    """Whether the training process has read the command; it acts on it, and answers, after its current step."""
    return not (run / COMMANDS / command_id).exists()


def _write(path: Path, text: str) -> None:
    """Write a file that appears whole or not at all. It is not flushed to the disk: no command outlives its process."""
    temporary = path.with_name(temporary_name(path.name))
    try:
        temporary.write_text(text, encoding="utf-8")
        replace_file(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _not_running(run: Path) -> BadInput:
    return bad_input(
        NOT_RUNNING,
        "{run}: no process trains this run.",
        run=run.name,
    )
