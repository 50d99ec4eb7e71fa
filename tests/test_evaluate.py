"""`freezetui evaluate`: scores by size, mistakes, thresholds, and the folder with figures."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.dataset.formats import open_dataset
from engine.dataset.index import Dataset
from engine.dataset.sample_dataset import SAMPLE_CLASSES, draw_sample_dataset
from engine.evaluation.analysis import Analysis, analyse
from engine.evaluation.analysis_figures import FIGURES
from engine.evaluation.analysis_folder import new_folder, save_analysis
from engine.evaluation.detect import Detections, TrueBoxes
from engine.evaluation.evaluate import ImageResult
from engine.evaluation.figure_text import FigureTexts
from engine.evaluation.metrics import DetectionMetrics
from engine.evaluation.mistakes import Kind
from engine.export.export import export_weights
from engine.weights.native import info_of, save_weights
from tests.command import command
from tests.made_once import made_once
from tests.test_export import lively_network

IMAGES = 12


def _draw(folder: Path) -> None:
    draw_sample_dataset(folder / "data", IMAGES)
    network = lively_network("yolov4-tiny", len(SAMPLE_CLASSES))
    save_weights(folder / "lively.pth", network, info_of(network, SAMPLE_CLASSES, (64, 64)))


@pytest.fixture(scope="module")
def place() -> Path:
    """A drawn data set, and weights that find a lot of nonsense."""
    return made_once("evaluate", _draw)


@pytest.fixture(scope="module")
def dataset(place: Path) -> Dataset:
    return open_dataset(place / "data")


def arguments(place: Path, *more: str) -> list[str]:
    weights = str(place / "lively.pth")
    return ["evaluate", "--weights", weights, "--data", str(place / "data"), "--split", "train", *more]


def perfect(dataset: Dataset, classes: tuple[str, ...] | None = None, *, moved: float = 0.0) -> Analysis:
    """An analysis of detections that are the labels themselves, or `moved` to the right by so many of their widths."""
    metrics = DetectionMetrics(classes or dataset.classes)
    results = []
    for index in range(len(dataset.images)):
        boxes, labels = dataset.boxes_of(index)
        shift = np.zeros_like(boxes)
        shift[:, ::2] = (boxes[:, 2] - boxes[:, 0])[:, None] * moved
        found = Detections(boxes + shift, np.linspace(0.9, 0.8, len(boxes), dtype=np.float32), labels.astype(np.int32))
        truth = TrueBoxes(boxes, labels.astype(np.int32))
        metrics.add((480, 360), truth.boxes, truth.labels, found)
        results.append(ImageResult(index, found, truth))
    return analyse(metrics.result(), metrics.details(), dataset, "train", results)


# The command


def test_the_folder_has_figures_the_worst_images_and_everything_in_json(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "evaluation"
    done = command(*arguments(place, "--threshold", "0.05", "--save", str(out), "--json"))
    assert done.returncode == 0, done.stderr
    printed, stored = json.loads(done.stdout), json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    assert {path.name for path in out.iterdir()} == {*FIGURES, "evaluation.json", "worst_images"}
    for name in FIGURES:
        assert cv2.imread(str(out / name)) is not None
    assert printed.pop("saved") == str(out)
    assert {key: stored[key] for key in printed} == printed
    assert stored["threshold"] == 0.05
    assert set(stored["sizes"]) == {"small", "medium", "large"}
    assert sum(size["boxes"] for size in stored["sizes"].values()) >= sum(
        c["boxes"] for c in stored["per_class"].values()
    )

    counts = np.array(stored["confusion_matrix"]["counts"])
    assert stored["confusion_matrix"]["classes"] == [*stored["per_class"], "background"]
    assert counts[:-1].sum(axis=1).tolist() == [c["boxes"] for c in stored["per_class"].values()]
    for number, score in enumerate(stored["per_class"].values()):
        detected = counts[:, number].sum()
        assert score["precision"] == pytest.approx(counts[number, number] / detected if detected else 0)

    images = stored["images_worst_first"]
    assert len(images) == stored["images"]
    severities = [image["severity"] for image in images]
    assert severities == sorted(severities, reverse=True)
    for image in images:
        mistakes = sum(image["mistakes"].values())
        assert image["severity"] == pytest.approx(mistakes**2 / (mistakes + image["found"]), abs=1e-3)
    assert severities[0] > 0
    for kind in Kind:
        expected = stored["mistakes"][kind]
        assert sum(image["mistakes"][kind] for image in images) == expected
        assert sum(c["mistakes"][kind] for c in stored["per_class"].values()) == expected
    assert [Path(image["image"]).stem for image in images[:10]] == [
        path.stem.partition("_")[2] for path in sorted((out / "worst_images").iterdir())
    ]
    curves = stored["curves"]
    for name, curve in curves["per_class"].items():
        assert len(curve["precision"]) == len(curve["recall"]) == len(curve["f1"]) == len(curves["thresholds"])
        assert np.mean(curve["precision_at_recall"]) == pytest.approx(stored["per_class"][name]["ap50"], abs=1e-5)


def test_the_screen_has_sizes_mistakes_and_the_worst_images(place: Path) -> None:
    done = command(*arguments(place, "--threshold", "0.3"))
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0] for line in done.stdout.splitlines() if line}
    assert {*SAMPLE_CLASSES, "small,", "medium,", "large", "missed", "background"} <= rows
    assert "at confidence 0.3;" in done.stdout
    assert str(place / "data") in done.stdout[done.stdout.index("worst images") :]


def test_auto_is_the_threshold_of_the_best_f1(place: Path) -> None:
    result = json.loads(command(*arguments(place, "--json")).stdout)
    assert result["threshold"] == result["best_threshold"]
    other = json.loads(command(*arguments(place, "--threshold", "0.9", "--json")).stdout)
    assert (other["threshold"], other["best_threshold"]) == (0.9, result["best_threshold"])
    assert (other["map50"], other["sizes"]) == (result["map50"], result["sizes"])
    for name, score in result["per_class"].items():
        assert other["per_class"][name]["best_threshold"] == score["best_threshold"]


@pytest.mark.parametrize(
    ("given", "nearest"), [("0", "0.01"), ("1.5", "1"), ("-3", "0.01"), ("best", "auto"), ("nan", "auto")]
)
def test_a_threshold_that_is_none(place: Path, given: str, nearest: str) -> None:
    done = command(*arguments(place, "--threshold", given))
    assert done.returncode == 2
    assert f"--threshold {given}: this is not auto or a number from 0.01 to 1; did you mean {nearest}?" in done.stderr


def test_no_file_is_overwritten(place: Path, tmp_path: Path) -> None:
    (tmp_path / "evaluation.json").write_text("mine")
    done = command(*arguments(place, "--save", str(tmp_path)))
    assert done.returncode == 2
    assert f"--save {tmp_path}: this folder has files" in done.stderr
    assert f"{tmp_path}_2" in done.stderr
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]
    done = command(*arguments(place, "--save", str(tmp_path / "evaluation.json")))
    assert done.returncode == 2
    assert "name a new folder" in done.stderr


def test_an_empty_folder_is_used(place: Path, tmp_path: Path) -> None:
    assert command(*arguments(place, "--save", str(tmp_path))).returncode == 0
    assert (tmp_path / "evaluation.json").is_file()


def test_ctrl_c_leaves_no_folder(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(DetectionMetrics, "add", interrupt)
    out = tmp_path / "evaluation"
    done = command(*arguments(place, "--save", str(out)))
    assert done.returncode == 130
    assert (done.stdout, "Traceback" in done.stderr) == ("", False)
    assert not out.exists()


def test_ctrl_c_while_figures_are_drawn_leaves_no_file(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr("engine.evaluation.analysis_folder.FIGURES", {**FIGURES, "last.png": interrupt})
    out = tmp_path / "evaluation"
    with pytest.raises(KeyboardInterrupt), new_folder(out):
        save_analysis(out, perfect(dataset))
    assert not out.exists()


# Any weights, any classes


def test_weights_without_class_names_take_those_of_the_classes_file(place: Path, tmp_path: Path) -> None:
    export_weights(place / "lively.pth", "tutorial", tmp_path / "bare.pth")
    names = tmp_path / "classes.txt"
    names.write_text("\n".join(SAMPLE_CLASSES))
    words = ["evaluate", "--weights", str(tmp_path / "bare.pth"), "--data", str(place / "data"), "--split", "train"]
    done = command(*words, "--classes", str(names), "--json")
    assert done.returncode == 0, done.stderr
    assert tuple(json.loads(done.stdout)["per_class"]) == tuple(SAMPLE_CLASSES)
    done = command(*words)
    assert done.returncode == 2
    assert "--map" in done.stderr


def test_perfect_detections_have_no_mistakes(dataset: Dataset, tmp_path: Path) -> None:
    analysis = perfect(dataset)
    assert analysis.scores.map50_95 == 1
    assert not analysis.kinds
    assert not analysis.worst_images
    save_analysis(tmp_path, analysis)
    assert not (tmp_path / "worst_images").exists()


def test_detections_beside_their_objects_are_badly_placed(dataset: Dataset) -> None:
    analysis = perfect(dataset, moved=0.5)  # IoU 1/3
    assert analysis.kinds[Kind.BADLY_PLACED] > 0.5 * sum(analysis.kinds.values())


NAMES = ("$x^2$", "_hidden", "中文 名", "a" * 60, "\x1b[2J\n", "", "%d {0} \\frac", "𒀀")


@pytest.mark.parametrize("count", [8, 80])
def test_figures_draw_any_class_name_as_it_is(dataset: Dataset, count: int) -> None:
    classes = (*dataset.classes, *NAMES, *(f"class {number}" for number in range(count)))[: max(count, 11)]
    analysis = perfect(dataset, classes, moved=0.1)
    for draw in FIGURES.values():
        assert draw(analysis, FigureTexts()).startswith(b"\x89PNG")


def test_figures_are_in_the_users_language_if_a_font_has_its_letters() -> None:
    spanish = FigureTexts(lambda message: f"umbral {message.values['threshold']}")
    assert spanish("best at {threshold}", threshold="0.30") == "umbral 0.30"
    assert not spanish.lacks_font
    of_nobody = FigureTexts(lambda message: "\U000f1234")  # in a private area: no font of a system has it
    assert of_nobody("best at {threshold}", threshold="0.30") == "best at 0.30"
    assert of_nobody.lacks_font
