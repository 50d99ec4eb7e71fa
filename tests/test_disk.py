"""Disks that fill up, folders that cannot be written to, and other processes, while a run really trains."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.events import Step
from engine.runs.folder import list_runs, read_events
from engine.training.checkpoint import load_newest
from tests.small_disk import SmallDisk, small_disk
from tests.small_training import (
    arguments,
    child_environment,
    copy_start,
    final_weights,
    freezetui,
    only_run,
    same_bits,
    trained,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mounts, limits and rights as Linux knows them")

DISK = 700_000_000
FULL = "the disk is full; free some space and go on with resume."


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with one run that nothing troubled."""
    return trained(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def disk(whole: Path, tmp_path: Path) -> Iterator[SmallDisk]:
    """A small file system with the same data and weights, and no run yet."""
    with small_disk(tmp_path, DISK) as mounted:
        copy_start(whole, mounted.seen)
        yield mounted


def tell(*words: str, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """The command, started behind the words `before`."""
    return subprocess.Popen(
        [*before, sys.executable, "-P", "-m", "tui", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=child_environment(),
    )


def train_until(workspace: Path, event: str, then: Callable[[int], object], before: tuple[str, ...] = ()) -> list[str]:
    """Train as JSON; at the first `event` do `then` with the process's number. The event lines after it; it ends with 2."""
    training = tell(*arguments(workspace), "--json", before=before)
    assert training.stdout is not None
    for line in training.stdout:
        if json.loads(line)["event"] == event:
            then(training.pid)
            break
    rest, errors = training.communicate(timeout=300)
    assert training.returncode == 2, errors
    assert "Traceback" not in errors
    return rest.splitlines()


def resumed(run: Path, before: tuple[str, ...] = ()) -> None:
    going_on = tell("resume", str(run), before=before)
    _, errors = going_on.communicate(timeout=300)
    assert going_on.returncode == 0, errors


@pytest.mark.parametrize(
    "left", [0, 40_000_000], ids=["not even a log line fits", "weights fit, a checkpoint does not"]
)
def test_a_disk_that_fills_up_in_mid_run_stops_it_in_one_sentence_and_nothing_is_lost(
    whole: Path, disk: SmallDisk, left: int
) -> None:
    ends = train_until(disk.inside, "checkpoint_saved", lambda _: disk.fill(left), disk.entering)
    failed = json.loads(ends[-1])
    assert (failed["event"], failed["code"]) == ("failed", "disk.full")
    assert failed["message"].endswith(FULL)
    run = only_run(disk.seen)
    assert all(tensor.isfinite().all() for tensor in load_newest(run).network.values())
    assert not list(run.glob("*.part")), "nothing half written is left"
    disk.empty()
    resumed(disk.inside / "logs" / run.name, disk.entering)
    assert same_bits(final_weights(run), final_weights(only_run(whole)))
    assert (run / "epoch_loss.txt").read_text() == (only_run(whole) / "epoch_loss.txt").read_text()


def test_without_json_the_sentence_stands_on_standard_error(disk: SmallDisk) -> None:
    training = tell(*arguments(disk.inside), before=disk.entering)
    assert training.stdout is not None
    next(line for line in training.stdout if line.startswith("epoch "))
    disk.fill(0)
    _, errors = training.communicate(timeout=300)
    assert training.returncode == 2
    assert len(errors.splitlines()) == 1
    assert FULL in errors


def test_a_disk_too_small_is_told_before_anything_is_written(disk: SmallDisk) -> None:
    disk.fill(50_000_000)
    refused = tell(*arguments(disk.inside), before=disk.entering)
    _, errors = refused.communicate(timeout=300)
    assert refused.returncode == 2
    assert "MB of disk" in errors
    assert len(errors.splitlines()) == 1
    assert not (disk.seen / "logs").exists()


def test_a_file_that_may_grow_no_further_stops_the_run_the_same_way(whole: Path, tmp_path: Path) -> None:
    import resource  # POSIX's

    copy_start(whole, tmp_path)
    ends = train_until(
        tmp_path, "checkpoint_saved", lambda pid: resource.prlimit(pid, resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
    )
    assert json.loads(ends[-1])["code"] == "disk.full"
    resumed(only_run(tmp_path))
    assert same_bits(final_weights(only_run(tmp_path)), final_weights(only_run(whole)))


def test_a_read_only_disk_is_one_sentence_for_training_and_for_going_on(whole: Path, disk: SmallDisk) -> None:
    run = only_run(whole)
    shutil.copytree(run, disk.seen / "logs" / run.name)
    disk.make_read_only()
    for words in (
        arguments(disk.inside),
        ["resume", str(disk.inside / "logs" / run.name), "--set", "unfreeze_epoch=4"],
    ):
        done = tell(*words, before=disk.entering)
        _, errors = done.communicate(timeout=300)
        assert done.returncode == 2, errors
        assert "this folder cannot be written to" in errors
        assert len(errors.splitlines()) == 1


def without_rights() -> tuple[str, ...]:
    """Words before a command that make it obey the rights of folders; root does not."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("root writes everywhere and can give that up with setpriv only, which is not here")
    words = ("setpriv", "--inh-caps=-all", "--bounding-set=-all")
    given_up = subprocess.run([*words, "true"], capture_output=True, text=True, check=False)
    if given_up.returncode:
        pytest.skip(f"root writes everywhere here and may not give that up: {given_up.stderr.strip()}")
    return words


def test_a_run_folder_that_turns_read_only_stops_the_run_and_it_goes_on_once_it_is_writable(
    whole: Path, tmp_path: Path
) -> None:
    copy_start(whole, tmp_path)
    ends = train_until(tmp_path, "checkpoint_saved", lambda _: only_run(tmp_path).chmod(0o555), without_rights())
    run = only_run(tmp_path)
    assert json.loads(ends[-1])["code"] == "disk.read_only"
    assert load_newest(run).progress.total_steps >= 0
    run.chmod(0o755)
    resumed(run)
    assert same_bits(final_weights(run), final_weights(only_run(whole)))


def test_a_workspace_that_cannot_be_written_is_told_at_once(whole: Path, tmp_path: Path) -> None:
    copy_start(whole, tmp_path)
    tmp_path.chmod(0o555)
    refused = tell(*arguments(tmp_path), before=without_rights())
    _, errors = refused.communicate(timeout=300)
    tmp_path.chmod(0o755)
    assert refused.returncode == 2
    assert "this folder cannot be written to; choose another --workspace." in errors
    assert len(errors.splitlines()) == 1


def test_a_second_process_is_refused_while_the_first_trains_and_harms_nothing(whole: Path, tmp_path: Path) -> None:
    copy_start(whole, tmp_path)
    lines: list[str] = []
    with tell(*arguments(tmp_path, unfreeze_epoch=500), "--json") as training:
        assert training.stdout is not None
        next(line for line in training.stdout if json.loads(line)["event"] == "step")
        reader = threading.Thread(target=lines.extend, args=(training.stdout,))
        reader.start()
        run = only_run(tmp_path)
        assert list_runs(tmp_path)[0].state == "running"
        refused = freezetui("resume", str(run))
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
