"""Each screen as a whole, as text: what a change moves without meaning to.

`pytest tests/tui/test_snapshots.py --snapshot-update` writes them anew; read the difference before it is committed. Figures of
the machine and of a training differ from run to run; a snapshot keeps where they stand, not what they say.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pynvml
import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from textual.pilot import Pilot

from engine.hardware import probe
from tests.nvml_stand_in import GIB, built, card, machine
from tests.tui.driving import drive, shown, until
from tests.tui.on_the_way import somewhere
from tests.tui.other_machines import first_screens
from tests.tui.training import PATIENCE, trained_run, workspace_with_data
from tui.app import Freezetui

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="temporary folders have longer names, written with other strokes"
)
WIDE = (120, 40)
LANGUAGES = ["en", "zh_CN"]


class TextFile(SingleFileSnapshotExtension):
    """A text file for each snapshot, which a reviewer can read."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"


@pytest.fixture(scope="module", autouse=True)
def no_cards() -> Iterator[None]:
    """What is recommended hangs on the machine's cards: none is seen here, whatever this machine has."""

    def not_there() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pynvml, "nvmlInit", not_there)
        assert not probe(Path()).cards
        yield


@pytest.fixture
def as_before(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """What was kept of this very test."""
    return snapshot.use_extension(TextFile)


@pytest.fixture
def workspace() -> Iterator[Path]:
    """A folder whose path is always equally long, so that lines break where they broke before."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="w") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def run() -> Iterator[Path]:
    """A finished run, which the screens after Review show."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="w") as folder:
        yield trained_run(workspace_with_data(Path(folder)), freeze_epoch=1, unfreeze_epoch=2)


def tidied(screen: str, workspace: Path) -> str:
    """`screen` without what no two runs share: figures and curves, the machine, where the workspace lies."""
    text = screen.replace(str(workspace), "WORKSPACE")
    text = re.sub(r"(processor|处理器)  .*?[,，]", r"\1  NAME,", text)
    text = re.sub(r"[▁▂▃▄▅▆▇█░▀]+", "▒", text)
    text = re.sub(r"\d+\.\d+(e-\d+)?|\d+(?= (GiB|GB|MB|s|min|cores?|threads?|个核心)\b)", "0", text)
    text = re.sub(
        r"(0 min )?0 s\b", "TIME", re.sub(r"best epoch \d", "best epoch 0", re.sub("threads", "thread", text))
    )
    text = re.sub(r"\d{4}([-_]\d\d){2}([-_ ]\d\d[:_]\d\d(_\d\d)?)?", "DATE", text)
    text = re.sub(r"─+", "─", re.sub(r"  +", "  ", text))
    # A field proposes how a path may go on, which may come a moment later.
    return "\n".join(line.rstrip(" /") for line in text.splitlines()) + "\n"


def screen_of(
    workspace: Path,
    ready: Callable[[Freezetui], bool],
    *,
    size: tuple[int, int] = (80, 24),
    keys: tuple[str, ...] = (),
    after: Callable[[Freezetui], bool] = lambda _: True,
    **entered: Any,
) -> str:
    """What is on the screen once it was `ready`, `keys` were pressed, and what comes `after` them has come."""
    kept: list[str] = []

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: ready(app), PATIENCE)
        await pilot.press(*keys)
        await until(pilot, lambda: after(app), PATIENCE)
        await pilot.pause(0.5)
        kept.append(tidied(shown(app), workspace))

    drive(workspace, script, size=size, **entered)
    return kept[0]


def says(*words: str) -> Callable[[Freezetui], bool]:
    """Whether all of `words` are on the screen."""
    return lambda app: all(word in shown(app) for word in words)


def test_hardware_with_a_card_and_without(
    tmp_path_factory: pytest.TempPathFactory, workspace: Path, as_before: SnapshotAssertion
) -> None:
    library = built(tmp_path_factory.mktemp("driver"))
    small = card("NVIDIA GeForce GTX 1650", gib=4, used=int(1.5 * GIB), capability="7.5", graphics="4242 536870912")
    states = (machine(), []), (machine(small), ["NVIDIA GeForce GTX 1650"])
    for screen in first_screens(library, workspace, *states, size=(80, 24)):
        assert tidied(screen, workspace) == as_before


def test_a_window_that_is_too_small(workspace: Path, as_before: SnapshotAssertion) -> None:
    assert screen_of(workspace, says("60x20"), size=(60, 20), place="hardware") == as_before


@pytest.mark.parametrize(
    ("language", "checked"), [("en", "50 or more are better"), ("zh_CN", "50 个或更多会更好")], ids=LANGUAGES
)
def test_data(workspace: Path, as_before: SnapshotAssertion, language: str, checked: str) -> None:
    entered = somewhere(workspace, "data")
    assert screen_of(workspace, says(checked, "▀"), size=WIDE, language=language, **entered) == as_before


def test_help(workspace: Path, as_before: SnapshotAssertion) -> None:
    assert screen_of(workspace, says("What is understood"), keys=("f1",), place="data") == as_before


def test_weights(workspace: Path, as_before: SnapshotAssertion) -> None:
    entered = somewhere(workspace, "weights") | {"model_path": str(workspace / "model_data" / "start.pth")}
    assert screen_of(workspace, says("start.pth", "convolutions"), size=WIDE, **entered) == as_before


def test_recipe(workspace: Path, as_before: SnapshotAssertion) -> None:
    assert screen_of(workspace, says("recommended"), **somewhere(workspace, "recipe")) == as_before


@pytest.mark.parametrize(("language", "planned"), [("en", "steps in all"), ("zh_CN", "建议 400 步")], ids=LANGUAGES)
def test_tune(workspace: Path, as_before: SnapshotAssertion, language: str, planned: str) -> None:
    entered = somewhere(workspace, "tune")
    size = (80, 24) if language == "en" else WIDE
    assert screen_of(workspace, says(planned, "GiB"), size=size, language=language, **entered) == as_before


def test_review(workspace: Path, as_before: SnapshotAssertion) -> None:
    def timed(app: Freezetui) -> bool:
        return says("Enter starts the training", "GiB")(app) and "being timed" not in shown(app)

    assert screen_of(workspace, timed, size=WIDE, **somewhere(workspace, "review")) == as_before


def test_train(workspace: Path, as_before: SnapshotAssertion) -> None:
    entered = somewhere(workspace, "review", unfreeze_epoch=2, freeze_epoch=1)
    begins, ends = says("Enter starts the training"), says("Finished in")
    assert screen_of(workspace, begins, keys=("enter",), after=ends, **entered) == as_before


@pytest.mark.parametrize("keys", [(), ("enter",), ("enter", "enter")], ids=["weights", "pictures", "classes"])
def test_results(run: Path, as_before: SnapshotAssertion, keys: tuple[str, ...]) -> None:
    entered = {"place": "results", "furthest": "results", "run": str(run)}
    assert screen_of(run.parents[1], says("It finds nothing yet"), size=WIDE, keys=keys, **entered) == as_before


def test_runs(run: Path, as_before: SnapshotAssertion) -> None:
    entered = {"place": "runs", "furthest": "results", "run": str(run)}
    assert screen_of(run.parents[1], says("finished"), **entered) == as_before
