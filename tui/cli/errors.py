"""How a command ends: its exit code, and one clear sentence for everything that went wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from engine.messages import BadInput
from tui.cli.console import ReaderGone, drop_output

DEFECT, BAD_INPUT, STOPPED = 1, 2, 130


def run_guarded(command: Callable[[], object]) -> int:
    """Run a command; its exit code: what it answers, where that is a number, else 0."""
    try:
        result = command()
    except BadInput as error:
        for message in error.messages:
            print_error(str(message))
        return error.exit_code
    except KeyboardInterrupt:
        return STOPPED
    except ReaderGone:
        drop_output()
        return 0
    except Exception as error:
        if os.environ.get("FREEZETUI_DEBUG"):
            raise
        print_error(
            f"A defect of freezetui: {type(error).__name__}: {error}. Please report it, with what FREEZETUI_DEBUG=1 shows."
        )
        return DEFECT
    return result if isinstance(result, int) else 0


def print_error(sentence: str) -> None:
    """One sentence on standard error."""
    sys.stderr.write(sentence + "\n")
    sys.stderr.flush()
