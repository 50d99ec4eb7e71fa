"""What is printed after the wizard was left: the run, and the command that resumes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engine.events import Event, Finished
from engine.runs.folder import LAST_CHECKPOINT
from tui.text import _
from tui.wizard.cli_equivalent import attach_words, command_line, resume_words, stop_words


def farewell(run: Path, last_event: Event | None, workspace: Path) -> Iterator[str]:
    """Lines about the training of this session.

    Args:
        run: its folder.
        last_event: how it ended; None where that is unknown.
        workspace: the wizard's; the command names it if it is not the current folder.
    """
    command = command_line(resume_words(run, workspace))
    if isinstance(last_event, Finished):
        yield _("The run {run} has finished. Its weights: {path}", run=run.name, path=last_event.best)
        yield _("To train it for more epochs: {command} --set unfreeze_epoch=NUMBER", command=command)
    elif (run / LAST_CHECKPOINT).is_file():
        yield _("The run {run} can be resumed:", run=run.name)
        yield f"  {command}"
    else:
        yield _("The run {run} ended before its first checkpoint. Its folder: {path}", run=run.name, path=run)


def background_farewell(run: Path, workspace: Path) -> Iterator[str]:
    """Lines about a training that another process continues; arguments as above."""
    yield _("The run {run} trains on in the background.", run=run.name)
    yield "  " + _("Watch it: {command}", command=command_line(attach_words(run, workspace)))
    yield "  " + _("Stop it, with a checkpoint: {command}", command=command_line(stop_words(run, workspace)))
