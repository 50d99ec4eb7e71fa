"""The report of a run: one HTML file; and two runs side by side."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from engine.evaluation.detect import Detections, TrueBoxes
from engine.evaluation.mistakes import Kind, Mistakes, count_mistakes, sum_mistakes
from engine.evaluation.predict import Prediction
from engine.evaluation.report_images import MAX_SIDE, ReportBox, ReportImage, report_image
from engine.evaluation.run_report import MAX_SAMPLES
from engine.runs.folder import load_plan, save_plan
from engine.runs.note import write_note
from engine.runs.summary import RunSummary
from tests.command import command
from tests.small_training import copy_run, finished_workspace
from tests.untranslated_words import untranslated_words
from tui.cli.terminal_plot import HEIGHT, plot_curves
from tui.report.chart import Line, Mark, line_chart
from tui.report.content import ReportContent, read_content, repeat_command
from tui.report.elements import document, element
from tui.report.page import render_report
from tui.text import set_language

HOSTILE = "<script>alert(1)</script>\"'&<img src=x onerror=alert(1)>"


class Page(HTMLParser):
    """The elements of a page with their attributes, and its text without styles."""

    VOID = frozenset({"meta", "br", "img", "link", "input"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    @property
    def text(self) -> str:
        return " ".join(self.texts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    def tags(self) -> set[str]:
        return {tag for tag, _attributes in self.elements}

    def values(self, *names: str) -> list[str]:
        return [
            value or "" for _tag, attributes in self.elements for name, value in attributes.items() if name in names
        ]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With one finished run."""
    folder = tmp_path_factory.mktemp("reported")
    copy_run(finished_workspace(), folder, link=True)
    return folder


@pytest.fixture(scope="module")
def run(workspace: Path) -> Path:
    (folder,) = (workspace / "logs").iterdir()
    return folder


@pytest.fixture(scope="module")
def content(run: Path, workspace: Path) -> ReportContent:
    return read_content(run, workspace)


def test_the_report_is_one_file_that_needs_nothing_else(run: Path, workspace: Path, content: ReportContent) -> None:
    done = command("report", run.name, "--workspace", str(workspace))
    assert (done.returncode, done.stderr) == (0, "")
    page = Page((run / "report.html").read_text(encoding="utf-8"))
    assert not page.open
    assert not page.tags() & {"script", "link", "iframe", "object", "embed", "base"}
    assert all(value.startswith(("#", "data:image/")) for value in page.values("href", "src", "xlink:href"))
    assert not any("url(" in value or "@import" in value for value in page.values("style"))
    style = (run / "report.html").read_text(encoding="utf-8").partition("<style>")[2].partition("</style>")[0]
    assert "@page" in style
    assert "@media print" in style
    assert "url(" not in style
    assert not any(name.startswith("on") for _tag, attributes in page.elements for name in attributes)
    assert any(value.startswith("default-src 'none'") for value in page.values("content"))
    (run / "report.html").unlink()


def test_it_shows_the_results_the_settings_and_the_machine(content: ReportContent) -> None:
    page = Page(render_report(content))
    assert content.results is not None
    scores = content.results.measured.scores
    assert f"{scores.map50:.3f}" in page.text
    assert all(name in page.text for name in content.plan.classes)
    assert all(name in page.text for name in content.plan.recipe.relevant_settings() if name != "format_version")
    assert content.environment is not None
    for value in (content.environment.torch, content.environment.instruction_set, content.plan.data.path):
        assert value in page.text
    for words in ("predict --weights", "evaluate --weights", "export --weights", "label --weights", "train --preset"):
        assert f"freezetui {words}" in page.text
    assert sum(tag == "polyline" for tag, _attributes in page.elements) >= 4
    assert page.values("href").count("#image-0") + len(content.results.images) > 0
    shown = {value for value in page.values("href") if value.startswith("#image-")}
    assert shown == {f"#image-{number}" for number in content.results.images}
    assert sum(value.startswith("data:image/jpeg;base64,") for value in page.values("href")) == len(shown)


def test_the_same_run_gives_the_same_report(content: ReportContent, run: Path, workspace: Path) -> None:
    assert render_report(content) == render_report(read_content(run, workspace))


def hostile_content(content: ReportContent) -> ReportContent:
    """The report of a run whose names are markup."""
    assert content.results is not None
    box = ReportBox((1.0, 2.0, 30.0, 40.0), HOSTILE, (255, 0, 0), Kind.DOUBLE, 0.5)
    image = ReportImage(HOSTILE, b"jpeg", 64, 64, (replace(box, confidence=None),), (box,), Mistakes(0, 1, 1))
    measured = content.results.measured
    score = next(iter(measured.scores.per_class.values()))
    scores = replace(
        measured.scores, per_class={HOSTILE: replace(score, boxes=3), f"{HOSTILE}2": replace(score, boxes=0)}
    )
    curves = next(iter(measured.details.per_class.values()))
    details = replace(measured.details, per_class=dict.fromkeys(scores.per_class, curves))
    results = replace(
        content.results,
        measured=replace(measured, scores=scores, details=details, confusion=np.eye(3, dtype=np.int64), split=HOSTILE),
        images={0: image},
        worst=(0,),
        samples=(0,),
    )
    summary: RunSummary = replace(content.run.summary, name=HOSTILE, note=HOSTILE, data=HOSTILE)
    source = replace(content.plan.data, path=HOSTILE, mapping={HOSTILE: HOSTILE})
    return replace(
        content,
        run=replace(content.run, summary=summary, folder=Path(HOSTILE.replace("/", ""))),
        plan=replace(content.plan, classes=(HOSTILE,), data=source, preset=HOSTILE, weights=HOSTILE),
        results=results,
        events=((0.0, HOSTILE),),
    )


def test_names_and_notes_never_become_markup(content: ReportContent) -> None:
    text = render_report(hostile_content(content))
    page = Page(text)
    assert not page.open
    assert not page.tags() & {"script", "img"}
    assert not any(name.startswith("on") for _tag, attributes in page.elements for name in attributes)
    assert page.text.count(HOSTILE) >= 8
    assert any(HOSTILE in value for value in page.values("aria-label"))


def test_control_characters_do_not_reach_the_page() -> None:
    text = document(element("head"), element("body", "a\x1b[31mb\x00\u202e\udc80", title="c\x07"), "en")
    assert "a�[31mb���" in text
    assert 'title="c�"' in text
    text.encode("utf-8")


def test_settings_that_differ_from_the_preset_are_marked(content: ReportContent, run: Path, workspace: Path) -> None:
    plan = load_plan(run)
    try:
        save_plan(run, replace(plan, preset="quick-cpu"))
        changed = read_content(run, workspace).changed
    finally:
        save_plan(run, plan)
    assert "input_shape" in changed
    assert "momentum" not in changed
    page = Page(render_report(replace(content, changed={"seed": 5}, plan=replace(plan, preset="gone"), preset=None)))
    assert "● 11" in page.text
    assert "gone" in page.text


def test_the_command_repeats_the_training(content: ReportContent, workspace: Path) -> None:
    words = shlex.split(repeat_command(content.plan, workspace))
    assert words[:2] == ["freezetui", "train"]
    again = json.loads(command("plan", *words[2:], "--no-dry-run", "--json").stdout)
    plan = content.plan.to_json()
    assert again["recipe"] == plan["recipe"]
    assert [stage["batch_size"] for stage in again["stages"]] == [stage["batch_size"] for stage in plan["stages"]]


def test_an_automatic_batch_size_is_repeated_as_a_number(content: ReportContent, workspace: Path) -> None:
    plan = content.plan
    automatic = replace(plan, recipe=plan.recipe.model_copy(update={"unfreeze_batch_size": "auto"}))
    words = shlex.split(repeat_command(automatic, workspace))
    assert f"unfreeze_batch_size={plan.stages[-1].batch_size}" in words


def test_a_run_is_not_compared_with_itself(run: Path, workspace: Path) -> None:
    refused = command("report", run.name, "--compare", str(run), "--workspace", str(workspace))
    assert refused.returncode == 2
    assert refused.stderr == f"--compare {run}: this is the run of the report itself; name another one.\n"


def test_no_file_is_replaced_without_force_but_the_report_in_the_run(
    run: Path, workspace: Path, tmp_path: Path
) -> None:
    words = ("report", str(run), "--workspace", str(workspace))
    out = tmp_path / "report.html"
    out.write_text("mine")
    refused = command(*words, "--out", str(out))
    assert (refused.returncode, out.read_text()) == (2, "mine")
    assert "--force" in refused.stderr
    for path in (tmp_path, tmp_path / "none" / "report.html"):
        assert command(*words, "--out", str(path)).returncode == 2
    done = command(*words, "--out", str(out), "--force", "--json")
    assert json.loads(done.stdout)["path"] == str(out)
    assert out.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    (run / "report.html").write_text("old")
    assert command(*words).returncode == 0
    assert (run / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_run_without_its_data_set_has_a_report_that_says_so(run: Path, workspace: Path, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    copy = logs / run.name
    shutil.copytree(run, copy)
    plan = load_plan(copy)
    save_plan(copy, replace(plan, data=replace(plan.data, path=str(tmp_path / "gone"))))
    done = command("report", str(copy), "--workspace", str(tmp_path), "--json")
    assert done.returncode == 0
    printed = json.loads(done.stdout)
    assert printed["scores"] is None
    assert len(printed["problems"]) == 1
    assert "gone" in done.stderr
    page = Page((copy / "report.html").read_text(encoding="utf-8"))
    assert "were not measured" in page.text
    assert "data:image" not in " ".join(page.values("href"))
    (copy / "best_epoch_weights.pth").unlink()
    assert "no weights were saved yet" in command("report", str(copy), "--workspace", str(tmp_path)).stderr


def test_every_word_of_the_page_comes_from_the_catalogue(content: ReportContent, workspace: Path) -> None:
    set_language("pseudo")
    try:
        text = render_report(replace(content, events=()))
    finally:
        set_language("en")
    page = Page(text)
    assert page.elements[0] == ("html", {"lang": "pseudo"})
    assert content.environment is not None
    values = content.environment.model_dump().values()
    images = () if content.results is None else (image.name for image in content.results.images.values())
    names = (
        content.run.summary.name,
        content.plan.weights,
        "start.pth",
        str(workspace),
        *map(str, values),
        *images,
        *content.plan.classes,
        "OpenCV",
        "NumPy",
    )
    shown = re.sub(r"⟦?freezetui [a-z]+ -[^⟦⟧]*", " ", page.text)
    words = untranslated_words(shown, data=sorted(map(str, filter(None, names)), key=len, reverse=True))
    assert set(words) <= {"AP50", "AP50-95", "mAP50-95", "F1", "data", "train", "val", "test"}


def test_a_second_run_is_compared_in_the_report(run: Path, workspace: Path, tmp_path: Path) -> None:
    content = read_content(run, workspace, other=run)
    page = Page(render_report(content))
    assert "only an interruption can differ" in page.text
    assert page.values("stroke-dasharray")


# Images


def test_an_image_is_small_and_marks_what_is_wrong() -> None:
    truth = TrueBoxes(np.array([[0, 0, 100, 100], [500, 500, 600, 600]], np.float32), np.array([0, 1], np.int32))
    boxes = np.array([[0, 0, 100, 100], [10, 0, 110, 100], [300, 300, 400, 400]], np.float32)
    found = Detections(boxes, np.array([0.9, 0.8, 0.2], np.float32), np.zeros(3, np.int32))
    pixels = np.zeros((480, 960, 3), np.uint8)
    image = report_image(Prediction(Path("folder/a.png"), pixels, found, ("ball", "star"), truth), 0.5)
    assert (image.name, image.width, image.height) == ("a.png", MAX_SIDE, MAX_SIDE // 2)
    assert image.jpeg.startswith(b"\xff\xd8")
    assert [(box.class_name, box.mistake) for box in image.true_boxes] == [("ball", None), ("star", Kind.MISSED)]
    assert [box.mistake for box in image.detected_boxes] == [None, Kind.DOUBLE]
    assert image.detected_boxes[1].corners == (5.0, 0.0, 55.0, 50.0)
    assert image.mistakes == Mistakes(found=1, missed=1, wrong=1)


def test_the_mistakes_of_all_images_are_counted(content: ReportContent) -> None:
    assert content.results is not None
    measured = content.results.measured
    each = [count_mistakes(image.detections, image.truth, measured.threshold) for image in measured.images]
    assert measured.mistakes == sum_mistakes(each)
    assert len(measured.samples) == min(MAX_SAMPLES, measured.scores.images)


# Charts


def test_a_chart_has_values_on_both_axes_the_border_and_the_best_value() -> None:
    lines = [Line("train", [(1.0, 0.4), (2.0, 0.2)], "red"), Line("val", [(1.0, 0.5)], "blue", is_dashed=True)]
    figure = line_chart("loss", lines, x_title="epoch", border=(1.0, "all"), marks=[Mark((2.0, 0.2), "0.2", "red")])
    page = Page(document(element("head"), figure, "en"))
    for text in ("0.2", "0.4", "1", "2", "epoch", "train", "val", "all", "loss"):
        assert text in page.texts
    assert sum(tag == "polyline" for tag, _attributes in page.elements) == 1


@pytest.mark.parametrize("points", [[(1.0, 0.5)], [(1.0, 0.0), (2.0, 0.0)], [(0.0, -1.0)], [(1.0, 1e-9), (2.0, 3e7)]])
def test_any_curve_can_be_drawn(points: list[tuple[float, float]]) -> None:
    page = Page(document(element("head"), line_chart("x", [Line("", points, "red")], x_title="e"), "en"))
    numbers = [float(value) for value in page.values("x", "y", "cx", "cy", "x1", "x2", "y1", "y2")]
    assert all(-1 <= number <= 500 for number in numbers)
    assert len([text for text in page.texts if re.fullmatch(r"[-\d.e+]+", text)]) >= 3


# Two runs side by side


@pytest.fixture(scope="module")
def two_runs(run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A workspace, a run in it, and a copy with another learning rate and other classes."""
    workspace = tmp_path_factory.mktemp("two")
    first, second = workspace / "logs" / "loss_a", workspace / "logs" / "loss_b"
    for folder in (first, second):
        shutil.copytree(run, folder)
    plan = load_plan(second)
    recipe = plan.recipe.model_copy(update={"momentum": 0.8})
    save_plan(second, replace(plan, recipe=recipe, classes=("x", "y", "z")))
    write_note(second, "another")
    return workspace, first, second


def test_two_runs_are_compared_as_a_table(two_runs: tuple[Path, Path, Path]) -> None:
    workspace, first, second = two_runs
    done = command("runs", "compare", first.name, second.name, "--workspace", str(workspace))
    assert done.returncode == 0
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["run", "loss_a", "loss_b"] in rows
    assert ["momentum", "0.9", "0.8"] in rows
    assert ["note", "another"] in rows
    assert not any(row[:1] == ["seed"] for row in rows)
    assert "classes differ" in done.stderr
    same = command("runs", "--workspace", str(workspace), "compare", first.name, first.name)
    assert "only an interruption can differ" in same.stdout
    assert same.stderr == ""


def test_the_comparison_for_programs_has_the_curves(two_runs: tuple[Path, Path, Path]) -> None:
    workspace, first, second = two_runs
    printed = json.loads(command("runs", "compare", str(first), str(second), "--json").stdout)
    assert printed["settings"] == {"momentum": [0.9, 0.8]}
    assert printed["limits"] == ["classes"]
    assert [run["name"] for run in printed["runs"]] == ["loss_a", "loss_b"]
    assert [epoch for epoch, _loss in printed["runs"][0]["val_loss"]] == [0, 1, 2]
    assert [epoch for epoch, _loss in printed["runs"][0]["train_loss"]] == [0, 1, 2]
    assert all(len(row) == 3 for row in printed["runs"][0]["map"])
    refused = command("runs", "compare", "loss_a", "loss_c", "--workspace", str(workspace))
    assert refused.returncode == 2
    assert "did you mean" in refused.stderr


def test_curves_are_plotted_in_characters() -> None:
    lines = list(plot_curves([[(1.0, 0.0), (3.0, 1.0)], [(1.0, 1.0), (3.0, 0.0)]], 60, "epoch"))
    assert len(lines) == HEIGHT + 2
    assert all(len(line) <= 60 for line in lines)
    assert lines[0].startswith("       1 |2")
    assert lines[0].endswith("1")
    assert lines[HEIGHT - 1].startswith("       0 |1")
    assert any("+" in line for line in lines[:HEIGHT])
    assert "epoch" in lines[-1]
    assert list(plot_curves([[], []], 60, "epoch")) == []
    assert len(list(plot_curves([[(1.0, 0.5)], []], 10, "epoch"))) == HEIGHT + 2
