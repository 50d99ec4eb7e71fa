"""Reads the commands that other processes send to a run, and gives them to its Control."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.events import CommandAnswered
from engine.messages import Message
from engine.recipe import MIN_BATCH_SIZE
from engine.runs.commands import Command, CommandInbox, ReceivedCommand, command_inbox
from engine.training.control import Control

PERIOD = 0.25
"""Seconds between two looks at the folder, each of which takes about 10 microseconds on a local disk."""

_UNREADABLE = Message("command.unreadable", "The command could not be read.")
_FORMER = Message("command.former", "The command was sent to a former process of this run.")
_STOPPING = Message("command.stopping", "The run is being stopped.")
_CANNOT_DETACH = Message("command.cannot_detach", "This run cannot move into the background, or it is there already.")


@contextmanager
def reading_commands(run: Path, control: Control) -> Iterator[None]:
    """While the context is open, a thread gives the commands that arrive for `run` to `control`.

    Only the process that writes the run folder may do that. Each command is answered through `Control.report`.
    """
    ended = threading.Event()
    with command_inbox(run, can_detach=control.can_detach) as inbox:
        thread = threading.Thread(target=_read, args=(inbox, control, ended), name="commands", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _read(inbox: CommandInbox, control: Control, ended: threading.Event) -> None:
    while not ended.wait(PERIOD):
        for received in inbox.read():
            obey(received, inbox.session, control)


def obey(received: ReceivedCommand, session: str, control: Control) -> None:
    """Give a command to `control`, and report what became of it; one that is not for this `session` is refused."""
    command = received.command
    if (refusal := _refusal(command, session, control)) is None and command is not None:
        refusal = _perform(received, command, control)
    if refusal is not None:
        control.report(_answer(received, refusal))


def _refusal(command: Command | None, session: str, control: Control) -> Message | None:
    """Why the command cannot be carried out; None where it can."""
    if command is None:
        return _UNREADABLE
    if command.session != session:
        return _FORMER
    match command.name:
        case "pause" | "resume" | "stop":
            return None
        case "lower_batch" if command.value is not None and command.value >= MIN_BATCH_SIZE:
            return None
        case "extend" if command.value is not None and command.value >= 1:
            return None
        case "detach":
            return None if control.can_detach else _CANNOT_DETACH
        case "lower_batch" | "extend":
            values = {"command": command.name, "value": str(command.value)}
            return Message("command.value", "{command}: {value} is not possible.", values)
    return Message(
        "command.unknown", "{command}: this version of freezetui has no such command.", {"command": command.name}
    )


def _perform(received: ReceivedCommand, command: Command, control: Control) -> Message | None:
    """Do what the command says; returns why it is too late for it."""
    # These two report themselves, since they can also be requested without a command.
    if command.name == "extend" and command.value is not None:
        return None if control.extend(command.value, received.id) else _STOPPING
    if command.name == "detach":
        return None if control.detach(received.id) else _STOPPING
    # Reported before it is done: a stop is then never logged before its answer.
    control.report(_answer(received, None))
    match command.name:
        case "pause":
            control.pause()
        case "resume":
            control.resume()
        case "stop":
            control.stop()
        case "lower_batch" if command.value is not None:
            control.lower_batch(command.value)
    return None


def _answer(received: ReceivedCommand, refusal: Message | None) -> CommandAnswered:
    command = received.command
    return CommandAnswered(
        id=received.id,
        command="" if command is None else command.name,
        value=None if command is None else command.value,
        accepted=refusal is None,
        message=refusal,
    )
