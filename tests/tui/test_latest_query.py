"""Asking the engine without waiting: the newest question wins, refusals arrive, late answers are dropped."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import Static

from engine.messages import BadInput, bad_input
from tests.tui.driving import until
from tui.workers.latest_query import LatestQuery


class Asking(App[None]):
    """One widget whose questions are worked on only while `open` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.worked: list[str] = []
        self.answers: list[str] = []
        self.refusals: list[BadInput] = []

    def compose(self) -> ComposeResult:
        yield Static("asking")

    def on_mount(self) -> None:
        self.asker = self.query_one(Static)
        self.inquiry = LatestQuery(self.asker, self.work, self.answers.append, self.refusals.append)

    def work(self, asked: str) -> str:
        self.worked.append(asked)
        assert self.open.wait(20)
        if asked == "bad":
            raise bad_input("test.bad", "{asked} cannot be answered.", asked=asked)
        return asked.upper()


def ask(script: Callable[[Asking, Pilot[None]], Awaitable[None]]) -> Asking:
    app = Asking()

    async def run() -> None:
        async with app.run_test() as pilot:
            try:
                await script(app, pilot)
            finally:
                app.open.set()

    asyncio.run(run())
    return app


def test_an_answer_arrives() -> None:
    async def script(app: Asking, pilot: Pilot[None]) -> None:
        app.open.set()
        app.inquiry.ask("one")
        await until(pilot, lambda: app.answers == ["ONE"])
        await until(pilot, lambda: not app.inquiry.pending)

    ask(script)


def test_of_questions_that_wait_only_the_newest_is_worked_on_and_answered() -> None:
    async def script(app: Asking, pilot: Pilot[None]) -> None:
        for question in ("first", "second", "third", "fourth"):
            app.inquiry.ask(question)
            await until(pilot, lambda: bool(app.worked))
        assert app.inquiry.pending
        app.open.set()
        await until(pilot, lambda: app.answers == ["FOURTH"])

    assert ask(script).worked == ["first", "fourth"]


def test_a_refusal_arrives_and_the_next_question_is_answered() -> None:
    async def script(app: Asking, pilot: Pilot[None]) -> None:
        app.open.set()
        app.inquiry.ask("bad")
        await until(pilot, lambda: len(app.refusals) == 1)
        app.inquiry.ask("good")
        await until(pilot, lambda: app.answers == ["GOOD"])

    assert str(ask(script).refusals[0]) == "bad cannot be answered."


def test_a_refusal_that_a_newer_question_has_overtaken_is_dropped() -> None:
    async def script(app: Asking, pilot: Pilot[None]) -> None:
        app.inquiry.ask("bad")
        await until(pilot, lambda: app.worked == ["bad"])
        app.inquiry.ask("good")
        app.open.set()
        await until(pilot, lambda: app.answers == ["GOOD"])

    assert ask(script).refusals == []


def test_nobody_hears_an_answer_that_is_no_longer_wanted_or_whose_asker_is_gone() -> None:
    async def dropped(app: Asking, pilot: Pilot[None]) -> None:
        app.inquiry.ask("one")
        await until(pilot, lambda: app.worked == ["one"])
        app.inquiry.drop()
        app.open.set()
        await until(pilot, lambda: not app.inquiry.pending)
        await pilot.pause(0.1)

    async def gone(app: Asking, pilot: Pilot[None]) -> None:
        app.inquiry.ask("one")
        await until(pilot, lambda: app.worked == ["one"])
        await app.asker.remove()
        app.open.set()
        await until(pilot, lambda: not app.inquiry.pending)
        await pilot.pause(0.1)

    assert ask(dropped).answers == []
    assert ask(gone).answers == []
