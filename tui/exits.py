"""How a command ends: its exit code, and one clear sentence for everything that went wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import typer

from engine.messages import BadInput
from tui.output import ReaderGone, drop_output

DEFECT, BAD_INPUT, STOPPED = 1, 2, 130


def guarded(command: Callable[..., Any]) -> int:
    """Run a typer app; its exit code."""
    try:
        result = command(standalone_mode=False, prog_name="freezetui")
    except BadInput as error:
        for message in error.messages:
            complain(str(message))
        return error.exit_code
    except typer.TyperException as error:
        return _misused(error)
    except (KeyboardInterrupt, typer.Abort):
        return STOPPED
    except ReaderGone:
        drop_output()
        return 0
    except Exception as error:
        if os.environ.get("FREEZETUI_DEBUG"):
            raise
        complain(
            f"A defect of freezetui: {type(error).__name__}: {error}. Please report it, with what FREEZETUI_DEBUG=1 shows."
        )
        return DEFECT
    return result if isinstance(result, int) else 0


def _misused(error: typer.TyperException) -> int:
    """A wrong word on the command line; a command that only lacks its words shows its help."""
    text = error.format_message()
    if type(error).__name__ == "NoArgsIsHelpError":
        if text:
            sys.stdout.write(text + "\n")
        return 0
    context = getattr(error, "ctx", None)
    complain(f"{text} See: {context.command_path if context else 'freezetui'} --help")
    return BAD_INPUT


def complain(sentence: str) -> None:
    """One sentence on standard error."""
    sys.stderr.write(sentence + "\n")
    sys.stderr.flush()
