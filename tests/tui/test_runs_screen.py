"""The list of runs: what is shown, and every key."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from engine.events import BatchChanged
from engine.network.detector import build_network
from engine.runs.folder import BEST_WEIGHTS
from engine.runs.lock import is_running, run_lock
from engine.runs.note import read_note, write_note
from engine.runs.summary import list_runs
from engine.weights.native import info_of, save_weights
from tests.small_training import child_environment, copy_run
from tests.training_passes import PassGate, gated_passes
from tests.tui.driving import drive, shown, until, until_shown
from tests.tui.training import ended, held, trained_run, workspace_with_data
from tests.tui.untranslated import untranslated
from tui.app import Freezetui
from tui.dialogs.compare_runs import CompareRunsDialog
from tui.dialogs.confirm import ConfirmDialog
from tui.dialogs.folder_picker import FolderPicker
from tui.dialogs.help import HelpDialog
from tui.dialogs.prediction import PredictionDialog
from tui.dialogs.run_note import RunNoteDialog
from tui.screens.runs import RunsScreen
from tui.text import set_language
from tui.widgets.path_input import PathInput
from tui.widgets.plot import Plot
from tui.widgets.terminal_image import UPPER_HALF
from tui.wizard.comparison_text import result_rows, setting_name
from tui.wizard.run_comparison import compare


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with one run, stopped in its first epoch."""
    workspace = workspace_with_data(tmp_path_factory.mktemp("runs"))
    trained_run(workspace, stop_at=5, freeze_epoch=2, unfreeze_epoch=2, freeze_batch_size=2)
    return workspace


@pytest.fixture
def workspace(trained: Path, tmp_path: Path) -> Path:
    """The same, its paths its own."""
    copy_run(trained, tmp_path)
    return tmp_path


def only(workspace: Path) -> Path:
    (run,) = list_runs(workspace)
    return Path(run.path)


async def listed(app: Freezetui, pilot: Pilot[int]) -> None:
    (run,) = list_runs(app.workspace)
    await until(pilot, lambda: isinstance(app.screen, RunsScreen) and run.name in shown(app))


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_enter_goes_on_with_a_stopped_run(workspace: Path, language: str) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await listed(app, pilot)
        await until(pilot, lambda: ("stopped" if language == "en" else "已停止") in shown(app))
        text = shown(app)
        assert re.search("1/2[,，]", text)  # and the step
        if language == "en":
            assert "in stage freeze, epoch 1 of 2" in " ".join(text.split())
            await pilot.press("enter")
            assert app.state.screen_name == "train"
            await until(pilot, lambda: app.training.history.steps > 2)
            app.training.stop()
            await ended(app, pilot)

    drive(workspace, script, size=(120, 40), screen_name="runs", furthest_screen="review", language=language)


def test_changed_data_is_said_and_enter_trains_on_with_it(workspace: Path) -> None:
    label = next(workspace.glob("data/**/Annotations/000003.xml"))
    text = label.read_text(encoding="utf-8")
    label.write_text(text[: text.rindex("<object>")] + "</annotation>", encoding="utf-8")

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await listed(app, pilot)
        await until(pilot, lambda: "Enter resumes it." in shown(app))
        await pilot.press("enter")
        await ended(app, pilot)
        text = " ".join(shown(app).split())
        assert "images with other boxes or classes: 1" in text
        assert "Enter trains on with the data as it is now" in text
        await pilot.press("enter")
        await until(pilot, lambda: app.training.history.steps > 2)
        app.training.stop()
        await ended(app, pilot)

    drive(workspace, script, size=(120, 40), screen_name="runs", furthest_screen="review")
    assert "the run trains on with what is there now" in (only(workspace) / "events.jsonl").read_text(encoding="utf-8")


def test_a_killed_run_says_so(workspace: Path) -> None:
    events = only(workspace) / "events.jsonl"
    lines = events.read_text(encoding="utf-8").splitlines()
    events.write_text("\n".join(lines[:-1]) + '\n{"event":"st', encoding="utf-8")  # no last word, a torn line

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await listed(app, pilot)
        text = " ".join(shown(app).split())
        assert "was killed and left no reason" in text
        assert "Enter resumes it." in text

    drive(workspace, script, screen_name="runs")


def test_deleting_asks_and_then_removes_the_folder(workspace: Path) -> None:
    run = only(workspace)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await listed(app, pilot)
        await pilot.press("d")
        await pilot.pause()
        assert isinstance(app.screen, ConfirmDialog)
        await pilot.press("enter")  # by habit: keeps it
        await pilot.pause()
        assert run.is_dir()
        await pilot.press("d")
        await pilot.pause()
        await pilot.press("d")
        await until(pilot, lambda: "No runs yet." in shown(app))
        assert not run.exists()
        assert app.state.run is None
        await until(pilot, lambda: "delete" not in shown(app).splitlines()[-1])
        await pilot.press("enter")
        await until(pilot, lambda: app.state.screen_name == "review")

    drive(workspace, script, screen_name="runs", furthest_screen="review", run=str(run))


@pytest.fixture
def two(workspace: Path) -> tuple[Path, Path]:
    """The same run twice, the second with another seed."""
    one = only(workspace)
    other = one.with_name("loss_2031_01_01_00_00_00")
    shutil.copytree(one, other)
    plan = json.loads((other / "plan.json").read_text(encoding="utf-8"))
    plan["recipe"]["seed"] = 77
    (other / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    return one, other


@pytest.mark.parametrize("language", ["en", "pseudo"])
def test_two_runs_stand_side_by_side_with_what_differs(workspace: Path, two: tuple[Path, Path], language: str) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: all(run.name in shown(app) for run in two))
        await pilot.press("m")
        await until(pilot, lambda: "●" in shown(app))
        await pilot.press("m")  # the same run: it is marked no more
        await until(pilot, lambda: "●" not in shown(app))
        assert "press M again" not in shown(app)
        await pilot.press("m", "down", "m")
        await until(pilot, lambda: isinstance(app.screen, CompareRunsDialog) and "seed" in shown(app))
        (row,) = (line for line in shown(app).splitlines() if "seed" in line)
        assert row.split()[3:5] == ["77", "11"]
        assert "freeze_batch_size" not in shown(app)
        if language == "pseudo":
            names = (workspace, *(run.name for run in two), "seed")
            assert untranslated(app.screen, data=names) == {}
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))

    drive(workspace, script, size=(120, 40), screen_name="runs", furthest_screen="review", language=language)


def test_at_eighty_columns_both_names_are_whole_and_f1_explains(workspace: Path, two: tuple[Path, Path]) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: all(run.name in shown(app) for run in two))
        await pilot.press("m")
        await until(pilot, lambda: "Go to another run and press M again" in shown(app))
        await pilot.press("down")
        await until(pilot, lambda: "Go to another run" not in shown(app))
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, CompareRunsDialog) and "seed" in shown(app))
        (row,) = (line for line in shown(app).splitlines() if two[0].name in line)
        assert two[1].name in row
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, HelpDialog))
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, CompareRunsDialog))

    drive(workspace, script, size=(80, 24), screen_name="runs", furthest_screen="review")


def comparison(runs: tuple[Path, Path]) -> tuple[str, ...]:
    return compare(runs).limits


def change_dataset(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    stored = json.loads((run / "dataset.json").read_text(encoding="utf-8"))
    change(stored)
    stored["fingerprint"] = "other"
    (run / "dataset.json").write_text(json.dumps(stored), encoding="utf-8")


def change_plan(run: Path, old: str, new: str) -> None:
    plan = (run / "plan.json").read_text(encoding="utf-8")
    assert old in plan
    (run / "plan.json").write_text(plan.replace(old, new), encoding="utf-8")


def test_what_makes_two_runs_hard_to_compare_is_found(two: tuple[Path, Path], workspace: Path) -> None:
    one, other = two
    assert comparison(two) == ()
    change_dataset(other, lambda stored: stored["splits"]["train"].pop())
    assert comparison(two) == ("training_images",)
    change_dataset(other, lambda stored: stored["labels"].update(val=["0"]))
    assert comparison(two) == ("data_changed",)
    change_plan(other, str(workspace / "data"), "/elsewhere")
    assert comparison(two) == ("data",)
    change_plan(other, "/elsewhere", str(workspace / "data"))
    shutil.copy(one / "dataset.json", other / "dataset.json")
    change_dataset(
        other, lambda stored: stored["splits"].update(train=stored["splits"]["val"], val=stored["splits"]["train"])
    )
    change_dataset(other, lambda stored: stored["splits"]["test"].extend(stored["splits"].pop("extra", [])))
    assert comparison(two) == ("validation_images",)
    shutil.copy(one / "dataset.json", other / "dataset.json")
    change_plan(other, '"yolov4-tiny"', '"yolov4"')
    assert comparison(two) == ("network",)
    (other / "dataset.json").write_text("{", encoding="utf-8")
    change_plan(other, str(workspace / "data"), "/elsewhere")
    assert comparison(two) == ("data", "network")


def test_the_comparison_says_what_cannot_be_compared_above_curves_on_common_axes(
    workspace: Path, two: tuple[Path, Path]
) -> None:
    change_plan(two[1], str(workspace / "data"), "/elsewhere")
    change_dataset(two[1], lambda stored: stored["labels"].update(val=["0"]))
    write_note(two[1], "the second try")

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: all(run.name in shown(app) for run in two))
        await pilot.press("m", "down", "m")
        await until(pilot, lambda: isinstance(app.screen, CompareRunsDialog) and "seed" in shown(app))
        text = " ".join(shown(app).replace("│", "").split())
        assert "The data sets differ" in text
        assert "neither mAP nor loss can be compared" in text
        assert "the second try" in text
        loss, map50 = app.screen.query(Plot)
        assert (loss.size.height, loss.region.y) == (map50.size.height, map50.region.y)

    drive(workspace, script, size=(120, 40), screen_name="runs", furthest_screen="review")


@pytest.fixture
def taught(workspace: Path) -> Path:
    """The run, with weights that know nothing and so find nothing."""
    run = only(workspace)
    network = build_network("yolov4-tiny", 3)
    save_weights(run / BEST_WEIGHTS, network, info_of(network, ("circle", "square", "triangle"), (64, 64)))
    return run


def test_the_weights_look_at_pictures_of_the_users(workspace: Path, taught: Path, tmp_path: Path) -> None:
    folder = tmp_path / "own [pictures]"
    folder.mkdir()
    for number, path in enumerate(sorted((workspace / "data").rglob("*.jpg"))[:2]):
        shutil.copy(path, folder / f"{number}.jpg")
    (folder / "broken.png").write_bytes(b"no picture")

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await listed(app, pilot)
        await pilot.press("w")
        await until(pilot, lambda: isinstance(app.screen, PredictionDialog))
        field = app.screen.query_one(PathInput)
        assert field.value == str(workspace / "data")  # the run's own data set, by suggestion, not the wizard's
        field.value = "elsewhere"
        await pilot.press("enter")
        await until(pilot, lambda: "there is no such image or folder" in shown(app))
        field.value = str(folder)
        await pilot.press("enter")
        await until(pilot, lambda: "1/3" in shown(app) and UPPER_HALF in shown(app))
        await pilot.press("enter")
        await until(pilot, lambda: "2/3" in shown(app) and "1.jpg" in shown(app))
        await pilot.press("f5")
        await until(pilot, lambda: "3/3" in shown(app) and "broken.png" in shown(app))
        await pilot.press("f5")
        await until(pilot, lambda: "1/3" in shown(app) and "no objects detected" in shown(app))
        await pilot.press("f4")
        await until(pilot, lambda: "3/3" in shown(app))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))

    drive(workspace, script, size=(120, 40), screen_name="runs", data="elsewhere", run=str(taught))


def test_a_run_without_weights_predicts_nothing(workspace: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await listed(app, pilot)
        (only(workspace) / BEST_WEIGHTS).unlink(missing_ok=True)
        await pilot.press("w")
        await until(pilot, lambda: "This run has no weights yet" in shown(app))

    drive(workspace, script, screen_name="runs")


@pytest.fixture
def locked(workspace: Path) -> Iterator[Path]:
    """A run into which another process trains."""
    code = "import sys; from pathlib import Path; from engine.runs.lock import run_lock\nwith run_lock(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(only(workspace))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=child_environment(),
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    yield only(workspace)
    other.communicate("")


def test_what_the_footer_offers_can_be_done(locked: Path, workspace: Path) -> None:
    """A run that trains can be looked at and compared, not extended or deleted; Esc and F1 are there."""

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await listed(app, pilot)
        await until_shown(app, pilot, "It can be extended, resumed and deleted once it has", "esc back", "f1 help")
        assert "stop it before you do anything else" not in shown(app)
        bindings = {active.binding.action: active for active in app.screen.active_bindings.values()}
        assert {action for action in ("extend", "delete") if bindings[action].enabled} == set()
        assert all(bindings[action].enabled for action in ("show_results", "compare", "edit_note", "back"))
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, RunNoteDialog))
        await pilot.press("o", "k", "enter")
        await until_shown(app, pilot, "Note: ok")

    drive(workspace, script, screen_name="runs")
    assert read_note(locked) == "ok"


def test_a_second_training_is_asked_about(locked: Path, workspace: Path) -> None:
    other = locked.with_name("loss_2031_01_01_00_00_00")
    shutil.copytree(locked, other)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: other.name in shown(app))
        await until_shown(app, pilot, "Enter resumes it.")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ConfirmDialog))
        text = " ".join(shown(app).replace("│", "").split())
        assert "Another training is running on this machine." in text
        assert "cores and" in text
        assert "GiB of free memory" in text
        await pilot.press("enter")  # by habit
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        assert not app.is_training
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ConfirmDialog))
        await pilot.press("s")
        await until(pilot, lambda: app.training.history.steps > 2)
        app.training.stop()
        await ended(app, pilot)

    drive(workspace, script, size=(120, 40), screen_name="runs", furthest_screen="review")


def test_a_note_is_written_changed_and_left_alone(workspace: Path) -> None:
    run = only(workspace)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await listed(app, pilot)
        for keys, note in ((("a", "enter"), "a"), (("b", "escape"), "a"), (("b", "enter"), "ab")):
            await pilot.press("n")
            await until(pilot, lambda: isinstance(app.screen, RunNoteDialog))
            await pilot.press(*keys)
            await until(pilot, lambda: isinstance(app.screen, RunsScreen))
            await until_shown(app, pilot, f"Note: {note}")
            assert read_note(run) == note
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, RunNoteDialog))
        app.screen.query_one(Input).value = "x" * 501
        await pilot.press("enter")
        await until_shown(app, pilot, "at most 500")

    drive(workspace, script, screen_name="runs")


def test_a_run_that_another_process_trains_is_neither_deleted_nor_gone_on_with(locked: Path, workspace: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await listed(app, pilot)
        assert "running" in shown(app)
        for key in ("d", "e"):
            await pilot.press(key)
            await pilot.pause()
            assert isinstance(app.screen, RunsScreen)
            assert "It is training now" in shown(app)
        assert locked.is_dir()
        assert is_running(locked)

    drive(workspace, script, screen_name="runs")


def test_in_the_current_folder_a_run_is_known_by_its_path(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)

    async def script(app: Freezetui, pilot: Pilot[int], gate: PassGate) -> None:
        try:
            await listed(app, pilot)
            await pilot.press("enter")
            await held(pilot, gate)
            assert app.state.screen_name == "train"
            app.show_screen("runs")
            await until_shown(app, pilot, "Enter shows the training.")
            await pilot.press("enter")
            await until(pilot, lambda: app.state.screen_name == "train")
            app.training.stop()
        finally:
            gate.open()
        await ended(app, pilot)
        app.show_screen("runs")
        await until_shown(app, pilot, "stopped")
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, ConfirmDialog))
        await pilot.press("d")
        await until_shown(app, pilot, "No runs yet.")
        app.show_screen("train")
        await until_shown(app, pilot, "No training is running.", "Enter goes to Review.")

    with gated_passes(1) as gate:
        drive(Path(), lambda app, pilot: script(app, pilot, gate), screen_name="runs", furthest_screen="review")


def test_extending_trains_for_more_epochs(workspace: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await listed(app, pilot)
        await pilot.press("e")
        await pilot.pause()
        await pilot.press("3", "enter")
        await until(pilot, lambda: app.training.history.last_epoch == 2)
        app.training.stop()
        await ended(app, pilot)

    drive(workspace, script, screen_name="runs")
    assert list_runs(workspace)[0].last_epoch == 2


def test_escape_leads_back_to_where_one_came_from(workspace: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        app.show_screen("runs")
        await listed(app, pilot)
        await pilot.press("escape")
        assert app.state.screen_name == "hardware"

    drive(workspace, script, furthest_screen="review")


def test_the_path_is_copied(workspace: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await listed(app, pilot)
        await pilot.press("c")
        assert app.clipboard == str(only(workspace))

    drive(workspace, script, screen_name="runs")


def test_a_run_in_use_is_not_removed_by_the_engine_either(workspace: Path) -> None:
    from engine.messages import BadInput
    from engine.runs.delete import delete_run

    run = only(workspace)
    with run_lock(run), pytest.raises(BadInput, match="is training into this run"):
        delete_run(run)
    assert run.is_dir()


def test_detections_have_a_threshold_and_can_be_saved(workspace: Path, taught: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await listed(app, pilot)
        await pilot.press("w")
        await until(pilot, lambda: isinstance(app.screen, PredictionDialog))
        await pilot.press("enter")
        await until(pilot, lambda: UPPER_HALF in shown(app) and "at 0.50" in shown(app))
        await pilot.press("minus")
        await until(pilot, lambda: "at 0.45" in shown(app))
        await pilot.press("s")
        await until(pilot, lambda: len(list((taught / "detections").glob("*"))) == 1)

    drive(workspace, script, size=(120, 40), screen_name="runs", run=str(taught))


def test_one_run_alone_is_not_marked_for_a_comparison(workspace: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await listed(app, pilot)
        await pilot.press("m")
        await until(pilot, lambda: "so far there is only this one" in shown(app))
        assert "●" not in shown(app).split("\n", 1)[1]

    drive(workspace, script, screen_name="runs", furthest_screen="review")


def test_a_data_set_that_was_moved_is_chosen_and_the_run_goes_on(workspace: Path) -> None:
    (workspace / "data").rename(workspace / "moved")

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await listed(app, pilot)
        await until(pilot, lambda: "Enter resumes it." in shown(app))
        await pilot.press("enter")
        await until(
            pilot, lambda: "is not there" in " ".join(shown(app).split()) and "Enter chooses the folder" in shown(app)
        )
        assert "freezetui resume" not in shown(app), "that is for the command line"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, FolderPicker) and "Enter selects" in shown(app))
        app.screen.dismiss(workspace / "moved")
        await until(pilot, lambda: app.training.history.steps > 2)
        app.training.stop()
        await ended(app, pilot)

    drive(workspace, script, size=(120, 40), screen_name="runs", furthest_screen="review")
    assert "The data set is now in" in (only(workspace) / "events.jsonl").read_text(encoding="utf-8")


def test_a_batch_that_was_lowered_is_in_the_comparison_and_settings_have_the_names_of_the_form(
    two: tuple[Path, Path],
) -> None:
    set_language("en")
    comparison = compare(two)
    lowered = BatchChanged(time=0.0, stage="freeze", epoch=2, step=1, batch_size=4, init_lr=1e-3, min_lr=1e-5)
    comparison.left.history.apply(lowered)
    assert dict(result_rows(comparison.left))["batch size changed"] == "to 4 in epoch 3"
    assert setting_name("unfreeze_batch_size") == "batch, whole network  (unfreeze_batch_size)"
