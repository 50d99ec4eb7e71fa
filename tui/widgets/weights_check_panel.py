"""Which weights of a file match the network, checked in a worker thread."""

from __future__ import annotations

from textual import getters
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.message import Message

from engine.messages import BadInput
from engine.planning.request import DatasetReader
from tui.text import _, translate
from tui.widgets.label import Label
from tui.wizard.weights_catalog import CheckRequest, CheckResult, check_weights
from tui.wizard.weights_summary import describe_report
from tui.workers.latest_query import LatestQuery


class WeightsCheckPanel(VerticalScroll):
    """The report on one file at a time; `error` says why the file cannot be used."""

    DEFAULT_CSS = """
    WeightsCheckPanel { height: 1fr; border-top: solid $primary-muted; border-title-color: $foreground; scrollbar-size-vertical: 1; }
    WeightsCheckPanel Label { height: auto; }
    """

    class Failed(Message):
        """The file cannot be used."""

    _report = getters.query_one(Label)

    def __init__(self, datasets: DatasetReader, *, id: str) -> None:
        super().__init__(id=id, can_focus=False)
        self._checks = LatestQuery[CheckRequest, CheckResult](
            self, lambda request: check_weights(request, datasets), self._show_result, self._fail
        )
        self._request: CheckRequest | None = None
        self.error: BadInput | None = None

    def compose(self) -> ComposeResult:
        """One text."""
        yield Label(id="report-text")

    def check(self, request: CheckRequest) -> None:
        """Check a file and show the report; a request whose report is shown already is ignored."""
        if request != self._request:
            self._request, self.error = request, None
            self._show(Content(_("Checking {file} ...", file=request.path.name)))
            self._checks.submit(request)

    def show_message(self, message: str) -> None:
        """Show a text; no file is checked."""
        self._reset()
        self._show(Content(message))

    def show_error(self, error: BadInput) -> None:
        """Show why there is no file; no file is checked."""
        self._reset()
        self._show(_error_text(error))

    def _reset(self) -> None:
        self._checks.cancel()
        self._request = self.error = None

    def _show_result(self, result: CheckResult) -> None:
        self._show(Content(describe_report(result.report)))

    def _fail(self, error: BadInput) -> None:
        self.error = error
        self._show(_error_text(error))
        self.post_message(self.Failed())

    def _show(self, text: Content) -> None:
        self._report.update(text)
        self.scroll_home(animate=False)


def _error_text(error: BadInput) -> Content:
    return Content("\n".join(map(translate, error.messages))).stylize("$error")
