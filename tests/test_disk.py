"""Disks that fill up, folders that cannot be written to, and other processes, while a run really trains."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

if sys.platform != "linux":
    pytest.skip("mounts, limits and rights are Linux's", allow_module_level=True)

import resource

from engine.events import CheckpointSaved, Failed, Step
from engine.runner.resume import resume
from engine.runner.start import exit_code, start
from engine.runs.folder import read_events
from engine.runs.summary import list_runs
from engine.training.checkpoint import load_newest
from engine.training.control import Control
from tests.command import command
from tests.small_disk import SmallDisk, give_up_rights, small_disk
from tests.small_training import (
    ENDLESS,
    arguments,
    child_environment,
    copy_start,
    final_weights,
    finished_workspace,
    only_run,
    plan_and_dataset,
    same_bits,
)
from tests.warm_processes import warm_processes

DISK = 700_000_000
FULL = "the disk is full; free some space, then resume."


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Data and weights, and no run yet."""
    copy_start(finished_workspace(), tmp_path)
    return tmp_path


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A small file system with the same."""
    with small_disk(tmp_path, DISK) as mounted:
        copy_start(finished_workspace(), mounted.seen)
        yield mounted


def in_process(function: Callable[..., None], *args: object) -> Connection:
    """Call `function` in a process of its own, with one end of a connection as its first argument; the other end."""
    own, other = warm_processes().Pipe()
    process = warm_processes().Process(target=function, args=(other, *args), daemon=True)
    process.start()
    other.close()
    return own


def train_held(connection: Connection, workspace: Path, prepare: Callable[[], None]) -> None:
    """Train, wait after the first checkpoint until told to continue, and tell of every event."""
    prepare()
    plan, dataset = plan_and_dataset(workspace)
    is_first = True
    for event in start(plan, Control(), dataset):
        connection.send(event.to_json())
        if is_first and isinstance(event, CheckpointSaved):
            is_first = False
            connection.recv()


def last_event(
    workspace: Path, at_first_checkpoint: Callable[[], object], prepare: Callable[[], None]
) -> dict[str, Any]:
    """The event with which a training ends; it stands still for `at_first_checkpoint`, in a process that began with `prepare`."""
    training = in_process(train_held, workspace, prepare)
    while (event := training.recv())["event"] != "checkpoint_saved":
        pass
    at_first_checkpoint()
    training.send("continue")
    with suppress(EOFError):
        while True:
            event = training.recv()
    return event


def run_commands(connection: Connection, prepare: Callable[[], None], *commands: list[str]) -> None:
    """Run commands, and tell of their results."""
    prepare()
    for words in commands:
        connection.send(command(*words))


def run_without_rights(connection: Connection, folder: Path, words: list[str]) -> None:
    """Run a command in a folder that it may not write to, and tell of its result."""
    give_up_rights()
    connection.send(command(*words, cwd=folder))


def assert_resumes_exactly(run: Path) -> None:
    """`run` is resumed and ends with the same numbers as a run that was never interrupted."""
    assert exit_code(list(resume(run, Control()))[-1]) == 0
    uninterrupted = only_run(finished_workspace())
    assert same_bits(final_weights(run), final_weights(uninterrupted))
    assert (run / "epoch_loss.txt").read_text() == (uninterrupted / "epoch_loss.txt").read_text()


@pytest.mark.parametrize(
    "left", [0, 40_000_000], ids=["not even a log line fits", "weights fit, a checkpoint does not"]
)
def test_a_disk_that_fills_up_in_mid_run_stops_it_in_one_sentence_and_nothing_is_lost(
    disk: SmallDisk, left: int
) -> None:
    failed = last_event(disk.mounted, lambda: disk.fill(left), disk.enter)
    assert (failed["event"], failed["code"], failed["exit_code"]) == ("failed", "disk.full", 2)
    assert failed["message"].endswith(FULL)
    run = only_run(disk.seen)
    assert all(tensor.isfinite().all() for tensor in load_newest(run).network.values())
    assert not list(run.glob("*.part")), "nothing half written is left"
    # Outside, the same path is a folder of the large disk: there is space again.
    shutil.copytree(disk.seen, disk.mounted, dirs_exist_ok=True, ignore=lambda *_: [disk.BALLAST])
    assert_resumes_exactly(disk.mounted / "logs" / run.name)


def test_without_json_the_sentence_stands_on_standard_error(disk: SmallDisk) -> None:
    training = begin(*arguments(disk.mounted, unfreeze_epoch=ENDLESS, save_period=ENDLESS), before=disk.entering)
    assert training.stdout is not None
    next(line for line in training.stdout if line.startswith("Epoch "))
    disk.fill(0)
    _, errors = training.communicate(timeout=300)
    assert training.returncode == 2
    assert len(errors.splitlines()) == 1
    assert FULL in errors


def test_a_disk_too_small_is_told_before_anything_is_written(disk: SmallDisk) -> None:
    disk.fill(50_000_000)
    refused = in_process(run_commands, disk.enter, arguments(disk.mounted)).recv()
    assert refused.returncode == 2
    assert "of disk" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert not (disk.seen / "logs").exists()


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_may_grow_no_further_stops_the_run_the_same_way(workspace: Path) -> None:
    plan, dataset = plan_and_dataset(workspace)
    events = start(plan, Control(), dataset)
    next(event for event in events if isinstance(event, CheckpointSaved))
    with files_no_larger_than(1_000_000):
        *_, failed = events
    assert isinstance(failed, Failed)
    assert failed.code == "disk.full"
    assert_resumes_exactly(only_run(workspace))


def test_a_read_only_disk_is_one_sentence_for_training_and_for_resuming(disk: SmallDisk) -> None:
    run = only_run(finished_workspace())
    shutil.copytree(run, disk.seen / "logs" / run.name)
    disk.make_read_only()
    extend = ["resume", str(disk.mounted / "logs" / run.name), "--set", "unfreeze_epoch=4"]
    results = in_process(run_commands, disk.enter, arguments(disk.mounted), extend)
    for refused in (results.recv(), results.recv()):
        assert refused.returncode == 2, refused.stderr
        assert "this folder cannot be written to" in refused.stderr
        assert len(refused.stderr.splitlines()) == 1


def test_a_run_folder_that_turns_read_only_stops_the_run_and_it_resumes_once_it_is_writable(workspace: Path) -> None:
    failed = last_event(workspace, lambda: only_run(workspace).chmod(0o555), give_up_rights)
    assert (failed["event"], failed["code"]) == ("failed", "disk.read_only")
    run = only_run(workspace)
    run.chmod(0o755)
    assert_resumes_exactly(run)


def test_a_workspace_that_cannot_be_written_is_told_at_once(workspace: Path) -> None:
    workspace.chmod(0o555)
    refused = in_process(run_commands, give_up_rights, arguments(workspace)).recv()
    workspace.chmod(0o755)
    assert refused.returncode == 2
    assert "this folder cannot be written to. Choose another --workspace." in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_a_second_process_is_refused_while_the_first_trains_and_harms_nothing(workspace: Path) -> None:
    lines: list[str] = []
    with begin(*arguments(workspace, unfreeze_epoch=ENDLESS), "--json") as training:
        assert training.stdout is not None
        next(line for line in training.stdout if json.loads(line)["event"] == "step")
        reader = threading.Thread(target=lines.extend, args=(training.stdout,))
        reader.start()
        run = only_run(workspace)
        assert list_runs(workspace)[0].state == "running"
        refused = command("resume", str(run))
        assert refused.returncode == 2
        assert f"process {training.pid} is training into this run" in refused.stderr
        assert training.poll() is None, "the first still trains"
        training.terminate()
        reader.join()
    assert training.returncode == 130
    assert json.loads(lines[-1])["event"] == "stopped"
    steps = [(event.epoch, event.step) for event in read_events(run) if isinstance(event, Step)]
    assert steps == sorted(set(steps)), "no step is there twice"
    assert load_newest(run).progress.total_steps == len(steps)


def begin(*words: str, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """The command, started behind the words `before`."""
    return subprocess.Popen(
        [*before, sys.executable, "-P", "-m", "tui", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=child_environment(),
    )


@pytest.mark.parametrize(
    "words",
    [
        "data sample sample",
        "data convert data --to yolo out",
        "data check data --fix out",
        "data anchors sample",
        "weights get yolov4-tiny",
        "plan --data sample",
        "train --data sample",
        "runs note RUN text",
    ],
)
def test_every_command_that_writes_says_so_in_one_sentence_where_it_cannot(words: str, tmp_path: Path) -> None:
    source = finished_workspace()
    shutil.copytree(source / "data", tmp_path / "data")
    (tmp_path / "model_data").mkdir()
    run = tmp_path / "logs" / only_run(source).name
    shutil.copytree(only_run(source), run, ignore=shutil.ignore_patterns("*.pth", "*.ckpt"))
    folders = [tmp_path, *(folder for folder in tmp_path.rglob("*") if folder.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    line = [run.name if word == "RUN" else word for word in words.split()]
    refused = in_process(run_without_rights, tmp_path, line).recv()
    for folder in folders:
        folder.chmod(0o755)
    assert refused.returncode == 2, refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert "bug" not in refused.stderr
