"""What the wizard takes over from a run: its data set, or the start of a further training from its best weights."""

from __future__ import annotations

from pathlib import Path

from engine.recipe import Recipe
from engine.runs.folder import load_plan
from tui.wizard.state import WizardState
from tui.wizard.stored_run import StoredRun


def use_data_of(state: WizardState, run: Path) -> None:
    """Choose the data set that `run` trains on, as that run reads it.

    Raises:
        BadInput: the plan of the run cannot be read.
    """
    data = load_plan(run).data
    state.set_data(data.path)
    state.format, state.classes_file, state.mapping = data.format, data.classes_file, dict(data.mapping)


def start_from_run(state: WizardState, run: StoredRun, data: Path) -> None:
    """Make `data` the data set, and the best weights of `run` what the training starts from, at the input size of the run.

    The preset is the recommended one again: that of the run may start from nothing.

    Raises:
        BadInput: the plan of the run cannot be read.
    """
    recipe = load_plan(run.folder).recipe
    state.set_data(str(data))
    state.start, state.model_path = "whole", str(run.best_weights.absolute())
    state.preset, state.preset_origin = None, "recommended"
    state.settings = {"input_shape": list(recipe.input_shape)}
    if recipe.network != Recipe.model_fields["network"].default:
        state.settings["network"] = recipe.network
