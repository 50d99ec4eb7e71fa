"""Says on the command line that a training is the second one on this machine. It is started all the same."""

from __future__ import annotations

import sys
from pathlib import Path

from tui.cli.errors import print_error
from tui.text import _


def warn_of_other_trainings(workspace: Path) -> None:
    """Name on standard error the trainings of other processes, if there are any, and what they share with this one.

    Only in a terminal: a script that starts several trainings does so on purpose.
    """
    if not sys.stderr.isatty():
        return
    from engine.runs.live import other_trainings

    if others := other_trainings(workspace):
        from engine.hardware import probe
        from tui.text.other_trainings import count_other_trainings, describe_other_trainings

        print_error(_("Note: {warning}", warning=count_other_trainings(others)))
        for line in describe_other_trainings(others, probe(workspace)):
            print_error(f"  {line}")
