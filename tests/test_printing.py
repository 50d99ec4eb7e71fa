"""What a training prints, and what a reader that goes away ends."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.events import (
    CheckpointSaved,
    Evaluated,
    Event,
    Failed,
    Finished,
    ImageSkipped,
    LossNotFinite,
    OutOfMemory,
    Paused,
    RunStarted,
    StageStarted,
    Stopped,
    WeightsLoaded,
)
from engine.messages import phrase
from engine.runs.summary import list_runs
from tests.made_events import STARTED, epoch, step
from tests.small_training import arguments, only_run, prepare, start_freezetui
from tui.cli.printers import BarPrinter, JsonPrinter, LinePrinter, event_text
from tui.wizard.run_history import RunHistory


def test_json_is_one_event_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with JsonPrinter() as printer:
        for event in (STARTED, step(3), epoch(0)):
            printer.show(event)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["run_started", "step", "epoch_finished"]
    assert lines[1]["loss"] == 1.0


def test_a_log_has_no_line_for_single_steps(capsys: pytest.CaptureFixture[str]) -> None:
    history = RunHistory()
    history.apply(replace(STARTED, plan={"stages": [{"name": "freeze", "first_epoch": 0, "last_epoch": 139}]}))
    with LinePrinter(history) as printer:
        for event in (STARTED, step(0), epoch(46), step(1)):
            printer.show(event)
    assert capsys.readouterr().out.splitlines() == [
        "Training in logs/loss_x",
        "Epoch 47/140: train loss 0.2500, validation loss 0.5000 (1 min 1 s).",
    ]


def test_the_bar_and_every_line_about_an_epoch_say_how_many_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    history = RunHistory()
    history.apply(replace(STARTED, plan={"stages": [{"name": "freeze", "first_epoch": 0, "last_epoch": 139}]}))
    with BarPrinter(history) as printer:
        for event in (step(0), Evaluated(epoch=46, map50=0.5, map50_95=0.25, best=False), Paused(epoch=2, step=3)):
            printer.show(event)
        (task,) = printer.tasks
    assert task.description == "epoch 1/140  freeze"
    printed = capsys.readouterr().out
    assert "Epoch 47/140: mAP50" in printed
    assert "epoch 3/140" in printed


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (
            WeightsLoaded(file="a.pth", kind="own", matched=3, total=4, skipped=(phrase("heads: 80 classes, not 3"),)),
            "heads: 80",
        ),
        (
            StageStarted(stage="freeze", epoch=0, batch_size=8, init_lr=0.01, min_lr=0.001),
            "the rest of the network is trained",
        ),
        (
            StageStarted(stage="unfreeze", epoch=3, batch_size=4, init_lr=0.01, min_lr=0.001),
            "the whole network is trained",
        ),
        (Evaluated(epoch=4, map50=0.5, map50_95=0.25, best=True), "mAP50 0.500, mAP50-95 0.250; the best so far"),
        (ImageSkipped(image="a.jpg", reason=phrase("a.jpg: the image is cut off.")), "cut off"),
        (Stopped(epoch=1, step=2, checkpoint="run/last.ckpt"), "freezetui resume run"),
        (
            Finished(run="r", best="b.pth", last="l.pth", map50=0.9, map50_95=0.5, seconds=3700.0),
            "Finished in 1 h 1 min",
        ),
    ],
)
def test_what_people_want_to_know_is_a_line(event: Event, words: str) -> None:
    assert words in str(event_text(event))


@pytest.mark.parametrize(
    "event",
    [
        step(0),
        CheckpointSaved(path="p", epoch=0, step=0, seconds=0.1),
        OutOfMemory(
            stage="freeze",
            epoch=0,
            step=0,
            batch_size=8,
            suggested_batch_size=4,
            where="cpu",
            during="training",
            checkpoint=None,
            message=phrase("m"),
        ),
        LossNotFinite(stage="freeze", epoch=0, step=0, images=(), message=phrase("m")),
        Failed(code="c", message=phrase("m"), exit_code=2, checkpoint=None),
    ],
)
def test_steps_are_no_line_and_bad_ends_go_to_standard_error_instead(event: Event) -> None:
    assert event_text(event) is None


def test_a_run_of_this_folder_is_resumed_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "logs" / "loss_1"
    stopped = Stopped(epoch=1, step=2, checkpoint=str(run / "last.ckpt"))
    assert str(event_text(stopped)).endswith(f"freezetui resume {run}")
    monkeypatch.chdir(tmp_path)
    assert str(event_text(stopped)).endswith("freezetui resume loss_1")


def test_names_from_outside_are_shown_without_control_characters() -> None:
    shown = [
        event_text(RunStarted(run="a\x1b[31mb", plan={}, epoch=0, step=0, continued=True)),
        event_text(ImageSkipped(image="i", reason=phrase("{file} is cut off", file="\x9b2J.jpg"))),
        event_text(
            WeightsLoaded(
                file="w\x07", kind="own", matched=1, total=1, skipped=(phrase("{name}", name="\x1b]0;title"),)
            )
        ),
    ]
    assert not any(c in str(text) for text in shown for c in "\x1b\x9b\x07")


def test_the_bar_shows_lines_above_it_with_brackets_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    with BarPrinter(RunHistory()) as printer:
        for event in (
            STARTED,
            *map(step, range(5)),
            ImageSkipped(image="i", reason=phrase("[bold]name[/bold].jpg is cut off")),
        ):
            printer.show(event)
    assert "[bold]name[/bold].jpg is cut off" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--json"], []], ids=["json", "lines"])
def test_a_reader_that_goes_away_ends_the_printing_and_not_the_training(tmp_path: Path, words: list[str]) -> None:
    prepare(tmp_path, images=8)
    training = start_freezetui(*arguments(tmp_path, freeze_epoch=1, unfreeze_epoch=1), *words)
    assert training.stdout is not None
    assert training.stderr is not None
    training.stdout.readline()
    training.stdout.close()
    errors = training.stderr.read()
    training.stderr.close()
    assert training.wait() == 0, errors
    assert errors == ""
    summary: Any = list_runs(tmp_path)[0]
    assert summary.state == "finished"
    assert (only_run(tmp_path) / "last_epoch_weights.pth").is_file()


def test_a_table_whose_reader_is_gone_is_no_failure(tmp_path: Path) -> None:
    listing = start_freezetui("presets")
    assert listing.stdout is not None
    listing.stdout.close()
    _, errors = listing.communicate()
    assert (listing.returncode, errors) == (0, "")
