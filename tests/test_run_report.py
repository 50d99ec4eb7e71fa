"""The results of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.evaluation.detect import Detections, TrueBoxes
from engine.evaluation.mistakes import Mistakes, count_mistakes, match_boxes
from engine.evaluation.run_report import run_report
from engine.evaluation.zero_map_checks import TrainingFacts
from engine.events import Evaluated, Event
from engine.runs.folder import load_plan, save_plan
from tests.small_training import only_run, prepare, train

FACTS = TrainingFacts(10, 400, frozen_only=False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Event]]:
    """A run in bf16 that was validated after each of its two epochs."""
    workspace = tmp_path_factory.mktemp("bf16")
    prepare(workspace, images=20)
    events = train(workspace, precision="bf16", eval_period=1, freeze_train=False, unfreeze_epoch=2)
    return only_run(workspace), events


def test_the_weights_have_the_scores_that_the_training_measured(trained: tuple[Path, list[Event]]) -> None:
    """A training in bf16 validated in bf16, and Results evaluated in fp32."""
    run, events = trained
    assert load_plan(run).precision == "bf16"
    best = [event for event in events if isinstance(event, Evaluated) and event.best][-1]
    scores = run_report(run, FACTS).scores
    assert (scores.map50, scores.map50_95) == (best.map50, best.map50_95)
    assert {name: score.ap50 for name, score in scores.per_class.items() if score.boxes} == dict(best.per_class)


def test_the_number_of_threads_is_that_of_the_training(trained: tuple[Path, list[Event]], tmp_path: Path) -> None:
    """With another number of threads sums are rounded differently."""
    run, _ = trained
    before = torch.get_num_threads()
    used: list[int] = []
    plan = load_plan(run)
    try:
        save_plan(run, replace(plan, threads=before + 1))
        run_report(run, FACTS, lambda done, total: used.append(torch.get_num_threads()))
    finally:
        save_plan(run, plan)
    assert set(used) == {before + 1}
    assert torch.get_num_threads() == before


def test_images_come_with_their_labels_the_worst_first(trained: tuple[Path, list[Event]]) -> None:
    run, _ = trained
    report = run_report(run, FACTS)
    assert len(report.images) == report.scores.images
    severities = [match_boxes(image.detections, image.truth, report.threshold).severity() for image in report.images]
    assert severities == sorted(severities, reverse=True)
    prediction = report.prediction(0)
    assert prediction.truth is not None
    assert len(prediction.truth.boxes)


def test_the_images_of_each_kind_of_mistake_have_it_those_with_the_most_first(
    trained: tuple[Path, list[Event]],
) -> None:
    report = run_report(trained[0], FACTS)
    assert set(report.images_by_kind) == set(report.kinds)
    for kind, images in report.images_by_kind.items():
        counts = [match_boxes(i.detections, i.truth, report.threshold).count_kinds()[kind] for i in images]
        assert counts == sorted(counts, reverse=True)
        assert min(counts) > 0
        assert sum(counts) == report.kinds[kind]


@pytest.mark.parametrize(("map50", "expected"), [(0.0, True), (0.049, True), (0.05, False)])
def test_reasons_are_looked_for_where_map_is_nearly_zero_too(
    trained: tuple[Path, list[Event]], monkeypatch: pytest.MonkeyPatch, map50: float, *, expected: bool
) -> None:
    from engine.evaluation import run_report as module

    def scored(*given: object, on_image: object, **more: object) -> object:
        evaluation = evaluate(*given, on_image=on_image, **more)
        return replace(evaluation, scores=replace(evaluation.scores, map50=map50, threshold=0.0))

    evaluate = module.evaluate
    monkeypatch.setattr(module, "evaluate", scored)
    assert bool(run_report(trained[0], FACTS).checks) is expected


def test_each_true_box_is_found_once() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [50, 50, 60, 60], [0, 0, 10, 10]], np.float32)
    detections = Detections(boxes, np.array([0.9, 0.8, 0.7, 0.1], np.float32), np.array([0, 0, 0, 1], np.int32))
    truth = TrueBoxes(np.array([[0, 0, 10, 10], [20, 20, 30, 30]], np.float32), np.array([0, 0], np.int32))
    assert count_mistakes(detections, truth, 0.5) == Mistakes(found=1, missed=1, wrong=2)
    assert count_mistakes(detections, truth, 0.95) == Mistakes(found=0, missed=2, wrong=0)
    assert count_mistakes(detections, TrueBoxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int32)), 0.05).wrong == 4
