"""Errors of the commands: the exit code, one clear sentence for each error, and with --json the same for programs."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from engine.files import error_reason
from engine.messages import BadInput, Message, bad_input, json_text
from tui.cli.command_log import write_crash_log
from tui.cli.console import OutputClosed, discard_output, print_json_text, without_controls
from tui.text.command_advice import with_command_advice

DEFECT, BAD_INPUT, OUT_OF_MEMORY, STOPPED = 1, 2, 3, 130


def run_guarded(command: Callable[[], object]) -> int:
    """Run a command and report its errors. Returns the exit code: the command's result where that is an int, else 0."""
    try:
        result = command()
    except BadInput as error:
        return refuse(error.messages, error.exit_code)
    except KeyboardInterrupt:
        return STOPPED
    except OutputClosed:
        discard_output()
        return 0
    except Exception as error:
        if _is_out_of_memory(error):
            return refuse([_no_memory_message()], OUT_OF_MEMORY)
        if os.environ.get("FREEZETUI_DEBUG"):
            raise
        if isinstance(error, OSError):  # of the machine: a disk, a folder, a stream
            return refuse([_os_error_message(error)], BAD_INPUT)
        return refuse([defect_message(error)], DEFECT)
    return result if isinstance(result, int) else 0


def refuse(messages: Sequence[Message], exit_code: int) -> int:
    """Print why a command ends early: sentences on standard error, and with --json an object on standard output as well."""
    for message in messages:
        print_error(with_command_advice(message))
    if _is_json_wanted():
        errors = [message.to_json() for message in messages]
        with suppress(BadInput, OutputClosed):  # the sentence was printed
            print_json_text(json_text({"error": {"exit_code": exit_code, "messages": errors}}))
    return exit_code


def defect_message(error: BaseException) -> Message:
    """A sentence about a bug of ours, with the log to report. The log is written now."""
    values = {"error": type(error).__name__, "reason": str(error).partition("\n")[0]}
    if (log := write_crash_log(error)) is None:
        return Message(
            "command.defect",
            "A bug in freezetui: {error}: {reason}. Please report it, with the output of FREEZETUI_DEBUG=1.",
            values,
        )
    return Message(
        "command.defect",
        "A bug in freezetui: {error}: {reason}. Please report it where you found freezetui, and attach the log {log}.",
        {**values, "log": log},
    )


def _is_json_wanted() -> bool:
    """Whether --json is among the words of the command. They are searched, since they may be what is wrong."""
    words = sys.argv[1:]
    return "--json" in words[: words.index("--") if "--" in words else None]


@contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Name `path`, which the user gave, where it cannot be written: for a file in a workspace another --workspace would help.

    Raises:
        BadInput: it cannot be written.
    """
    try:
        yield
    except BadInput as error:
        if [message.code for message in error.messages] != ["disk.read_only"]:
            raise
        raise bad_input(
            "disk.no_access", "{path}: this cannot be written to; give a folder that belongs to you.", path=path
        ) from error


def print_error(text: str) -> None:
    """Print one line on standard error, if it can be written."""
    with suppress(OSError, ValueError):
        sys.stderr.write(without_controls(text) + "\n")
        sys.stderr.flush()


def _no_memory_message() -> Message:
    return Message(
        "command.out_of_memory",
        "There is not enough memory. Close other programs, or give freezetui less to do at a time.",
    )


def _os_error_message(error: OSError) -> Message:
    reason = error_reason(error)
    if error.filename is None:
        return Message("os.refused", "The operating system refused something: {reason}.", {"reason": reason})
    return Message(
        "os.file", "{path}: cannot be read or written ({reason}).", {"path": error.filename, "reason": reason}
    )


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    if "torch" not in sys.modules:  # what its import takes is not there either
        return False
    from engine.training.oom import is_out_of_memory

    return is_out_of_memory(error)
