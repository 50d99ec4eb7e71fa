"""Work in a thread: the newest request wins, errors are delivered, results that are late are dropped."""

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


class QueryApp(App[None]):
    """One widget whose requests are processed only while `gate` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.processed: list[str] = []
        self.results: list[str] = []
        self.errors: list[BadInput] = []

    def compose(self) -> ComposeResult:
        yield Static("owner")

    def on_mount(self) -> None:
        self.owner = self.query_one(Static)
        self.latest_query = LatestQuery(self.owner, self.work, self.results.append, self.errors.append)

    def work(self, request: str) -> str:
        self.processed.append(request)
        assert self.gate.wait(20)
        if request == "bad":
            raise bad_input("test.bad", "{request} has no result.", request=request)
        return request.upper()


def run(script: Callable[[QueryApp, Pilot[None]], Awaitable[None]]) -> QueryApp:
    app = QueryApp()

    async def drive() -> None:
        async with app.run_test() as pilot:
            try:
                await script(app, pilot)
            finally:
                app.gate.set()

    asyncio.run(drive())
    return app


def test_a_result_is_delivered() -> None:
    async def script(app: QueryApp, pilot: Pilot[None]) -> None:
        app.gate.set()
        app.latest_query.submit("one")
        await until(pilot, lambda: app.results == ["ONE"])
        await until(pilot, lambda: not app.latest_query.is_pending)

    run(script)


def test_of_the_requests_that_wait_only_the_newest_is_processed() -> None:
    async def script(app: QueryApp, pilot: Pilot[None]) -> None:
        for request in ("first", "second", "third", "fourth"):
            app.latest_query.submit(request)
            await until(pilot, lambda: bool(app.processed))
        assert app.latest_query.is_pending
        app.gate.set()
        await until(pilot, lambda: app.results == ["FOURTH"])

    assert run(script).processed == ["first", "fourth"]


def test_an_error_is_delivered_and_the_next_request_is_processed() -> None:
    async def script(app: QueryApp, pilot: Pilot[None]) -> None:
        app.gate.set()
        app.latest_query.submit("bad")
        await until(pilot, lambda: len(app.errors) == 1)
        app.latest_query.submit("good")
        await until(pilot, lambda: app.results == ["GOOD"])

    assert str(run(script).errors[0]) == "bad has no result."


def test_an_error_is_dropped_after_a_newer_request() -> None:
    async def script(app: QueryApp, pilot: Pilot[None]) -> None:
        app.latest_query.submit("bad")
        await until(pilot, lambda: app.processed == ["bad"])
        app.latest_query.submit("good")
        app.gate.set()
        await until(pilot, lambda: app.results == ["GOOD"])

    assert run(script).errors == []


def test_a_result_is_dropped_after_cancel_and_after_the_owner_was_removed() -> None:
    async def cancelled(app: QueryApp, pilot: Pilot[None]) -> None:
        app.latest_query.submit("one")
        await until(pilot, lambda: app.processed == ["one"])
        app.latest_query.cancel()
        app.gate.set()
        await until(pilot, lambda: not app.latest_query.is_pending)
        await pilot.pause()

    async def removed(app: QueryApp, pilot: Pilot[None]) -> None:
        app.latest_query.submit("one")
        await until(pilot, lambda: app.processed == ["one"])
        await app.owner.remove()
        app.gate.set()
        await until(pilot, lambda: not app.latest_query.is_pending)
        await pilot.pause()

    assert run(cancelled).results == []
    assert run(removed).results == []
