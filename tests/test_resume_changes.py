"""What has changed since a run ended is said when it is resumed: checkpoints, labels, images, places, the machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engine.dataset.formats import open_dataset
from engine.dataset.stored_splits import compare, parse_splits, splits_to_json
from engine.events import Event, Finished, RunStarted
from engine.messages import BadInput
from engine.network.detector import build_network
from engine.planning.warnings import split_warnings
from engine.runner.environment import ENVIRONMENT
from engine.runner.resume import resume
from engine.runner.start import exit_code, start
from engine.runs.folder import LAST_CHECKPOINT, PREVIOUS_CHECKPOINT, read_events
from engine.runs.summary import summarize_run
from engine.training.checkpoint import Checkpoint, Progress, check_fits, load_checkpoint, load_newest, save_checkpoint
from engine.training.control import Control
from engine.training.stages import make_optimizer
from tests.command import command
from tests.small_training import (
    copy_run,
    copy_start,
    final_weights,
    finished_workspace,
    only_run,
    plan_and_dataset,
    same_bits,
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that was killed after its last checkpoint and before its last event."""
    run = copy_run(finished_workspace(), tmp_path, link=True)
    events = run / "events.jsonl"
    lines = events.read_text(encoding="utf-8").splitlines(keepends=True)
    assert '"finished"' in lines[-1]
    events.write_text("".join(lines[:-1]), encoding="utf-8")
    return run


def resumed(run: Path, **options: object) -> list[Event]:
    return list(resume(run, Control(), **options))  # type: ignore[arg-type]


def note_of(events: list[Event]) -> str:
    (started,) = (event for event in events if isinstance(event, RunStarted))
    return str(started.note or "")


def flip_bit(path: Path, share: float) -> None:
    content = bytearray(path.read_bytes())
    content[int(share * len(content))] ^= 1
    path.unlink()  # it is a link to the file of all tests
    path.write_bytes(content)


def voc(run: Path) -> Path:
    """The folder with JPEGImages and Annotations of the data set of a run."""
    (annotations,) = run.parents[1].glob("data/**/Annotations")
    return annotations.parent


# Killed at the very end, and before the very beginning


def test_a_run_killed_before_its_last_event_finishes(run: Path) -> None:
    assert summarize_run(run).resumable
    events = resumed(run)
    assert isinstance(events[-1], Finished)
    assert same_bits(final_weights(run), final_weights(only_run(finished_workspace())))
    assert summarize_run(run).state == "finished"
    with pytest.raises(BadInput, match="finished its 3 epochs"):
        resumed(run)


def test_a_run_killed_before_its_first_checkpoint_starts_again(tmp_path: Path) -> None:
    copy_start(finished_workspace(), tmp_path)
    plan, dataset = plan_and_dataset(tmp_path)
    training = start(plan, Control(), dataset)
    next(training)
    training.close()
    run = only_run(tmp_path)
    assert not (run / LAST_CHECKPOINT).exists()
    assert summarize_run(run).resumable
    events = resumed(run)
    assert exit_code(events[-1]) == 0
    assert "starts again from its first step" in note_of(events)
    assert same_bits(final_weights(run), final_weights(only_run(finished_workspace())))
    started = [event for event in read_events(run) if isinstance(event, RunStarted)]
    assert [event.continued for event in started] == [False]


# Damaged checkpoints


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 0.9])
def test_one_flipped_bit_is_found_and_the_previous_checkpoint_takes_over(run: Path, share: float) -> None:
    flip_bit(run / LAST_CHECKPOINT, share)
    with pytest.raises(BadInput, match="not a complete checkpoint"):
        load_checkpoint(run / LAST_CHECKPOINT)
    training = resume(run, Control())
    first = next(training)
    training.close()
    assert isinstance(first, RunStarted)
    note = str(first.note)
    assert "last.ckpt is damaged, so the run resumes from previous.ckpt (epoch" in note
    assert "are lost and are trained again" in note
    assert load_newest(run).progress == load_checkpoint(run / LAST_CHECKPOINT).progress, (
        "the next save keeps the good one"
    )


def test_the_lost_steps_are_trained_again_to_the_same_weights(run: Path) -> None:
    flip_bit(run / LAST_CHECKPOINT, 0.5)
    assert exit_code(resumed(run)[-1]) == 0
    assert same_bits(final_weights(run), final_weights(only_run(finished_workspace())))


def test_two_damaged_checkpoints_are_one_sentence(run: Path) -> None:
    for name in (LAST_CHECKPOINT, PREVIOUS_CHECKPOINT):
        flip_bit(run / name, 0.5)
    done = command("resume", str(run))
    assert done.returncode == 2
    assert "none of its checkpoints can be read" in done.stderr


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("progress", {"epoch": "one"}),
        ("progress", {"epoch": 10**400}),
        ("progress", {"epoch": -1}),
        ("progress", {"epochs": [{"event": [1]}]}),
        ("progress", 3),
        ("progress", {"batch_sizes": {"freeze": 0}}),
        ("progress", {"sums": [1.0]}),
        ("network", {"a": 1}),
        ("network", 7),
        ("optimizer", []),
        ("scaler", {"scale": "big"}),
        ("anchors", ((1.0, float("nan")),)),
        ("scale_x_y", (1e9,)),
        ("logs", {"events.jsonl": -5}),
        ("logs", [1, 2]),
        ("version", [[0] * 10] * 10),
    ],
)
def test_a_wrong_value_in_a_checkpoint_is_a_sentence_that_names_it(tmp_path: Path, key: str, value: object) -> None:
    path = save_checkpoint(tmp_path, Checkpoint(Progress(), {}, None, {}, {}, (), (), {}))
    load_checkpoint(path)
    torch.save({**torch.load(path, weights_only=True), key: value}, path)
    with pytest.raises(BadInput, match=r"last\.ckpt: " + ("written by another" if key == "version" else key)):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("network", {"a": torch.zeros(2)}),
        ("ema", None),
        ("optimizer", {"state": {0: {"exp_avg": torch.zeros(1)}}, "param_groups": []}),
        ("optimizer", {"state": {"x": {}}}),
        ("optimizer", {}),
        ("anchors", ()),
    ],
)
def test_a_checkpoint_of_another_network_is_a_sentence(key: str, value: object) -> None:
    plan, _dataset = plan_and_dataset(finished_workspace())
    network = build_network("yolov4-tiny", len(plan.classes))
    optimizer, state = make_optimizer(plan.recipe, network), network.state_dict()
    good = Checkpoint(Progress(), state, state, {"state": {}}, {}, network.all_anchors, network.scale_x_y, {})
    check_fits(Path("last.ckpt"), good, network, optimizer, ema=True, scaler=False)
    with pytest.raises(BadInput, match=rf"last\.ckpt: {key}"):
        check_fits(Path("last.ckpt"), replace(good, **{key: value}), network, optimizer, ema=True, scaler=False)


# Changed data


def move_a_box(folder: Path) -> None:
    label = folder / "Annotations" / "000003.xml"
    text = label.read_text(encoding="utf-8")
    start, end = text.index("<xmax>") + 6, text.index("</xmax>")
    label.write_text(f"{text[:start]}{int(float(text[start:end])) - 3}{text[end:]}", encoding="utf-8")


def remove_boxes(folder: Path) -> None:
    for name in ("000003", "000004"):
        label = folder / "Annotations" / f"{name}.xml"
        text = label.read_text(encoding="utf-8")
        label.write_text(text[: text.index("<object>")] + "</annotation>", encoding="utf-8")


def swap_classes(folder: Path) -> None:
    for label in (folder / "Annotations").iterdir():
        text = label.read_text(encoding="utf-8")
        swapped = text.replace(">ball<", ">-<").replace(">star<", ">ball<").replace(">-<", ">star<")
        label.write_text(swapped, encoding="utf-8")


def replace_an_image(folder: Path) -> None:
    shutil.copyfile(folder / "JPEGImages" / "000004.jpg", folder / "JPEGImages" / "000003.jpg")


def remove_an_image(folder: Path) -> None:
    (folder / "JPEGImages" / "000003.jpg").unlink()


CHANGES: list[tuple[Callable[[Path], None], str]] = [
    (move_a_box, r"images with other boxes or classes: 1 \(.*000003\.jpg\)"),
    (remove_boxes, "images with other boxes or classes: 2 "),
    (swap_classes, "images with other boxes or classes: "),
    (replace_an_image, r"images with another content: 1 \(.*000003\.jpg\)"),
    (remove_an_image, r"images that are missing: 1 \(.*000003\.jpg\)"),
]


@pytest.mark.parametrize(("change", "words"), CHANGES, ids=lambda part: getattr(part, "__name__", ""))
def test_changed_data_is_refused(run: Path, change: Callable[[Path], None], words: str) -> None:
    change(voc(run))
    before = (run / "events.jsonl").read_bytes()
    with pytest.raises(BadInput, match=words):
        resumed(run)
    assert (run / "events.jsonl").read_bytes() == before


@pytest.mark.parametrize("change", [move_a_box, remove_an_image])
def test_accepted_changes_are_noted_once(run: Path, change: Callable[[Path], None]) -> None:
    change(voc(run))
    events = resumed(run, accept_changes=True)
    assert isinstance(events[-1], Finished)
    assert "the run trains on with what is there now" in note_of(events)
    assert "the run trains on with what is there now" in (run / "events.jsonl").read_text(encoding="utf-8")
    lines = (run / "events.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (run / "events.jsonl").write_text("".join(lines[:-1]), encoding="utf-8")
    assert "has changed" not in note_of(resumed(run)), "once accepted, it is what the run trains on"


def test_the_command_says_what_changed_and_goes_on_when_told(run: Path) -> None:
    move_a_box(voc(run))
    refused = command("resume", str(run))
    assert refused.returncode == 2
    assert "images with other boxes or classes: 1" in refused.stderr
    assert "--accept-changes" in refused.stderr
    accepted = command("resume", str(run), "--accept-changes")
    assert accepted.returncode == 0, accepted.stderr
    assert "the run trains on with what is there now" in accepted.stdout


@pytest.mark.parametrize("known", [("fingerprint",), ()], ids=["with a fingerprint", "without"])
def test_a_run_of_an_earlier_version_is_resumed(run: Path, known: tuple[str, ...]) -> None:
    path = run / "dataset.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({key: stored[key] for key in ("splits", "classes", *known)}), encoding="utf-8")
    move_a_box(voc(run))
    if known:
        with pytest.raises(BadInput, match="the boxes of some images, or their classes"):
            resumed(run)
        resumed(run, accept_changes=True)
    else:
        assert isinstance(resumed(run)[-1], Finished)


def test_a_touched_or_renamed_file_with_the_same_content_is_no_change(tmp_path: Path) -> None:
    shutil.copytree(finished_workspace() / "data", tmp_path / "data")
    stored = parse_splits(splits_to_json(open_dataset(tmp_path / "data")), tmp_path)
    (folder,) = (tmp_path / "data").glob("**/JPEGImages")
    (folder / "000001.jpg").touch()
    for name, suffix in (("JPEGImages", "jpg"), ("Annotations", "xml")):
        (folder.parent / name / f"000002.{suffix}").rename(folder.parent / name / f"renamed.{suffix}")
    label = folder.parent / "Annotations" / "renamed.xml"
    label.write_text(label.read_text(encoding="utf-8").replace("000002", "renamed"), encoding="utf-8")
    for lists in (folder.parent / "ImageSets").glob("**/*.txt"):
        lists.write_text(lists.read_text(encoding="utf-8").replace("000002", "renamed"), encoding="utf-8")
    comparison = compare(open_dataset(tmp_path / "data"), stored)
    assert comparison.describe() == ""
    assert comparison.dataset.image_counts() == {name: len(images) for name, images in stored.splits.items()}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("splits", [1]),
        ("splits", {"train": "x"}),
        ("splits", {"train": [3]}),
        ("splits", None),
        ("classes", "ball"),
        ("labels", {"train": ["0"]}),
        ("labels", 5),
        ("content", {"train": [[1, 2]]}),
        ("content", {"train": 1e400}),
        ("drawn", "yes"),
        ("fingerprint", []),
    ],
)
def test_a_wrong_value_in_dataset_json_is_a_sentence_that_names_it(run: Path, key: str, value: object) -> None:
    path = run / "dataset.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), key: value}), encoding="utf-8")
    with pytest.raises(BadInput, match=rf"dataset\.json: {key}"):
        resumed(run)


# Moved data


def test_a_moved_data_set_is_found_by_its_new_place(run: Path, tmp_path: Path) -> None:
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    with pytest.raises(BadInput, match=r"the data set of this run is not there\.$"):
        resumed(run)
    refused = command("resume", str(run)).stderr
    assert f"If it was moved, resume with: freezetui resume {run.name} --data FOLDER" in refused
    done = command("resume", str(run), "--data", str(tmp_path / "elsewhere"))
    assert done.returncode == 0, done.stderr
    assert "The data set is now in" in done.stdout
    assert json.loads((run / "plan.json").read_text(encoding="utf-8"))["data"]["path"] == str(tmp_path / "elsewhere")


def test_a_run_from_another_system_is_resumed_with_its_data_here(run: Path, tmp_path: Path) -> None:
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    plan = json.loads((run / "plan.json").read_text(encoding="utf-8"))
    plan["data"] |= {"path": r"D:\data\shapes", "classes_file": r"D:\data\names.txt"}
    plan |= {"workspace": r"C:\Users\me\work", "weights": r"C:\Users\me\work\model_data\start.pth"}
    (run / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    stored = json.loads((run / "dataset.json").read_text(encoding="utf-8"))
    stored["root"] = r"D:\data\shapes"
    stored["splits"] = {
        name: [rf"D:\data\{Path(image).name}" for image in part] for name, part in stored["splits"].items()
    }
    (run / "dataset.json").write_text(json.dumps(stored), encoding="utf-8")
    with pytest.raises(BadInput, match=r"D:\\data\\shapes: the data set of this run is not there"):
        resumed(run)
    assert isinstance(resumed(run, data=tmp_path / "elsewhere")[-1], Finished)
    assert json.loads((run / "plan.json").read_text(encoding="utf-8"))["workspace"] == str(tmp_path)


def test_other_images_in_the_new_place_are_refused(run: Path, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "data", tmp_path / "elsewhere")
    (folder,) = (tmp_path / "elsewhere").glob("**/JPEGImages")
    replace_an_image(folder.parent)
    with pytest.raises(BadInput, match=r"is not the data set that the run .* images with another content: 1"):
        resumed(run, data=tmp_path / "elsewhere")


# Splits without boxes, another machine


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_split_without_boxes_is_said_before_training_and_on_resume(run: Path, split: str) -> None:
    folder = voc(run)
    stored = json.loads((run / "dataset.json").read_text(encoding="utf-8"))
    for image in stored["splits"][split]:
        label = folder / "Annotations" / Path(image).with_suffix(".xml").name
        text = label.read_text(encoding="utf-8")
        label.write_text(text[: text.index("<object>")] + "</annotation>", encoding="utf-8")
    said = "training images has a box" if split == "train" else "validation images has a box"
    dataset = compare(open_dataset(run.parents[1] / "data"), parse_splits(stored, run)).dataset
    assert any(said in str(message) for message in split_warnings(dataset))
    if split == "val":  # without its only box in train, a class is gone, and with it the run
        assert said in note_of(resumed(run, accept_changes=True))


def test_another_instruction_set_or_torch_is_said(run: Path) -> None:
    environment = json.loads((run / ENVIRONMENT).read_text(encoding="utf-8"))
    assert environment["torch"] == torch.__version__
    assert environment["threads"] == 1
    assert environment["instruction_set"].startswith(torch.backends.cpu.get_cpu_capability())
    (run / ENVIRONMENT).write_text(json.dumps({**environment, "torch": "2.0.1", "instruction_set": "NO AVX"}))
    done = command("resume", str(run))
    assert done.returncode == 0, done.stderr
    assert "The run began with torch 2.0.1, instruction set NO AVX" in done.stdout
    assert "The run began with torch 2.0.1" in (run / "events.jsonl").read_text(encoding="utf-8")


def test_the_same_machine_is_not_mentioned(run: Path) -> None:
    assert note_of(resumed(run)) == ""
