"""What a run folder contains, for the Results screen and the report, and the commands to use it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.runs.folder import BEST_WEIGHTS, find_run, load_plan, read_events
from engine.runs.summary import RunSummary, summarize_run
from tui.wizard.cli_equivalent import command_line, workspace_option
from tui.wizard.run_history import RunHistory

if TYPE_CHECKING:
    from engine.evaluation.zero_map_checks import TrainingFacts


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


def training_facts(run: StoredRun) -> TrainingFacts:
    """What its events tell about why it may detect nothing."""
    from engine.evaluation.zero_map_checks import TrainingFacts

    history = run.history
    frozen_only = history.stage is None or history.stage.stage == "freeze"
    return TrainingFacts(history.steps, history.advised_steps, frozen_only)


def predict_command(run: StoredRun) -> str:
    """The command that detects objects in images with the best weights of a run."""
    return command_line(["freezetui", "predict", "--weights", str(run.best_weights), "IMAGES", "--save", "detections"])


def evaluate_command(run: StoredRun) -> str:
    """The command that measures the best weights of a run on a data set that it was not trained on."""
    return command_line(["freezetui", "evaluate", "--weights", str(run.best_weights), "--data", "OTHER_FOLDER"])


def label_command(run: StoredRun) -> str:
    """The command that proposes labels for images that have none, with the best weights of a run."""
    return command_line(["freezetui", "label", "--weights", str(run.best_weights), "NEW_IMAGES", "--to", "voc"])


def pick_command(run: StoredRun) -> str:
    """The command that lists the images that the best weights of a run are least sure of."""
    return command_line(["freezetui", "label", "--weights", str(run.best_weights), "NEW_IMAGES", "--pick", "50"])


def train_again_command(run: StoredRun) -> str:
    """The command that trains on another data set, from the best weights of a run."""
    setting = f"model_path={run.best_weights}"
    return command_line(["freezetui", "train", "--data", "LARGER_FOLDER", "--set", setting])


def export_command(run: StoredRun) -> str:
    """The command that writes the best weights of a run for other programs."""
    return command_line(["freezetui", "export", "--weights", str(run.best_weights), "--format", "onnx"])


def extend_command(run: StoredRun, workspace: Path) -> str | None:
    """The command that trains a run for as many epochs again; None before its first epoch."""
    if (last_epoch := run.history.last_epoch) is None:
        return None
    extension = ("--set", f"unfreeze_epoch={2 * (last_epoch + 1)}")
    return command_line(["freezetui", "resume", run.summary.name, *workspace_option(workspace), *extension])
