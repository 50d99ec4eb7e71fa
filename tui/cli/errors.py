"""Errors of the commands: the exit code, and one clear sentence for each error."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from contextlib import suppress

from engine.files import error_reason
from engine.messages import BadInput
from tui.cli.console import OutputClosed, discard_output, without_controls
from tui.text import _, translate

DEFECT, BAD_INPUT, OUT_OF_MEMORY, STOPPED = 1, 2, 3, 130


def run_guarded(command: Callable[[], object]) -> int:
    """Run a command and report its errors. Returns the exit code: the command's result where that is an int, else 0."""
    try:
        result = command()
    except BadInput as error:
        for message in error.messages:
            print_error(translate(message))
        return error.exit_code
    except KeyboardInterrupt:
        return STOPPED
    except OutputClosed:
        discard_output()
        return 0
    except Exception as error:
        if _is_out_of_memory(error):
            print_error(_("There is not enough memory. Close other programs, or give freezetui less to do at a time."))
            return OUT_OF_MEMORY
        if os.environ.get("FREEZETUI_DEBUG"):
            raise
        if isinstance(error, OSError):  # of the machine: a disk, a folder, a stream
            print_error(_os_error_sentence(error))
            return BAD_INPUT
        print_error(
            _(
                "A bug in freezetui: {error}: {reason}. Please report it, with the output of FREEZETUI_DEBUG=1.",
                error=type(error).__name__,
                reason=error,
            )
        )
        return DEFECT
    return result if isinstance(result, int) else 0


def print_error(text: str) -> None:
    """Print one line on standard error, if it can be written."""
    with suppress(OSError, ValueError):
        sys.stderr.write(without_controls(text) + "\n")
        sys.stderr.flush()


def _os_error_sentence(error: OSError) -> str:
    reason = error_reason(error)
    if error.filename is None:
        return _("The operating system refused something: {reason}.", reason=reason)
    return _("{path}: cannot be read or written ({reason}).", path=error.filename, reason=reason)


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    if "torch" not in sys.modules:  # what its import takes is not there either
        return False
    from engine.training.oom import is_out_of_memory

    return is_out_of_memory(error)
