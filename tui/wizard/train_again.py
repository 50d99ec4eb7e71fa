"""A further training that starts from the best weights of a run, on an enlarged data set."""

from __future__ import annotations

from pathlib import Path

from engine.recipe import Recipe
from engine.runs.folder import load_plan
from tui.wizard.state import WizardState
from tui.wizard.stored_run import StoredRun


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
