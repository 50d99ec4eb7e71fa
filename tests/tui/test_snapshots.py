"""Each screen as a whole, as text: what a change moves without meaning to.

Every figure is given, so the screens are kept as they are: the hardware, the time that a step takes, the events of a run.
`pytest tests/tui/test_snapshots.py --snapshot-update` writes them again; read the difference before you commit it.
"""

from __future__ import annotations

import math
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from textual.pilot import Pilot

from engine.events import Event, Step
from engine.hardware import CardProcess, Driver, Hardware
from engine.training.control import Control
from tests.given_hardware import GIB, PROCESSOR_ONLY, RTX_3060, GivenHardware
from tests.recorded_run import RUN, recorded_events, recorded_plan, recorded_run
from tests.small_training import prepare
from tests.tui.driving import drive, shown, until
from tests.tui.entered import somewhere
from tui.app import Freezetui

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="paths and times are written as Linux writes them")
WIDE = (120, 40)
LANGUAGES = ["en", "zh_CN"]
WITH_CARD = replace(
    PROCESSOR_ONLY,
    torch=replace(PROCESSOR_ONLY.torch, version="2.14.1+cu130", cuda="13.0"),
    driver=Driver("580.95.05", (13, 0)),
    cards=(
        replace(
            RTX_3060,
            utilisation=37,
            temperature=61,
            power=115.25,
            processes=(CardProcess(4242, "python", 5 * GIB, graphics=False),),
        ),
    ),
)


class TextFile(SingleFileSnapshotExtension):
    """A text file for each snapshot, which a reviewer can read."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"


@pytest.fixture
def as_before(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """What was kept of this very test."""
    return snapshot.use_extension(TextFile)


@pytest.fixture(scope="module", autouse=True)
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The time zone is UTC, and nobody else writes into what planning keeps."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TZ", "UTC")
        patched.setenv("FREEZETUI_CACHE", str(tmp_path_factory.mktemp("cache")))
        time.tzset()
        yield
    time.tzset()


@contextmanager
def fixed_length_folder() -> Iterator[Path]:
    """A folder whose path is always equally long, so that lines break at the same place."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="w") as folder:
        yield Path(folder)


@pytest.fixture
def workspace() -> Iterator[Path]:
    with fixed_length_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def run() -> Iterator[Path]:
    """A finished run, which the screens after Review show."""
    with fixed_length_folder() as folder:
        yield recorded_run(folder)


def says(*texts: str) -> Callable[[Freezetui], bool]:
    """Whether all of `texts` are on the screen."""
    return lambda app: all(text in shown(app) for text in texts)


async def settled(app: Freezetui, pilot: Pilot[int]) -> str:
    """What is on the screen once no thread works for it and it no longer changes."""
    previous, now = "", shown(app)
    while now != previous:
        await until(pilot, lambda: all(worker.is_finished or worker.group == "training" for worker in app.workers))
        await pilot.pause(0.3)
        previous, now = now, shown(app)
    return now


def screen_of(
    workspace: Path,
    ready: Callable[[Freezetui], bool],
    *,
    keys: tuple[str, ...] = (),
    after: Callable[[Freezetui], bool] = lambda _: True,
    **drive_arguments: Any,
) -> str:
    """What is on the screen once it was `ready`, `keys` were pressed, and what comes `after` them has come."""
    kept: list[str] = []

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: ready(app))
        await pilot.press(*keys)
        await until(pilot, lambda: after(app))
        kept.append(await settled(app, pilot))

    drive(workspace, script, **drive_arguments)
    return as_text(kept[0], workspace)


def as_text(screen: str, workspace: Path) -> str:
    """`screen` with the name that all workspaces share here."""
    text = screen.replace(str(workspace), "/tmp/workspace")
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


@pytest.mark.parametrize("hardware", [PROCESSOR_ONLY, WITH_CARD], ids=["processor only", "with a card"])
def test_hardware(workspace: Path, as_before: SnapshotAssertion, hardware: Hardware) -> None:
    source = GivenHardware(hardware)
    assert screen_of(workspace, says("Recommended"), screen_name="hardware", open_hardware=source.open) == as_before


def test_a_window_that_is_too_small(workspace: Path, as_before: SnapshotAssertion) -> None:
    assert screen_of(workspace, says("60x20"), size=(60, 20), screen_name="hardware") == as_before


@pytest.mark.parametrize(
    ("language", "checked"), [("en", "class ball has few boxes"), ("zh_CN", "类别 ball")], ids=LANGUAGES
)
def test_data(workspace: Path, as_before: SnapshotAssertion, language: str, checked: str) -> None:
    entered = somewhere(workspace, "data")
    assert screen_of(workspace, says(checked, "▀"), size=WIDE, language=language, **entered) == as_before


def test_help(workspace: Path, as_before: SnapshotAssertion) -> None:
    assert screen_of(workspace, says("Formats that are recognised"), keys=("f1",), screen_name="data") == as_before


def test_weights(workspace: Path, as_before: SnapshotAssertion) -> None:
    entered = somewhere(workspace, "weights") | {"model_path": str(workspace / "model_data" / "start.pth")}
    assert screen_of(workspace, says("start.pth", "convolutions"), size=WIDE, **entered) == as_before


def test_recipe(workspace: Path, as_before: SnapshotAssertion) -> None:
    entered = {**somewhere(workspace, "recipe"), "settings": {}}
    assert screen_of(workspace, says("recommended", "a good result"), **entered) == as_before


@pytest.mark.parametrize(("language", "planned"), [("en", "steps in total"), ("zh_CN", "建议 400 步")], ids=LANGUAGES)
def test_tune(workspace: Path, as_before: SnapshotAssertion, language: str, planned: str) -> None:
    entered = somewhere(workspace, "tune")
    size = (80, 24) if language == "en" else WIDE
    assert screen_of(workspace, says(planned, "GiB"), size=size, language=language, **entered) == as_before


def test_review(workspace: Path, as_before: SnapshotAssertion) -> None:
    entered = somewhere(workspace, "review")
    assert screen_of(workspace, says("Enter starts the training", "GiB"), size=WIDE, **entered) == as_before


@pytest.mark.parametrize(
    ("size", "steps", "status"),
    [((80, 24), 30, ("step 6/8", "Train 53 %")), (WIDE, math.inf, ("Finished in",))],  # the path bar is updated later
    ids=["in mid run", "at its end"],
)
def test_train(
    workspace: Path, as_before: SnapshotAssertion, size: tuple[int, int], steps: float, status: tuple[str, ...]
) -> None:
    prepare(workspace)
    plan, run = recorded_plan(workspace), workspace / "logs" / RUN
    may_continue = threading.Event()
    kept: list[str] = []

    def events(_: Control) -> Iterator[Event]:
        done = 0
        for event in recorded_events(run, plan):
            if done == steps:
                may_continue.wait()
            done += isinstance(event, Step)
            yield event

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        try:
            app.training.follow(events)
            app.show_screen("train")
            await until(pilot, lambda: all(says(part)(app) for part in status))
            kept.append(await settled(app, pilot))
        finally:
            may_continue.set()
        await until(pilot, lambda: not app.training.is_running)

    drive(workspace, script, size=size, screen_name="review", furthest_screen="review")
    assert as_text(kept[0], workspace) == as_before


@pytest.mark.parametrize(
    "keys", [("enter",) * count for count in range(4)], ids=["overview", "weights", "images", "classes"]
)
def test_results(run: Path, as_before: SnapshotAssertion, keys: tuple[str, ...]) -> None:
    entered = {"screen_name": "results", "furthest_screen": "results", "run": str(run)}
    assert screen_of(run.parents[1], says("No objects are detected yet"), size=WIDE, keys=keys, **entered) == as_before


def test_runs(run: Path, as_before: SnapshotAssertion) -> None:
    entered = {"screen_name": "runs", "furthest_screen": "results", "run": str(run)}
    assert screen_of(run.parents[1], says("finished"), **entered) == as_before
