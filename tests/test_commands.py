"""The commands as a user types them: output, exit codes, hostile input."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from engine.dataset.sample_dataset import draw_sample_dataset
from tests.command import command
from tests.small_training import arguments, child_environment, finished_workspace, freezetui, only_run, prepare


@pytest.fixture(scope="module")
def workspace() -> Path:
    """Data, weights, and one finished run."""
    return finished_workspace()


def test_a_run_folder_holds_everything(workspace: Path) -> None:
    run = only_run(workspace)
    names = {path.name for path in run.iterdir()}
    assert {
        "recipe.toml", "plan.json", "classes.txt", "dataset.json", "events.jsonl", "epoch_loss.txt",
        "epoch_val_loss.txt", "epoch_map.txt", "epoch_loss.png", "epoch_map.png", "best_epoch_weights.pth",
        "last_epoch_weights.pth", "last.ckpt", "previous.ckpt",
    } <= names  # fmt: skip
    assert any(name.startswith("events.out.tfevents") for name in names)
    assert any(name.startswith("ep002-loss") for name in names)


def test_plan_starts_nothing_and_prints_json(workspace: Path) -> None:
    words = arguments(workspace)[1:]
    done = command("plan", *words, "--json")
    plan = json.loads(done.stdout)
    assert [stage["name"] for stage in plan["stages"]] == ["freeze", "unfreeze"]
    assert plan["total_steps"] == sum(
        (s["last_epoch"] - s["first_epoch"] + 1) * s["steps_per_epoch"] for s in plan["stages"]
    )
    assert len(list((workspace / "logs").iterdir())) == 1


def test_weights_beyond_the_freeze_stage_skip_it(workspace: Path) -> None:
    done = command("plan", *arguments(workspace, init_epoch=2)[1:], "--no-dry-run", "--json")
    assert [stage["name"] for stage in json.loads(done.stdout)["stages"]] == ["unfreeze"]


def test_runs_lists_what_is_there(workspace: Path) -> None:
    listed = json.loads(command("runs", "--workspace", str(workspace), "--json").stdout)
    assert [(run["state"], run["epoch"], run["last_epoch"]) for run in listed] == [("finished", 2, 2)]


def test_evaluate_and_predict_in_their_json(workspace: Path, tmp_path: Path) -> None:
    weights = str(only_run(workspace) / "best_epoch_weights.pth")
    scores = json.loads(command("evaluate", "--weights", weights, "--data", str(workspace / "data"), "--json").stdout)
    assert set(scores["per_class"]) == {"ball", "crate", "star"}
    assert 0 <= scores["map50"] <= 1
    images = tmp_path / "two words"
    draw_sample_dataset(images, 2)
    done = command("predict", "--weights", weights, str(images), "--save", str(tmp_path / "out"), "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["width"], line["height"]) for line in lines] == [(480, 360)] * 2
    assert len(list((tmp_path / "out").rglob("*.jpg"))) == 2, "in the subfolders that they come from"


def test_a_class_without_a_box_in_the_split_has_no_score(workspace: Path, tmp_path: Path) -> None:
    weights = str(only_run(workspace) / "best_epoch_weights.pth")
    root = draw_sample_dataset(tmp_path, 8)
    for label in (root / "Annotations").iterdir():
        label.write_text(label.read_text().replace("<name>star</name>", "<name>ball</name>"))
    names = tmp_path / "names.txt"
    names.write_text("ball\ncrate\nstar\n")
    done = command("evaluate", "--weights", weights, "--data", str(root), "--classes", str(names))
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line}
    assert rows["star"] == ["0"]
    assert len(rows["ball"]) == 6


def test_resuming_weights_says_what_they_cannot_restore(workspace: Path) -> None:
    done = command("resume", str(only_run(workspace) / "last_epoch_weights.pth"))
    assert done.returncode == 2
    assert "cannot be resumed from weights alone" in done.stderr


def test_a_setting_that_makes_the_run_what_it_is_cannot_be_changed(workspace: Path) -> None:
    done = command("resume", str(only_run(workspace)), "--set", "seed=5")
    assert done.returncode == 2
    assert "--set seed" in done.stderr


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("trap_has_sprung",)


def test_code_in_weights_is_refused_and_never_run(workspace: Path, tmp_path: Path) -> None:
    hostile = tmp_path / "hostile.pth"
    for protocol in (2, 4):
        hostile.write_bytes(pickle.dumps(Trap(), protocol=protocol))
        done = command("predict", "--weights", str(hostile), str(workspace / "data"), cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert "Traceback" not in done.stderr
    torch.save(Trap(), hostile)
    done = command("train", "--data", str(workspace / "data"), "--set", f"model_path={hostile}", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "trap_has_sprung").exists()


BOMB = """<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]>
<annotation><object><name>&c;</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>
</annotation>"""


def test_dirty_and_hostile_labels_are_findings(tmp_path: Path) -> None:
    root = draw_sample_dataset(tmp_path, 8)
    annotations, images = root / "Annotations", root / "JPEGImages"
    (annotations / "000000.xml").write_text(BOMB)
    image = images / "000001.jpg"
    image.write_bytes(image.read_bytes()[:2000])
    label = annotations / "000002.xml"
    label.write_text(label.read_text().replace("<name>", "<name>[red]\x9b31m", 1))
    label = annotations / "000003.xml"
    box = "<object><name>ball</name><bndbox><xmin>5</xmin><ymin>5</ymin><xmax>5</xmax><ymax>9</ymax></bndbox></object>"
    label.write_text(label.read_text().replace("</annotation>", box + "</annotation>"))
    with (root / "ImageSets" / "Main" / "train.txt").open("a") as names:
        names.write("../../../etc/passwd\n")
    done = command("data", "check", str(tmp_path), "--json")
    codes = {finding["code"] for finding in json.loads(done.stdout)["findings"]}
    assert {"label.unsafe_xml", "image.truncated", "label.zero_size", "label.outside_dataset"} <= codes
    assert done.returncode == 2
    plain = command("data", "check", str(tmp_path))
    assert plain.returncode == 2
    assert f"freezetui data check {tmp_path} --fix FOLDER" in plain.stdout
    assert "1 of these images cannot be read" in plain.stdout
    assert "[red]" in plain.stdout
    assert "\x9b" not in plain.stdout


def test_yolo_labels_out_of_range_and_empty_ones(tmp_path: Path) -> None:
    source = draw_sample_dataset(tmp_path / "drawn", 4) / "JPEGImages"
    for number, text in enumerate(("0 0.5 0.5 0.2 0.2\n7 0.5 0.5 0.1 0.1\n", "", "0 0.4 0.4 0.2 0.2\n", "nonsense\n")):
        (tmp_path / "set").mkdir(exist_ok=True)
        (tmp_path / "set" / f"{number}.jpg").write_bytes((source / f"{number:06d}.jpg").read_bytes())
        (tmp_path / "set" / f"{number}.txt").write_text(text)
    (tmp_path / "set" / "classes.txt").write_text("cell\n")
    report = json.loads(command("data", "check", str(tmp_path / "set"), "--json").stdout)
    assert report["format"] == "yolo"
    assert report["boxes"] == {"cell": 2}
    codes = {finding["code"] for finding in report["findings"]}
    assert {"label.class_out_of_range", "label.unreadable"} <= codes


def test_class_names_that_do_not_match_are_explained_and_can_be_mapped(tmp_path: Path) -> None:
    draw_sample_dataset(tmp_path / "data", 4)
    names = tmp_path / "names.txt"
    names.write_text("sphere\n")
    refused = command("data", "check", str(tmp_path / "data"), "--classes", str(names))
    assert refused.returncode == 2
    assert "no box is left" in refused.stderr
    assert "ball" in refused.stderr
    mapped = command("data", "check", str(tmp_path / "data"), "--classes", str(names), "--map", "ball=sphere", "--json")
    assert json.loads(mapped.stdout)["classes"] == ["sphere"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["train"], "Missing option '--data'"),
        (["--data", "no such folder"], "there is no such folder"),
        (["--preset", "modern-hole"], "did you mean modern-whole?"),
        (["runs", "--workspace", "a file"], "--workspace a file: this is a file; name a folder."),
        (["data", "sample", "x", "--images", "1"], "--images 1: it needs a whole number, 2 or more; the nearest is 2."),
        (["train", "--data", "x", "--nodes", "two"], "--nodes two: it needs a whole number."),
        (
            ["evaluate", "--batch-size", "1.6"],
            "--batch-size 1.6: it needs a whole number, 1 or more; the nearest is 2.",
        ),
        (["predict", "x", "--iou", "2"], "--iou 2: it needs a number from 0 to 1; the nearest is 1."),
        (["trian"], "Did you mean 'train'?"),
        (["data", "check", "no such folder"], "there is no such folder"),
        (["plan", "--data", "sample", "--preset", "modern-hole"], "did you mean modern-whole?"),
        (["resume", "nowhere"], "there is no such run"),
        (["weights", "get", "yolov4-tiny.weight"], "yolov4-tiny.weights"),
        (["predict", "--weights", "none.pth", "none.jpg"], "none.jpg: there is no such image"),
    ],
)
def test_wrong_words_get_one_sentence_and_exit_2(words: list[str], sentence: str, tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    done = command(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_a_folder_with_the_users_own_engine_and_train(tmp_path: Path) -> None:
    for name in ("engine.py", "train.py", "tui.py"):
        (tmp_path / name).write_text("raise SystemExit('the wrong file')\n")
    assert freezetui("presets", cwd=tmp_path).returncode == 0


def test_a_second_process_on_a_live_run_is_refused(workspace: Path) -> None:
    from engine.runs.lock import run_lock

    run = only_run(workspace)
    with run_lock(run):
        done = freezetui("resume", str(run), "--set", "unfreeze_epoch=3")
    assert done.returncode == 2
    assert f"process {os.getpid()} is training into this run" in done.stderr


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("train --data nowhere", "nowhere"),
        ("train --data sample --set unfreeze_epochs=3", "unfreeze_epoch"),
        ("plan --data sample --preset quick", "quick-cpu"),
        ("resume nothing", "nothing"),
        ("evaluate --data nowhere --weights here/a.jpg", "nowhere"),
        ("evaluate --data nowhere --weights nothing.pth", "nothing.pth"),
        ("predict --weights here/a.jpg nothing.jpg", "nothing.jpg"),
        ("predict --weights nothing.pth here", "nothing.pth"),
    ],
)
def test_invalid_input_is_reported_before_torch_is_imported(tmp_path: Path, words: str, error: str) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "a.jpg").write_bytes(b"only its name is read")
    code = "import sys; from tui.main import main\ntry: main()\nfinally: print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, *words.split()],
        cwd=tmp_path,
        env=child_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "False\n"), done.stderr
    assert error in done.stderr


def test_predict_fails_where_no_image_can_be_read(workspace: Path, tmp_path: Path) -> None:
    weights, broken = str(workspace / "model_data" / "start.pth"), tmp_path / "broken.jpg"
    broken.write_bytes(b"no image")
    done = command("predict", "--weights", weights, str(broken))
    assert (done.returncode, str(broken) in done.stderr) == (2, True)
    good = next((workspace / "data").rglob("*.jpg"))
    done = command("predict", "--weights", weights, str(broken), str(good))
    assert (done.returncode, str(broken) in done.stderr) == (0, True)


def test_evaluate_names_the_split(workspace: Path) -> None:
    weights, data = str(workspace / "model_data" / "start.pth"), str(workspace / "data")
    done = command("evaluate", "--weights", weights, "--data", data, "--split", "train")
    assert "images (train)  mAP50 " in done.stdout
    done = command("evaluate", "--weights", weights, "--data", data, "--split", "train", "--json")
    assert json.loads(done.stdout)["split"] == "train"


def test_predict_says_where_it_saved_the_images(workspace: Path, tmp_path: Path) -> None:
    weights = str(only_run(workspace) / "best_epoch_weights.pth")
    images = draw_sample_dataset(tmp_path / "images", 2) / "JPEGImages"
    words = ("predict", "--weights", weights, str(images))
    done = command(*words, "--save", "found", cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == f"2 images are saved in {tmp_path / 'found'}"
    assert "saved" not in command(*words, cwd=tmp_path).stdout
    assert "saved in" not in command(*words, "--save", "again", "--json", cwd=tmp_path).stdout


def test_a_table_in_a_pipe_has_no_rule(workspace: Path) -> None:
    data = draw_sample_dataset(workspace / "piped", 4)
    text = command("data", "check", str(data)).stdout
    assert "─" not in text
    assert max(map(len, text.splitlines())) < 400


def test_a_format_that_is_only_read_is_no_misspelled_one(tmp_path: Path) -> None:
    refused = command("data", "convert", "data", "--to", "labelme", str(tmp_path / "out"))
    assert refused.stderr == (
        "--to labelme: this format can be read, but not written; those to write are voc, yolo and coco.\n"
    )
    assert "did you mean yolo?" in command("data", "convert", "data", "--to", "yol", str(tmp_path / "out")).stderr


def test_an_unreadable_image_is_reported_once_in_a_run_with_a_count(tmp_path: Path) -> None:
    prepare(tmp_path, images=8)
    images = sorted((tmp_path / "data").rglob("*.jpg"))
    for image in images[:2]:
        image.write_bytes(image.read_bytes()[:100])
    done = command(*arguments(tmp_path, freeze_epoch=1, unfreeze_epoch=3, eval_period=1))
    assert done.returncode == 0, done.stderr
    skipped = [line for line in done.stdout.splitlines() if "skipped" in line]
    assert len(skipped) == len(set(skipped)) <= 2


@pytest.mark.parametrize("name", ["plan", "train"])
def test_what_does_not_fit_is_an_error_and_no_note(workspace: Path, name: str) -> None:
    words = arguments(workspace, input_shape=[8192, 8192], freeze_batch_size=8, unfreeze_batch_size=8)[1:]
    done = command(name, *words)
    assert done.returncode == 2
    assert "freeze_batch_size: 8 needs" in done.stderr
    assert "needs" not in done.stdout
    if name == "plan":
        assert json.loads(command(name, *words, "--json").stdout)["stages"]
