"""What a run folder contains, for the Results screen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.runs.folder import BEST_WEIGHTS, find_run, load_plan, read_events
from engine.runs.summary import RunSummary, summarize_run
from tui.wizard.cli_equivalent import command_line, workspace_option
from tui.wizard.run_history import RunHistory


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run: its folder, a summary, everything that its events tell, and the path of its data set."""

    folder: Path
    summary: RunSummary
    history: RunHistory
    data: str

    @property
    def best_weights(self) -> Path:
        """The file of the best weights."""
        return self.folder / BEST_WEIGHTS


def read_stored_run(run: Path, workspace: Path) -> StoredRun:
    """The run at `run`, or of that name in the workspace.

    Raises:
        BadInput: there is no such run, or it cannot be read.
    """
    folder = find_run(run, workspace)
    history = RunHistory().apply_all(read_events(folder))
    return StoredRun(folder, summarize_run(folder), history, load_plan(folder).data.path)


def predict_command(run: StoredRun) -> str:
    """The command that detects objects in images with the best weights of a run."""
    return command_line(["freezetui", "predict", "--weights", str(run.best_weights), "IMAGES", "--save", "detections"])


def evaluate_command(run: StoredRun) -> str:
    """The command that measures the best weights of a run on a data set that it was not trained on."""
    return command_line(["freezetui", "evaluate", "--weights", str(run.best_weights), "--data", "OTHER_FOLDER"])


def extend_command(run: StoredRun, workspace: Path) -> str | None:
    """The command that trains a run for as many epochs again; None before its first epoch."""
    if (last_epoch := run.history.last_epoch) is None:
        return None
    extension = ("--set", f"unfreeze_epoch={2 * (last_epoch + 1)}")
    return command_line(["freezetui", "resume", run.summary.name, *workspace_option(workspace), *extension])
