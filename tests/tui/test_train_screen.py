"""The training on the screen: real steps, every key, every way it can end."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from textual.containers import VerticalScroll
from textual.pilot import Pilot

from engine.events import BatchChanged, Finished, LossNotFinite, OutOfMemory, Stopped
from engine.runs.folder import list_runs, load_plan
from engine.training import learner as learning
from engine.training import trainer
from tests.failing_step import card_busy, card_failing_at, memory_short_at
from tests.small_training import plan_and_dataset
from tests.tui.driving import drive, shown, until
from tests.tui.training import AT_TRAIN, PATIENCE, over, steps, trained_run, workspace_with_data
from tui.app import Freezetui
from tui.dialogs.confirm import ConfirmDialog
from tui.dialogs.number_prompt import NumberPrompt
from tui.screens.train import TrainScreen
from tui.wizard.approved_plan import ApprovedPlan

ENDLESS = 500
"""Epochs of a training that is stopped by the test, not by its end."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return workspace_with_data(tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def workspace(prepared: Path, tmp_path: Path) -> Path:
    for name in ("data", "model_data"):
        shutil.copytree(prepared / name, tmp_path / name)
    return tmp_path


def begun(workspace: Path, **changes: Any) -> tuple[Path, Any]:
    """Plan and data set, made before the app so that a test waits for the training alone."""
    return workspace, ApprovedPlan(*plan_and_dataset(workspace, **changes))


def watch(
    workspace: Path, chosen: ApprovedPlan, script: Any, *, size: tuple[int, int] = (80, 24), language: str = "en"
) -> Any:
    """Drive a wizard that comes from Review with `chosen`."""

    async def whole(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        app.chosen = chosen
        app.go_to("train")
        await until(pilot, lambda: app.chosen is None)
        await script(app, pilot)
        app.training.stop()
        await over(app, pilot)

    return drive(workspace, whole, size=size, language=language, place="review", furthest="review")


@pytest.mark.parametrize(("language", "size"), [("en", (80, 24)), ("zh_CN", (80, 24)), ("en", (120, 40))])
def test_from_the_first_step_to_the_results(workspace: Path, language: str, size: tuple[int, int]) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await steps(app, pilot, 3)
        await pilot.pause(0.6)
        text = shown(app)
        assert "mAP50" in text
        assert "▶" in text
        assert "│" in text
        assert app.screen.query_one("#body", VerticalScroll).max_scroll_y == 0
        await pilot.press("enter")
        assert isinstance(app.screen, TrainScreen)  # it still trains
        await pilot.pause()
        assert str(app.screen.query_one("#validation-error").content)  # type: ignore[attr-defined]
        await over(app, pilot)
        assert isinstance(app.training.last, Finished)
        assert app.screen.query_one("#body", VerticalScroll).max_scroll_y == 0
        assert app.state.run == app.training.last.run
        await pilot.press("enter")
        assert app.state.place == "results"

    chosen = ApprovedPlan(*plan_and_dataset(workspace, freeze_epoch=1, unfreeze_epoch=2))
    watch(workspace, chosen, script, size=size, language=language)


def test_pause_waits_and_goes_on_and_the_log_tells(workspace: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await steps(app, pilot)
        await pilot.press("p")
        await until(pilot, lambda: app.training.phase == "paused", PATIENCE)
        await pilot.pause(0.4)
        assert "paused" in shown(app)
        before = app.training.course.steps
        await pilot.pause(1.0)
        assert app.training.course.steps == before
        await pilot.press("l")
        await pilot.pause(0.3)
        assert "Paused after step" in shown(app)
        await pilot.press("escape", "p")
        await steps(app, pilot, before + 1)

    watch(workspace, begun(workspace, unfreeze_epoch=ENDLESS)[1], script)


def test_stop_saves_and_p_goes_on_from_there(workspace: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await steps(app, pilot, 2)
        await pilot.press("s")
        await over(app, pilot)
        assert isinstance(app.training.last, Stopped)
        assert "nothing is lost" in shown(app)
        done = app.training.course.steps
        await pilot.press("p")
        assert app.training.alive
        await until(pilot, lambda: app.training.course.steps > done, PATIENCE)
        await over(app, pilot)
        assert isinstance(app.training.last, Finished)

    watch(workspace, begun(workspace, unfreeze_epoch=6)[1], script)
    assert [run.state for run in list_runs(workspace)] == ["finished"]


def test_a_smaller_batch_and_more_epochs_while_it_trains(workspace: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await steps(app, pilot)
        await pilot.press("b")
        await pilot.pause()
        assert isinstance(app.screen, NumberPrompt)
        await pilot.press("9", "9", "enter")
        assert isinstance(app.screen, NumberPrompt), "99 is more than the batch"
        assert "from 2 to 4" in shown(app)
        await pilot.press("backspace", "backspace", "2", "enter")
        await until(pilot, lambda: any(isinstance(event, BatchChanged) for event in app.training.log), PATIENCE)
        assert app.training.course.batch_size == 2
        await pilot.press("e")
        await pilot.pause()
        await pilot.press("2", "0", "1", "enter")
        await until(pilot, lambda: app.training.course.last_epoch == 200, PATIENCE)
        await steps(app, pilot, 4)
        await pilot.press("s")

    watch(workspace, begun(workspace, freeze_epoch=200, unfreeze_epoch=200)[1], script)
    assert load_plan(Path(list_runs(workspace)[0].path)).recipe.unfreeze_epoch == 201


def test_what_is_paused_stays_so_when_it_is_extended(workspace: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await steps(app, pilot)
        await pilot.press("p")
        await until(pilot, lambda: app.training.phase == "paused", PATIENCE)
        await pilot.press("e")
        await pilot.pause()
        await pilot.press(*"7.5", "enter")
        assert isinstance(app.screen, NumberPrompt), "7.5 is no whole number, and not 75 either"
        await pilot.press("backspace", "backspace", *"01", "enter")
        await until(pilot, lambda: app.training.course.last_epoch == 700, PATIENCE)
        await until(pilot, lambda: app.training.phase == "paused", PATIENCE)
        before = app.training.course.steps
        await pilot.press("p")
        await steps(app, pilot, before + 1)
        await pilot.press("s")

    watch(workspace, begun(workspace, freeze_epoch=200, unfreeze_epoch=200)[1], script)


def test_quitting_while_it_trains_asks(workspace: Path) -> None:
    ended: list[bool] = []

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await steps(app, pilot)
        await pilot.press("ctrl+q")
        await pilot.pause()
        assert isinstance(app.screen, ConfirmDialog)
        await pilot.press("enter")  # by habit: keeps training
        assert isinstance(app.screen, TrainScreen)
        assert app.training.alive
        await pilot.press("ctrl+q")
        await pilot.pause()
        await pilot.press("s")
        await until(pilot, lambda: not app.training.alive, PATIENCE)
        ended.append(isinstance(app.training.last, Stopped))
        await until(pilot, lambda: app.return_value is not None)
        assert app.return_value == 130, "stopped, with its checkpoint"

    watch(workspace, begun(workspace, unfreeze_epoch=ENDLESS)[1], script)
    assert ended == [True]
    assert list_runs(workspace)[0].state == "stopped"


def test_a_loss_that_broke_offers_a_new_training_from_the_best_weights(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss_of = learning.loss_of

    def overflowing(*words: Any) -> Any:
        loss = loss_of(*words)
        weights = loss.weights
        calls = iter(range(100000))
        # After the first epoch and its validation the objectness counts infinitely much.
        monkeypatch.setattr(loss, "weights", lambda grid: (*weights(grid)[:2], math.inf if next(calls) > 7 else 0.1))
        return loss

    monkeypatch.setattr(learning, "loss_of", overflowing)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await over(app, pilot)
        assert isinstance(app.training.last, LossNotFinite)
        text = shown(app)
        assert "no longer a number" in text
        assert Path(app.training.last.images[0]).name in text
        lr = app.training.course.recipe["init_lr"]
        await pilot.press("enter")
        assert app.state.place == "review"
        assert app.state.settings["init_lr"] == pytest.approx(lr / 4, rel=0.02)
        assert app.state.start == "whole"
        assert Path(str(app.state.model_path)).is_file()

    watch(workspace, begun(workspace, freeze_batch_size=3)[1], script)


@pytest.mark.parametrize(
    ("module", "name", "stand_in", "sentences", "resumable"),
    [
        (
            learning,
            "loss_of",
            lambda: card_failing_at(5),
            (
                "The card stopped working. The last checkpoint is good",
                "unspecified launch failure",
                "Runs goes on then.",
            ),
            True,
        ),
        (
            trainer,
            "Learner",
            lambda: card_busy,
            ("The card does not work; nothing was trained", "busy or unavailable", "Review begins the training then."),
            False,
        ),
    ],
    ids=["while it trains", "from the first"],
)
def test_a_card_that_fails_is_said_and_enter_quits(
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: ModuleType,
    name: str,
    stand_in: Callable[[], object],
    sentences: tuple[str, ...],
    resumable: bool,
) -> None:
    monkeypatch.setattr(module, name, stand_in())

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await over(app, pilot)
        text = " ".join(shown(app).split())
        assert all(sentence in text for sentence in (*sentences, "Enter quits."))
        await pilot.press("enter")
        await pilot.pause(0.2)
        assert app.return_value == 0

    watch(workspace, begun(workspace, freeze_batch_size=3)[1], script)
    assert list_runs(workspace)[0].resumable == resumable


def test_out_of_memory_is_explained_and_enter_goes_on_with_a_smaller_batch(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On any system; trainings whose memory really is limited stand in test_out_of_memory.py."""
    monkeypatch.setattr(learning, "loss_of", memory_short_at(2))  # after a step and a validation: the unfreeze stage

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await over(app, pilot)
        event = app.training.last
        assert isinstance(event, OutOfMemory)
        assert (event.stage, event.during, event.batch_size) == ("unfreeze", "training", 4)
        text = " ".join(shown(app).split())
        assert "plays no part" in text
        assert "at batch size 4" in text
        assert f"Enter goes on from the last step with batch size {event.suggested_batch_size}" in text
        await pilot.press("enter")
        await until(pilot, lambda: app.training.course.batch_size == event.suggested_batch_size, PATIENCE)
        await steps(app, pilot, event.step + 1)

    watch(workspace, begun(workspace, freeze_batch_size=4, unfreeze_batch_size=4)[1], script)


def test_what_cannot_begin_says_why_and_enter_goes_back(workspace: Path) -> None:
    chosen = begun(workspace)[1]
    (workspace / "model_data" / "start.pth").write_bytes(b"no weights")

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await over(app, pilot)
        assert "start.pth" in "".join(shown(app).split())  # a long path is broken over lines
        await pilot.press("enter")
        assert app.state.place == "review"

    watch(workspace, chosen, script)


def test_another_day_the_run_that_was_left_is_offered(workspace: Path) -> None:
    run = trained_run(workspace, stop_at=5, unfreeze_epoch=2)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "Enter goes on with it." in shown(app))
        assert run.name in shown(app)
        await pilot.press("enter")
        await steps(app, pilot, 2)
        app.training.stop()
        await over(app, pilot)
        assert app.training.run == run

    drive(workspace, script, run=str(run), **AT_TRAIN)


def test_without_a_training_enter_leads_to_review(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        assert "Nothing trains here now" in shown(app)
        await pilot.press("enter")
        assert app.state.place == "review"

    drive(tmp_path, script, **AT_TRAIN)
