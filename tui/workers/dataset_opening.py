"""Opens a data set in worker threads: its labels first, then every image while the user looks at it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from textual.widget import Widget
from textual.worker import get_current_worker

from engine.messages import BadInput
from engine.plan import DataSource
from engine.planning.request import DatasetReader
from tui.wizard.dataset_inspection import DatasetInspection, check_images, inspect_dataset
from tui.workers.latest_query import LatestQuery

Progress = tuple[int, int]
"""What is done, and the total (0: not known yet)."""


class DatasetOpening:
    """One data set at a time; opening another one cancels what is read of the first."""

    def __init__(
        self,
        owner: Widget,
        workspace: Path,
        datasets: DatasetReader,
        *,
        on_opened: Callable[[DatasetInspection], None],
        on_checked: Callable[[DatasetInspection], None],
        on_error: Callable[[BadInput], None],
    ) -> None:
        """Work for the screen `owner`; the callbacks run in the app's thread.

        Args:
            owner: the screen.
            workspace: where the sample set is.
            datasets: keeps what is read.
            on_opened: called when the labels are read.
            on_checked: called when every image is read.
            on_error: called when the data set cannot be used.
        """
        self._workspace = workspace
        self._datasets = datasets
        self._on_opened, self._on_checked, self._on_error = on_opened, on_checked, on_error
        self._inspection_query = LatestQuery[DataSource, DatasetInspection | None](
            owner, self._inspect, self._finish_reading, self._fail
        )
        self._check_query = LatestQuery[DatasetInspection, DatasetInspection | None](
            owner, self._check, self._finish_check, self._fail
        )
        self.source: DataSource | None = None
        """The data set that is open, or being opened."""
        self.inspection: DatasetInspection | None = None
        """What is known about it; None until the labels are read."""
        self.error: BadInput | None = None
        """Why it cannot be used."""
        self.read_progress: Progress | None = None
        """Files of labels."""
        self.check_progress: Progress | None = None
        """Images; None while they are not read."""

    @property
    def is_reading(self) -> bool:
        """Whether labels are being read."""
        return self.source is not None and self.inspection is None and self.error is None

    def open(self, source: DataSource) -> None:
        """Read a data set."""
        self.close()
        self.source = source
        self._inspection_query.submit(source)

    def show(self, inspection: DatasetInspection) -> None:
        """Use what was found out before; check the images if that was not done."""
        self.close()
        self.source = inspection.source
        self._finish_reading(inspection)

    def close(self) -> None:
        """Forget the data set, and stop reading it."""
        self._inspection_query.cancel()
        self._check_query.cancel()
        self.source = self.inspection = self.error = self.read_progress = self.check_progress = None

    def _inspect(self, source: DataSource) -> DatasetInspection | None:
        """In a thread; None where it was cancelled."""

        def set_progress(done: int, total: int) -> None:
            self.read_progress = done, total

        worker = get_current_worker()
        return inspect_dataset(
            source,
            self._workspace,
            self._datasets,
            set_progress,
            lambda: worker.is_cancelled or self.source != source,
        )

    def _check(self, inspection: DatasetInspection) -> DatasetInspection | None:
        """In a thread; None where it was cancelled."""

        def set_progress(done: int, total: int) -> None:
            self.check_progress = done, total

        worker = get_current_worker()
        return check_images(inspection, set_progress, lambda: worker.is_cancelled or self.source != inspection.source)

    def _finish_reading(self, inspection: DatasetInspection | None) -> None:
        if inspection is None:
            return
        self.inspection = inspection
        self._on_opened(inspection)
        if inspection.findings is None:
            self._check_query.submit(inspection)

    def _finish_check(self, inspection: DatasetInspection | None) -> None:
        if inspection is None or inspection.source != self.source:
            return
        self.check_progress = None
        self.inspection = inspection
        self._on_checked(inspection)

    def _fail(self, error: BadInput) -> None:
        self.error = error
        self._on_error(error)
