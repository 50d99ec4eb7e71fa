"""What the wizard says about a training of another process that it watches."""

from __future__ import annotations

from engine.runs.commands import NOT_RUNNING
from tui.text import _, translate
from tui.workers.watched_training import WatchedTraining


def watch_notice(watched: WatchedTraining) -> str:
    """Who trains, and that leaving does not stop it; or why it cannot be steered from here."""
    problem = watched.steering_problem()
    if problem is not None and problem.code == NOT_RUNNING:
        return _("Another process is about to resume this run; that takes some seconds.")
    if problem is not None:
        return translate(problem)
    owner = watched.owner()
    pid = "?" if owner is None else owner[0]
    if watched.can_detach:
        return _("Another window trains this run (process {pid}); leaving this one does not stop it.", pid=pid)
    return _("Process {pid} trains this run in the background; leaving the wizard does not stop it.", pid=pid)
