"""Checkpoints: one can always be loaded, and code in them is never executed."""

from __future__ import annotations

import errno
import io
import itertools
import os
import pickle
import random
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from engine.messages import BadInput
from engine.runs.folder import LAST_CHECKPOINT, PREVIOUS_CHECKPOINT
from engine.training.checkpoint import Checkpoint, Progress, check_disk, load_checkpoint, load_newest, save_checkpoint

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def checkpoint(step: int, size: int = 1000) -> Checkpoint:
    return Checkpoint(
        progress=Progress(step=step),
        network={"weight": torch.full((size,), float(step))},
        ema=None,
        optimizer={"state": {0: {"step": torch.tensor(float(step))}}, "param_groups": [{"lr": 0.1}]},
        scaler={},
        anchors=((10.0, 14.0),),
        scale_x_y=(1.05,),
        logs={"events.jsonl": 12},
    )


def test_a_checkpoint_is_loaded_as_it_was_saved(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint(7))
    loaded = load_newest(tmp_path)
    assert loaded.progress == Progress(step=7)
    assert torch.equal(loaded.network["weight"], checkpoint(7).network["weight"])
    assert loaded.anchors == ((10.0, 14.0),)


def test_two_checkpoints_are_kept_and_an_incomplete_last_one_is_skipped(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, checkpoint(step))
    assert load_checkpoint(tmp_path / PREVIOUS_CHECKPOINT).progress.step == 2
    last = tmp_path / LAST_CHECKPOINT
    last.write_bytes(last.read_bytes()[:-200])
    assert load_newest(tmp_path).progress.step == 2


def test_a_new_checkpoint_left_between_the_two_renames_is_the_newest(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint(1))
    save_checkpoint(tmp_path, checkpoint(2))
    (tmp_path / LAST_CHECKPOINT).replace(tmp_path / f".{LAST_CHECKPOINT}.new")
    assert load_newest(tmp_path).progress.step == 2


def save_without_end(folder: Path, sender: Connection) -> None:
    """In a process of its own: save checkpoint after checkpoint, and tell of each."""
    for step in itertools.count():
        save_checkpoint(folder, checkpoint(step, 2_000_000))
        sender.send(step)


@pytest.mark.skipif(os.name == "nt", reason="processes are killed as POSIX kills them")
def test_whenever_the_writer_is_killed_one_checkpoint_loads(tmp_path: Path) -> None:
    """And it is at most one older than the last that was reported as saved."""
    from tests.warm_processes import warm_processes

    waits = random.Random(5)
    for _ in range(6):
        receiver, sender = warm_processes().Pipe(duplex=False)
        writer = warm_processes().Process(target=save_without_end, args=(tmp_path, sender))
        writer.start()
        reported = receiver.recv()
        time.sleep(waits.uniform(0, 0.2))
        writer.kill()
        writer.join()
        while receiver.poll():
            reported = receiver.recv()
        assert load_newest(tmp_path).progress.step >= reported


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("code_was_run",)


def test_code_in_a_checkpoint_is_refused_and_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    hostile = tmp_path / LAST_CHECKPOINT
    for content in (lambda: torch.save(Trap(), hostile), lambda: hostile.write_bytes(pickle.dumps(Trap(), protocol=2))):
        content()
        with pytest.raises(BadInput, match=r"last\.ckpt: this is not a complete checkpoint\."):
            load_checkpoint(hostile)
        assert not (tmp_path / "code_was_run").exists()


def test_a_folder_without_checkpoint_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no checkpoint was saved in this run yet"):
        load_newest(tmp_path)


def test_another_torch_file_is_no_checkpoint(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, tmp_path / LAST_CHECKPOINT)
    with pytest.raises(BadInput, match="not a checkpoint of freezetui"):
        load_checkpoint(tmp_path / LAST_CHECKPOINT)


def test_a_run_that_would_fill_the_disk_is_refused_before_it_starts(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"needs [\d.]+ GiB of disk space"):
        check_disk(tmp_path, 10**15, ema=True, adam=True, weights_files=5)
    check_disk(tmp_path, 1000, ema=True, adam=True, weights_files=5)


def is_full(*_given: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class FullDisk(io.FileIO):
    """A file that grows to 100 kB and no further."""

    def write(self, content: ReadableBuffer) -> int:
        return super().write(content) if self.tell() + memoryview(content).nbytes <= 100_000 else is_full()


@pytest.mark.parametrize(
    ("owner", "name", "full"),
    [(Path, "open", lambda path, mode: FullDisk(path, mode)), (os, "fsync", is_full)],
    ids=["while it is written", "when it is flushed"],
)
def test_a_full_disk_is_one_sentence_and_keeps_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, full: object
) -> None:
    """On any system; test_disk.py has disks that really are full."""
    save_checkpoint(tmp_path, checkpoint(1))
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, full)
        with pytest.raises(BadInput, match=r"the disk is full; free some space, then resume\.$"):
            save_checkpoint(tmp_path, checkpoint(2, 1_000_000))
    assert load_newest(tmp_path).progress.step == 1
    assert [path.name for path in tmp_path.iterdir()] == [LAST_CHECKPOINT]
