"""Errors of the commands: the exit code, and one clear sentence for each error."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from engine.messages import BadInput
from tui.cli.console import OutputClosed, discard_output
from tui.text import _, translate

DEFECT, BAD_INPUT, STOPPED = 1, 2, 130


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
        if os.environ.get("FREEZETUI_DEBUG"):
            raise
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
    """Print one line on standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
