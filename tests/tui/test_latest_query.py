"""Work in a thread: the newest request wins, errors are delivered, results that are late are dropped."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest
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
        if request == "unexpected":
            raise ZeroDivisionError("a file that nobody thought of")
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


def test_an_exception_that_nobody_expected_is_a_sentence_and_a_log_entry_and_the_app_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def script(app: QueryApp, pilot: Pilot[None]) -> None:
        app.gate.set()
        app.latest_query.submit("unexpected")
        await until(pilot, lambda: len(app.errors) == 1)
        assert "ZeroDivisionError: a file that nobody thought of" in str(app.errors[0])
        app.latest_query.submit("good")
        await until(pilot, lambda: app.results == ["GOOD"])

    run(script)
    assert "ZeroDivisionError" in caplog.text


def test_a_result_that_cannot_be_shown_ends_no_app() -> None:
    async def script(app: QueryApp, pilot: Pilot[None]) -> None:
        def show(_result: str) -> None:
            raise KeyError("stage")

        app.gate.set()
        LatestQuery(app.owner, app.work, show, app.errors.append).submit("one")
        await until(pilot, lambda: len(app.errors) == 1)

    assert "KeyError" in str(run(script).errors[0])


def test_work_whose_errors_are_shown_elsewhere_still_tells_of_a_defect() -> None:
    async def script(app: QueryApp, pilot: Pilot[None]) -> None:
        app.gate.set()
        silent = LatestQuery(app.owner, app.work, app.results.append, None)
        silent.submit("bad")
        silent.submit("unexpected")
        await until(pilot, lambda: bool(app._notifications))

    assert not run(script).errors
