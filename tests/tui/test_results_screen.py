"""What came out of a real training, page by page."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from textual.containers import VerticalScroll
from textual.pilot import Pilot
from textual.widgets import DataTable, Digits, TabbedContent

from engine.dataset.formats import open_dataset
from engine.dataset.images import read_image
from engine.dataset.sample_dataset import SAMPLE_CLASSES
from engine.evaluation.detect import Detections, TrueBoxes
from engine.evaluation.evaluate import ImageResult
from engine.evaluation.metrics import ClassDetails, ClassScore, Details, Scores
from engine.evaluation.mistakes import Kind, Mistakes
from engine.evaluation.run_report import RunReport
from engine.evaluation.zero_map_checks import Check
from engine.messages import Message
from engine.runs.folder import BEST_WEIGHTS, DETECTIONS, LAST_WEIGHTS
from tests.small_training import copy_run, finished_workspace
from tests.tui.driving import Script, drive, shown, until, until_shown
from tui.app import Freezetui
from tui.screens.results import ResultsScreen
from tui.text.map_verdicts import describe_verdicts, map_verdict
from tui.widgets.terminal_image import UPPER_HALF
from tui.wizard.stored_run import evaluate_command, extend_command, read_stored_run


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is too short to find anything."""
    return copy_run(finished_workspace(), tmp_path_factory.mktemp("results"))


async def judged(app: Freezetui, pilot: Pilot[int]) -> ResultsScreen:
    screen = app.screen
    assert isinstance(screen, ResultsScreen)
    await until(pilot, lambda: screen.report is not None)
    return screen


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_every_page_of_a_run(trained: Path, language: str) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        screen = await judged(app, pilot)
        verdict = "Noobjectsaredetectedyet" if language == "en" else "目前什么也没检测到"
        await until(pilot, lambda: verdict in "".join(shown(app).split()))  # broken over lines
        await until(pilot, lambda: UPPER_HALF in shown(app))
        assert screen.query_one("#body", VerticalScroll).max_scroll_y == 0

        tabs = screen.query_one(TabbedContent)
        tabs.active = "page-weights"
        expected = (str(trained / BEST_WEIGHTS), str(trained / LAST_WEIGHTS))
        await until(pilot, lambda: all(text in "".join(shown(app).split()) for text in expected))

        tabs.active = "page-curves"
        await until(pilot, lambda: "mAP50" in shown(app) and any("⠀" < letter <= "⣿" for letter in shown(app)))

        tabs.active = "page-classes"
        await until_shown(app, pilot, *SAMPLE_CLASSES)
        assert screen.query_one("#scores", DataTable).row_count == len(SAMPLE_CLASSES)

        await pilot.press("n")
        await until(pilot, lambda: UPPER_HALF in shown(app))
        await until(pilot, lambda: "1/1" in shown(app))

        tabs.active = "page-next"
        await until_shown(app, pilot, "freezetui predict --weights")

    drive(
        trained.parent.parent,
        script,
        screen_name="results",
        furthest_screen="results",
        run=str(trained),
        language=language,
    )


def test_enter_alone_leads_to_a_picture_through_every_page_and_to_the_runs(trained: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        screen = await judged(app, pilot)
        pages = ("Weights", "Images", "Classes", "Curves", "Next steps")
        for page in pages:
            await until(pilot, lambda page=page: f"Enter shows the next page: {page}." in shown(app))  # type: ignore[misc]
            await pilot.press("enter")
            if page == "Images":
                await until(pilot, lambda: UPPER_HALF in shown(app))
            if page == "Weights":
                await until_shown(app, pilot, "n images")  # not "next image": this page has none
        assert screen.query_one(TabbedContent).active == "page-next"
        await until_shown(app, pilot, "Enter shows all runs.", "⏎ runs")
        await pilot.press("enter")
        assert app.state.screen_name == "runs"

    drive(trained.parent.parent, script, screen_name="results", furthest_screen="results", run=str(trained))


def test_the_path_of_the_best_weights_is_copied(trained: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: trained.name in shown(app))
        await pilot.press("c")
        assert app.clipboard == str(trained / BEST_WEIGHTS)

    drive(trained.parent.parent, script, screen_name="results", furthest_screen="results", run=str(trained))


def test_a_run_that_is_gone_is_named(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "there is no such run" in shown(app))
        assert "no longer exists" in shown(app)
        assert "Reading ..." not in shown(app)

    drive(tmp_path, script, screen_name="results", run="loss_2020_01_01_00_00_00")


def test_without_a_run_it_says_so(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "No runs yet." in shown(app))

    drive(tmp_path, script, screen_name="results")


def scored_report(
    boxes: int = 100, classes: tuple[str, ...] = ("cat", "dog", "cow"), *, checks: bool = False
) -> RunReport:
    """A report of given numbers: one image with `boxes` detections, of which the strongest is correct."""
    side = np.arange(boxes, dtype=np.float32)[:, None] % 40
    corners = np.hstack((side, side, side + 30, side + 20))
    scores = np.linspace(0.9, 0.06, boxes, dtype=np.float32)
    truth = TrueBoxes(np.array([[0, 0, 30, 20], [60, 40, 80, 60]], np.float32), np.array([0, 1], np.int32))
    image = ImageResult(0, Detections(corners, scores, np.zeros(boxes, np.int32)), truth)
    per_class = {
        name: ClassScore(ap50, ap50 / 2, 10, 0.5, 0.5, 0.5)
        for name, ap50 in zip(classes, (0.95, 0.4, 0.7), strict=False)
    }
    reasons = (Check(True, Message("", "10 steps so far.")),) if checks else ()
    dataset = open_dataset(finished_workspace() / "data")
    return RunReport(
        "val",
        Scores(1, 0.683, 0.342, per_class, 0.25),
        (image,),
        reasons,
        (image,),
        Mistakes(1, 1, boxes - 1),
        {},
        made_details(classes),
        np.diag([5] * (len(classes) + 1)),
        dataset,
        classes,
    )


def made_details(classes: tuple[str, ...]) -> Details:
    """The curves of classes whose precision rises with the threshold, while their recall falls."""
    thresholds, recalls = np.linspace(0.01, 0.99, 99), np.linspace(0, 1, 101)
    per_class = {
        name: ClassDetails(
            {}, 0.3 + number / 10, thresholds, 1 - thresholds, thresholds * (1 - thresholds) * 2, 1 - recalls
        )
        for number, name in enumerate(classes)
    }
    return Details({}, 0.25, thresholds, recalls, per_class)


def with_report(trained: Path, report: RunReport, script: Script, size: tuple[int, int] = (120, 40)) -> None:
    """Run `script` on the Results screen of a run that has this report."""
    with mock.patch("engine.evaluation.run_report.run_report", return_value=report):
        drive(
            trained.parent.parent, script, size=size, screen_name="results", furthest_screen="results", run=str(trained)
        )


def test_results_open_on_map_a_word_the_weakest_classes_and_an_image(trained: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await judged(app, pilot)
        await until_shown(app, pilot, "mAP50: usable", "mAP50-95: 0.342", "1 image (val)", UPPER_HALF)
        assert app.screen.query_one(Digits).value == "0.683"
        rows = [line for line in shown(app).splitlines() if any(f" {name} " in line for name in ("cat", "dog", "cow"))]
        bars = [row for row in rows if "█" in row]
        assert [next(name for name in ("cat", "dog", "cow") if f" {name} " in row) for row in bars] == [
            "dog",
            "cow",
            "cat",
        ]
        assert "0.40" in bars[0]

    with_report(trained, scored_report(), script)


@pytest.mark.parametrize(
    ("map50", "word"),
    [
        (1.0, "excellent"),
        (0.9, "excellent"),
        (0.89, "good"),
        (0.5, "usable"),
        (0.05, "weak"),
        (0.04, "nothing yet"),
        (0.0, "nothing yet"),
    ],
)
def test_the_word_for_map(map50: float, word: str) -> None:
    assert map_verdict(map50).word == word
    assert word in describe_verdicts()


def test_the_weaker_boxes_are_counted_and_the_threshold_has_keys(trained: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await judged(app, pilot)
        await until_shown(app, pilot, "30 boxes at 0.25 and 47 weaker ones", "1 of 2 objects found, 76 boxes wrong")
        for _ in range(6):
            await pilot.press("minus")
        await until_shown(app, pilot, "30 boxes at 0.05 and 70 weaker ones")
        await pilot.press("plus")
        await until_shown(app, pilot, "boxes at 0.10")
        for _ in range(20):
            await pilot.press("plus")
        await until_shown(app, pilot, "0 boxes at 0.95", "no objects detected", "0 of 2 objects found")

    with_report(trained, scored_report(), script)


def test_each_box_has_its_class_and_confidence_and_the_labels_are_a_key_away(trained: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await judged(app, pilot)
        await until_shown(app, pilot, "cat 0.90", "Detections")
        await pilot.press("t")
        await until(pilot, lambda: "Labels" in shown(app) and "cat 0.90" not in shown(app))
        await pilot.press("t")
        await until_shown(app, pilot, "cat 0.90")

    with_report(trained, scored_report(boxes=1), script, (80, 24))


def test_where_there_is_room_labels_and_detections_are_side_by_side(trained: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        screen = await judged(app, pilot)
        screen.query_one(TabbedContent).active = "page-images"
        await until_shown(app, pilot, "Labels", "Detections", "cat 0.90")
        (titles,) = [line for line in shown(app).splitlines() if "Labels" in line]
        assert titles.index("Labels") < titles.index("Detections")
        assert not screen.check_action("flip_labels", ())

    with_report(trained, scored_report(boxes=1), script)


def test_a_key_saves_the_image_beside_the_run_and_says_where(trained: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await judged(app, pilot)
        await until(pilot, lambda: UPPER_HALF in shown(app))
        folder = trained / DETECTIONS
        for count in (1, 2):
            await pilot.press("s")
            await until(pilot, lambda count=count: folder.is_dir() and len(list(folder.iterdir())) == count)  # type: ignore[misc]
        await until(pilot, lambda: any("Saved: " in note.message for note in app._notifications))
        assert all(read_image(path).ndim == 3 for path in folder.iterdir())

    with_report(trained, scored_report(boxes=3), script)


def test_next_steps_measure_on_other_data_and_name_the_workspace(trained: Path, tmp_path: Path) -> None:
    workspace = trained.parent.parent
    run = read_stored_run(trained, workspace)
    assert run.data not in evaluate_command(run)
    assert f"--workspace {workspace}" in (extend_command(run, workspace) or "")
    with contextlib.chdir(workspace):
        assert "--workspace" not in (extend_command(run, workspace) or "")


def test_escape_leads_back_to_runs_where_results_were_opened_from_there(trained: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: trained.name[-8:] in shown(app) or "finished" in shown(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ResultsScreen))
        await pilot.press("escape")
        assert app.state.screen_name == "runs"

    drive(trained.parent.parent, script, screen_name="runs", furthest_screen="results", run=str(trained))


def mistaken_report() -> RunReport:
    """Image 0 has an object that was missed; image 1 two boxes on the background and nothing to find."""
    corners = np.array([[0, 0, 30, 20]], np.float32)
    nothing = np.zeros((0, 4), np.float32)
    no_scores, no_labels = np.zeros(0, np.float32), np.zeros(0, np.int32)
    missed = ImageResult(0, Detections(nothing, no_scores, no_labels), TrueBoxes(corners, np.zeros(1, np.int32)))
    two = Detections(np.vstack((corners, corners + 60)), np.array([0.9, 0.8], np.float32), np.zeros(2, np.int32))
    background = ImageResult(1, two, TrueBoxes(nothing, no_labels))
    return replace(
        scored_report(),
        images=(background, missed),
        kinds={Kind.MISSED: 1, Kind.BACKGROUND: 2},
        images_by_kind={Kind.MISSED: (missed,), Kind.BACKGROUND: (background,)},
    )


def test_mistakes_are_browsed_by_kind(trained: Path) -> None:
    """M shows the images of one kind after another, and all images again."""
    report = mistaken_report()
    names = [report.prediction_of(image).path.name for image in report.images]  # background, missed

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        screen = await judged(app, pilot)
        await pilot.press("m")  # does nothing on the overview
        screen.query_one(TabbedContent).active = "page-images"
        await until_shown(app, pilot, "all images  missed 1  background 2", "m mistakes", f"1/2  {names[0]}")
        await pilot.press("m")
        await until_shown(app, pilot, f"1/1  {names[1]}", "0 of 1 object found")
        await pilot.press("m")
        await until_shown(app, pilot, f"1/1  {names[0]}", "2 boxes wrong")
        await pilot.press("m")
        await until_shown(app, pilot, f"1/2  {names[0]}")

    with_report(trained, report, script)


def test_curves_over_the_threshold_and_the_confusion_matrix_are_a_key_away(trained: Path) -> None:
    """V shows the next view, N each class alone, the weakest first."""

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        screen = await judged(app, pilot)
        screen.query_one(TabbedContent).active = "page-curves"
        await until_shown(app, pilot, "v next view", "n images")
        await pilot.press("v")
        await until_shown(app, pilot, "precision", "recall", "mean mAP50 0.683", "n next class")
        await pilot.press("n")
        await until(pilot, lambda: "dog AP50 0.400" in shown(app) and "mean mAP50" not in shown(app))
        await pilot.press("v")
        await until_shown(app, pilot, "dog", "best F1", "at 0.40", "confidence threshold")
        await pilot.press("v")
        await until_shown(app, pilot, "true ↓  detected →", "no object", "The most frequent confusions")
        await pilot.press("v")
        await until(pilot, lambda: "The most frequent confusions" not in shown(app))

    report = replace(scored_report(), confusion=np.array([[4, 1, 0, 5], [0, 3, 0, 0], [0, 0, 2, 0], [0, 7, 0, 0]]))
    with_report(trained, report, script)


def test_only_mistakes_of_the_kind_have_a_text(trained: Path) -> None:
    """Of the missed objects the labels are shown, where there is no room for both."""

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        screen = await judged(app, pilot)
        screen.query_one(TabbedContent).active = "page-images"
        await until_shown(app, pilot, "× cat 0.90", "Detections")
        await pilot.press("m")
        await until(pilot, lambda: "× cat" in shown(app) and "Labels" in shown(app) and "0.90" not in shown(app))
        await pilot.press("m")
        await until_shown(app, pilot, "× cat 0.90", "Detections")

    with_report(trained, mistaken_report(), script, (80, 24))
