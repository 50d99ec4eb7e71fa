"""What of a weights file would be taken over, found out in a thread."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.message import Message

from engine.messages import BadInput
from tui.text import _, translate
from tui.widgets.label import Label
from tui.wizard.weights_catalog import CheckRequest, CheckResult, check_weights
from tui.wizard.weights_summary import reported
from tui.workers.latest_query import LatestQuery


class WeightsCheckPanel(VerticalScroll):
    """Shows the report of one trial at a time; `refusal` says why the file cannot be started from."""

    DEFAULT_CSS = """
    WeightsCheckPanel { height: 1fr; border-top: solid $primary-muted; border-title-color: $foreground; scrollbar-size-vertical: 1; }
    WeightsCheckPanel Label { height: auto; }
    """

    class Refused(Message):
        """The file that was tried does not fit."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, can_focus=False)
        self._trying = LatestQuery[CheckRequest, CheckResult](
            self, lambda trial: check_weights(trial, self._last), self._fits, self._unfit
        )
        self._trial: CheckRequest | None = None
        self._last: CheckResult | None = None
        self.refusal: BadInput | None = None

    def compose(self) -> ComposeResult:
        """The text."""
        yield Label(id="said")

    def try_out(self, trial: CheckRequest) -> None:
        """Find out about `trial` and show it; nothing happens where it is the one that is shown."""
        if trial != self._trial:
            self._trial, self.refusal = trial, None
            self._say(Content(_("Looking at {file} ...", file=trial.path.name)))
            self._trying.ask(trial)

    def say(self, sentence: str, *, wrong: bool = False) -> None:
        """Show a sentence; there is no file to try."""
        self._trying.drop()
        self._trial = self.refusal = None
        self._say(Content(sentence).stylize("$error") if wrong else Content(sentence))

    def say_refusal(self, error: BadInput) -> None:
        """Show why there is no file."""
        self.say(_sentences(error), wrong=True)

    def _fits(self, answer: CheckResult) -> None:
        self._last = answer
        self._say(Content(reported(answer.report)))

    def _unfit(self, error: BadInput) -> None:
        self.refusal = error
        self._say(Content(_sentences(error)).stylize("$error"))
        self.post_message(self.Refused())

    def _say(self, text: Content) -> None:
        self.query_one(Label).say(text)
        self.scroll_home(animate=False)


def _sentences(error: BadInput) -> str:
    return "\n".join(translate(message) for message in error.messages)
