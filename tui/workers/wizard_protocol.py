"""What screens, the command palette and workers use of the app: they import this protocol, and the app imports them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from engine.hardware import Hardware
    from engine.planning.request import DatasetReader
    from tui.wizard.approved_plan import ApprovedPlan
    from tui.wizard.dataset_inspection import DatasetInspection
    from tui.wizard.planner import Planner
    from tui.wizard.state import OnHangup, WizardState
    from tui.wizard.training_status import TrainingStatus
    from tui.workers.training_session import TrainingSession


class Wizard(Protocol):
    """The app as its screens see it."""

    state: WizardState
    workspace: Path
    """The folder with logs/, presets/ and model_data/."""
    inspection: DatasetInspection | None
    """The data set that was opened last. Compare its source with that of `state` before use."""
    approved_plan: ApprovedPlan | None
    """Set by Review; Train starts it and sets it to None."""
    opened_from_runs: bool
    """Whether the current screen was opened from Runs: the way back leads there."""

    @property
    def hardware(self) -> Hardware | None:
        """The newest result of the hardware monitor; None before the first."""

    @property
    def datasets(self) -> DatasetReader:
        """Reads the labels of a data set once, for all screens."""

    @property
    def planner(self) -> Planner:
        """Makes the Plans of all screens."""

    @property
    def training(self) -> TrainingSession:
        """The training that the wizard shows."""

    @property
    def is_training(self) -> bool:
        """Whether a training runs in this process."""

    @property
    def shows_training(self) -> bool:
        """Whether a training runs in this process, or one of another process is watched."""

    @property
    def training_status(self) -> TrainingStatus | None:
        """How far the running training is; None: nothing is training."""

    def show_screen(self, name: str) -> None:
        """Replace the current screen."""

    def back_to_steps(self) -> None:
        """From Runs, back to the screen that was left for it."""

    def set_language(self, code: str) -> None:
        """Change the language and show the current screen again."""

    def set_theme(self, theme: str) -> None:
        """Change the theme."""

    def set_on_hangup(self, on_hangup: OnHangup) -> None:
        """Choose what becomes of a training when the terminal is closed."""

    def reset(self) -> None:
        """Drop everything the user entered."""

    def save_state(self) -> None:
        """Save what the user entered."""

    def leave(self, exit_code: int) -> None:
        """End the app. A running training saves its checkpoint first."""
