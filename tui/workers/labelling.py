"""Labels new images in a worker thread: one thing at a time, with progress, and it can be stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from textual.widget import Widget
from textual.worker import get_current_worker

from engine.messages import BadInput
from tui.wizard.labelling import LabellingStopped, LabelRequest, Progress
from tui.workers.latest_query import LatestQuery

Result = TypeVar("Result")


class Labelling(Generic[Result]):
    """Runs one kind of work on a folder."""

    def __init__(
        self,
        owner: Widget,
        work: Callable[[LabelRequest, Progress], Result],
        on_result: Callable[[Result | None], None],
        on_error: Callable[[BadInput], None],
    ) -> None:
        """`work` runs in the thread; the others in the app's thread. `on_result` gets None if the work was stopped."""
        self._work = work
        self._on_result = on_result
        self._on_error = on_error
        self._stop = threading.Event()
        self.is_working = False
        self.progress: tuple[int, int] = (0, 0)
        """What is done, and the total (0: not known yet)."""
        self._query = LatestQuery[LabelRequest, Result | None](owner, self._run, self._finish, self._fail)

    def start(self, request: LabelRequest) -> None:
        """Start the work; returns at once."""
        self._stop.clear()
        self.is_working, self.progress = True, (0, 0)
        self._query.submit(request)

    def stop(self) -> None:
        """Stop after the file or image that is being processed."""
        self._stop.set()

    def _run(self, request: LabelRequest) -> Result | None:
        worker = get_current_worker()

        def report_progress(done: int, total: int) -> None:
            self.progress = done, total
            if self._stop.is_set() or worker.is_cancelled:
                raise LabellingStopped

        try:
            return self._work(request, report_progress)
        except LabellingStopped:
            return None

    def _finish(self, result: Result | None) -> None:
        self.is_working = False
        self._on_result(result)

    def _fail(self, error: BadInput) -> None:
        self.is_working = False
        self._on_error(error)
