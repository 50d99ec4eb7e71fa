"""The training on the screen: real steps, every key, every way it can end."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from textual.containers import VerticalScroll
from textual.pilot import Pilot
from torch import nn

from engine.events import BatchChanged, Finished, LossNotFinite, OutOfMemory, Stopped
from engine.runs.folder import load_plan
from engine.runs.summary import list_runs
from tests.small_training import plan_and_dataset
from tests.training_passes import PassGate, at_pass, card_busy, card_lost, gated_passes, out_of_memory, overflow
from tests.tui.driving import drive, shown, until, until_shown
from tests.tui.training import AT_TRAIN, ended, held, trained_run, workspace_with_data
from tui.app import Freezetui
from tui.dialogs.number_prompt import NumberPrompt
from tui.dialogs.quit_training import QuitTrainingDialog
from tui.screens.train import TrainScreen
from tui.widgets.path_input import PathInput
from tui.wizard.approved_plan import ApprovedPlan

Script = Callable[[Freezetui, Pilot[int], PassGate], Awaitable[None]]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return workspace_with_data(tmp_path)


def watch(
    workspace: Path,
    script: Script,
    *,
    steps: float = math.inf,
    size: tuple[int, int] = (80, 24),
    language: str = "en",
    approved: ApprovedPlan | None = None,
    **changes: Any,
) -> None:
    """Drive a wizard that comes from Review, with a training that does `steps` steps until the script allows more.

    Args:
        workspace: with data and weights.
        script: what is pressed and checked.
        steps: how many the training does by itself.
        size: columns and rows of the terminal.
        language: of the wizard.
        approved: what is trained; by default a Plan with `changes` to the settings.
        changes: see there.
    """
    approved = approved or ApprovedPlan(*plan_and_dataset(workspace, **changes))
    with gated_passes(steps) as gate:

        async def whole(app: Freezetui, pilot: Pilot[int]) -> None:
            try:
                await pilot.pause()
                app.approved_plan = approved
                app.show_screen("train")
                await until(pilot, lambda: app.approved_plan is None)
                await script(app, pilot, gate)
                app.training.stop()
            finally:
                gate.open()
            await until(pilot, lambda: not app.training.is_running)

        drive(workspace, whole, size=size, language=language, screen_name="review", furthest_screen="review")


@pytest.mark.parametrize(("language", "size"), [("en", (80, 24)), ("zh_CN", (80, 24)), ("en", (120, 40))])
def test_from_the_first_step_to_the_results(workspace: Path, language: str, size: tuple[int, int]) -> None:
    async def script(app: Freezetui, pilot: Pilot[int], gate: PassGate) -> None:
        await held(pilot, gate)
        await until_shown(app, pilot, "mAP50", "▶", "│")
        if language == "en":
            await until_shown(app, pilot, "3 steps so far")  # before the end of an epoch
        assert app.screen.query_one("#body", VerticalScroll).max_scroll_y == 0
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.query_one("#validation-error").display)
        assert isinstance(app.screen, TrainScreen)  # it still trains
        gate.open()
        await ended(app, pilot)
        assert isinstance(app.training.last_event, Finished)
        assert app.screen.query_one("#body", VerticalScroll).max_scroll_y == 0
        assert app.state.run == app.training.last_event.run
        await pilot.press("enter")
        await until(pilot, lambda: app.state.screen_name == "results")

    watch(workspace, script, steps=3, size=size, language=language, freeze_epoch=1, unfreeze_epoch=2)


def test_a_pause_lasts_until_p_ends_it_and_the_log_tells_of_it(workspace: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int], gate: PassGate) -> None:
        await held(pilot, gate)
        await pilot.press("p")
        gate.open()  # from here on only the pause holds it
        await until(pilot, lambda: app.training.phase == "paused")
        await until_shown(app, pilot, "paused")
        await pilot.press("l")
        await until_shown(app, pilot, "Paused after step")
        assert gate.begun == 2, "the step that ran, and no further one"
        await pilot.press("escape", "p")
        await until(pilot, lambda: app.training.history.steps > 2)

    watch(workspace, script, steps=1)


def test_stop_saves_and_p_resumes_from_there(workspace: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int], gate: PassGate) -> None:
        await held(pilot, gate)
        await pilot.press("s")
        gate.open()
        await ended(app, pilot)
        assert isinstance(app.training.last_event, Stopped)
        assert "nothing is lost" in shown(app)
        done = app.training.history.steps
        await pilot.press("p")
        await until(pilot, lambda: isinstance(app.training.last_event, Finished))
        assert app.training.history.steps > done

    watch(workspace, script, steps=2, unfreeze_epoch=2)
    assert [run.state for run in list_runs(workspace)] == ["finished"]


def test_a_smaller_batch_and_more_epochs_while_it_trains(workspace: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int], gate: PassGate) -> None:
        await held(pilot, gate)
        await pilot.press("b")
        await until(pilot, lambda: isinstance(app.screen, NumberPrompt))
        await pilot.press("9", "9", "enter")
        await until_shown(app, pilot, "from 2 to 4")
        assert isinstance(app.screen, NumberPrompt), "99 is more than the batch"
        await pilot.press("backspace", "backspace", "2", "enter")
        gate.allow()
        await until(pilot, lambda: any(isinstance(event, BatchChanged) for event in app.training.log))
        assert app.training.history.batch_size == 2
        await held(pilot, gate)
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, NumberPrompt))
        await pilot.press("5", "enter")
        gate.allow()  # it stops after that step, and resumes
        await until(pilot, lambda: app.training.history.last_epoch == 4)
        await held(pilot, gate)
        assert app.training.history.steps == 3

    watch(workspace, script, steps=1, freeze_epoch=3, unfreeze_epoch=3)
    assert load_plan(Path(list_runs(workspace)[0].path)).recipe.unfreeze_epoch == 5


@pytest.mark.parametrize(("asked", "trained"), [(3, 3), (1, 2)], ids=["fewer", "fewer than have begun meanwhile"])
def test_a_training_is_shortened_but_not_below_what_has_begun(workspace: Path, asked: int, trained: int) -> None:
    async def script(app: Freezetui, pilot: Pilot[int], gate: PassGate) -> None:
        await held(pilot, gate)
        assert app.training.history.epochs_begun == 2
        app.training.extend(asked)
        gate.open()
        await ended(app, pilot)
        assert isinstance(app.training.last_event, Finished)
        assert app.training.history.finished_epochs[-1] == ("unfreeze", trained - 1)

    watch(workspace, script, steps=2, freeze_epoch=1, unfreeze_epoch=30)
    assert load_plan(Path(list_runs(workspace)[0].path)).recipe.unfreeze_epoch == trained


def test_a_paused_training_stays_paused_when_it_is_extended(workspace: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int], gate: PassGate) -> None:
        await held(pilot, gate)
        await pilot.press("p")
        gate.open()  # from here on only the pause holds it
        await until(pilot, lambda: app.training.phase == "paused")
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, NumberPrompt))
        await pilot.press(*"7.5", "enter")
        await until_shown(app, pilot, "Enter a whole number")
        assert isinstance(app.screen, NumberPrompt), "7.5 is no whole number, and not 75 either"
        await pilot.press("backspace", "backspace", "enter")
        await until(pilot, lambda: app.training.history.last_epoch == 6)
        await until(pilot, lambda: app.training.phase == "paused")
        begun = gate.begun
        await pilot.press("p")
        await until(pilot, lambda: gate.begun > begun)

    watch(workspace, script, steps=1)


def test_quitting_while_it_trains_asks(workspace: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int], gate: PassGate) -> None:
        await held(pilot, gate)
        await pilot.press("ctrl+q")
        await until(pilot, lambda: isinstance(app.screen, QuitTrainingDialog))
        await pilot.press("enter")  # by habit: keeps training
        await until(pilot, lambda: isinstance(app.screen, TrainScreen))
        assert app.training.is_running
        await pilot.press("ctrl+q")
        await until(pilot, lambda: isinstance(app.screen, QuitTrainingDialog))
        await pilot.press("s")
        gate.open()
        await until(pilot, lambda: not app.training.is_running)
        assert isinstance(app.training.last_event, Stopped)
        await until(pilot, lambda: app.return_value is not None)
        assert app.return_value == 130, "stopped, with its checkpoint"

    watch(workspace, script, steps=1)
    assert list_runs(workspace)[0].state == "stopped"


def test_a_loss_that_is_no_number_offers_a_new_training_from_the_best_weights(workspace: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int], _: PassGate) -> None:
        await ended(app, pilot)
        assert isinstance(app.training.last_event, LossNotFinite)
        text = shown(app)
        assert "became infinite or NaN" in text
        assert Path(app.training.last_event.images[0]).name in text
        lr = app.training.history.recipe["init_lr"]
        await pilot.press("enter")
        await until(pilot, lambda: app.state.screen_name == "review")
        assert app.state.settings["init_lr"] == pytest.approx(lr / 4, rel=0.02)
        assert app.state.start == "whole"
        assert Path(str(app.state.model_path)).is_file()

    with at_pass(3, overflow):  # after the first epoch and its validation
        watch(workspace, script, freeze_batch_size=3)


@pytest.mark.parametrize(
    ("failing_card", "sentences"),
    [
        (
            lambda: at_pass(3, card_lost),
            (
                "stopped working in epoch",
                "unspecified launch failure). The last checkpoint is good.",
                "Then resume the run in Runs.",
            ),
        ),
        (
            lambda: mock.patch.object(nn.Module, "to", card_busy),
            ("does not work", "busy or unavailable). Nothing was trained", "Then start the training in Review."),
        ),
    ],
    ids=["while it trains", "from the first"],
)
def test_a_card_that_fails_is_said_and_enter_quits(
    workspace: Path,
    failing_card: Callable[[], AbstractContextManager[object]],
    sentences: tuple[str, ...],
) -> None:
    async def script(app: Freezetui, pilot: Pilot[int], _: PassGate) -> None:
        await ended(app, pilot)
        text = " ".join(shown(app).split())
        assert all(sentence in text for sentence in (*sentences, "Enter quits."))
        await pilot.press("enter")
        await until(pilot, lambda: app.return_value is not None)
        assert app.return_value == 0

    with failing_card():
        watch(workspace, script, freeze_batch_size=3)
    assert list_runs(workspace)[0].resumable


def test_after_out_of_memory_enter_resumes_with_the_same_batch_and_checkpointing(workspace: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int], _: PassGate) -> None:
        await ended(app, pilot)
        event = app.training.last_event
        assert isinstance(event, OutOfMemory)
        assert "with the same batch, a quarter slower" in " ".join(shown(app).split())
        await pilot.press("enter")
        await until(pilot, lambda: app.training.history.steps > event.step)
        assert app.training.history.batch_size == event.batch_size
        assert app.training.run is not None
        assert load_plan(app.training.run).activation_checkpointing

    with at_pass(1, out_of_memory):
        watch(workspace, script, freeze_batch_size=4, unfreeze_batch_size=4, input_shape=[416, 416])


def test_out_of_memory_is_explained_and_enter_resumes_with_a_smaller_batch(workspace: Path) -> None:
    """On any system; trainings whose memory really is limited are in test_out_of_memory.py."""

    async def script(app: Freezetui, pilot: Pilot[int], _: PassGate) -> None:
        await ended(app, pilot)
        event = app.training.last_event
        assert isinstance(event, OutOfMemory)
        assert (event.stage, event.during, event.batch_size) == ("unfreeze", "training", 4)
        text = " ".join(shown(app).split())
        assert "The number of images in the data set does not matter" in text
        assert "at batch size 4" in text
        assert f"Enter resumes from the last step with batch size {event.suggested_batch_size}" in text
        await pilot.press("enter")
        await until(pilot, lambda: app.training.history.batch_size == event.suggested_batch_size)
        await until(pilot, lambda: app.training.history.steps > event.step)

    with at_pass(1, out_of_memory):  # after a step and a validation: the unfreeze stage
        watch(workspace, script, freeze_batch_size=4, unfreeze_batch_size=4, activation_checkpointing="off")


def test_what_cannot_begin_says_why_and_enter_goes_back(workspace: Path) -> None:
    approved = ApprovedPlan(*plan_and_dataset(workspace))
    (workspace / "model_data" / "start.pth").write_bytes(b"no weights")

    async def script(app: Freezetui, pilot: Pilot[int], _: PassGate) -> None:
        await ended(app, pilot)
        assert "start.pth" in "".join(shown(app).split())  # a long path is broken over lines
        await pilot.press("enter")
        await until(pilot, lambda: app.state.screen_name == "review")

    watch(workspace, script, approved=approved)


def test_another_day_the_run_that_was_left_is_offered(workspace: Path) -> None:
    run = trained_run(workspace, stop_at=5, unfreeze_epoch=2)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until_shown(app, pilot, "Enter resumes it.")
        assert run.name in shown(app)
        await pilot.press("enter")
        await until(pilot, lambda: app.training.history.steps > 1)
        app.training.stop()
        await ended(app, pilot)
        assert app.training.run == run

    drive(workspace, script, run=str(run), **AT_TRAIN)


def test_without_a_training_enter_leads_to_review(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        assert "No training is running" in shown(app)
        await pilot.press("enter")
        await until(pilot, lambda: app.state.screen_name == "review")

    drive(tmp_path, script, **AT_TRAIN)


def test_damaged_files_of_others_end_neither_the_wizard_nor_the_training(workspace: Path) -> None:
    for name in ("loss_bad", "loss_rubbish"):
        (workspace / "logs" / name).mkdir(parents=True)
        (workspace / "logs" / name / "plan.json").write_text("{}")
    (workspace / "logs" / "loss_bad" / "events.jsonl").write_text('{"event": "step", "epoch": [1], "loss": NaN}\n')
    (workspace / "logs" / "loss_rubbish" / "events.jsonl").write_bytes(bytes(range(256)) * 100)
    (workspace / "presets").mkdir()
    (workspace / "presets" / "bad.toml").write_bytes(b"\xff\x00 = nan")
    labels = workspace / "bad"
    (labels / "images").mkdir(parents=True)
    (labels / "annotations.json").write_text('{"images": [{"id": [1]}], "annotations": [], "categories": []}')

    async def script(app: Freezetui, pilot: Pilot[int], gate: PassGate) -> None:
        await held(pilot, gate)
        app.show_screen("runs")
        await until_shown(app, pilot, "loss_bad", "loss_rubbish")
        app.show_screen("recipe")
        await pilot.pause()
        app.show_screen("data")
        await pilot.pause()
        app.screen.query_one(PathInput).value = str(labels)
        await until_shown(app, pilot, "Enter reads this data set.")
        await pilot.press("enter")
        await until_shown(app, pilot, "labels found")
        app.show_screen("train")
        gate.open()
        await ended(app, pilot)
        assert isinstance(app.training.last_event, Finished)

    watch(workspace, script, steps=2, freeze_epoch=1, unfreeze_epoch=2)
