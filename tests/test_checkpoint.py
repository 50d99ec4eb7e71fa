"""Checkpoints: one always loads, and nothing in them is ever executed."""

from __future__ import annotations

import errno
import io
import os
import pickle
import random
import subprocess
import sys
import time
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


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint(7))
    loaded = load_newest(tmp_path)
    assert loaded.progress == Progress(step=7)
    assert torch.equal(loaded.network["weight"], checkpoint(7).network["weight"])
    assert loaded.anchors == ((10.0, 14.0),)


def test_two_checkpoints_are_kept_and_a_torn_last_one_is_passed_over(tmp_path: Path) -> None:
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


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.test_checkpoint import checkpoint
from engine.training.checkpoint import save_checkpoint
for step in range(100000):
    save_checkpoint(Path(sys.argv[1]), checkpoint(step, 2_000_000))
    print(step, flush=True)
"""


def test_whenever_the_writer_is_killed_one_checkpoint_loads(tmp_path: Path) -> None:
    """And it is at most one older than the last that was reported as saved."""
    project = Path(__file__).parent.parent
    waits = random.Random(5)
    for _ in range(6):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(project)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=project,
        )
        assert writer.stdout is not None
        reported = int(writer.stdout.readline())
        time.sleep(waits.uniform(0, 0.2))
        writer.kill()
        rest = writer.stdout.read().split()
        writer.wait()
        writer.stdout.close()
        reported = max([reported, *map(int, rest[:-1])])
        assert load_newest(tmp_path).progress.step >= reported


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("trap_has_sprung",)


def test_code_in_a_checkpoint_is_refused_and_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    hostile = tmp_path / LAST_CHECKPOINT
    for content in (lambda: torch.save(Trap(), hostile), lambda: hostile.write_bytes(pickle.dumps(Trap(), protocol=2))):
        content()
        with pytest.raises(BadInput, match=r"last\.ckpt: this is no whole checkpoint\."):
            load_checkpoint(hostile)
        assert not (tmp_path / "trap_has_sprung").exists()


def test_a_folder_without_checkpoint_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no checkpoint was saved in this run yet"):
        load_newest(tmp_path)


def test_something_else_saved_by_torch_is_no_checkpoint(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, tmp_path / LAST_CHECKPOINT)
    with pytest.raises(BadInput, match="not a checkpoint of freezetui"):
        load_checkpoint(tmp_path / LAST_CHECKPOINT)


def test_a_run_that_would_fill_the_disk_is_refused_before_it_starts(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"needs \d+ MB of disk"):
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
def test_a_disk_that_takes_no_more_is_one_sentence_and_leaves_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, full: object
) -> None:
    """On any system; disks that really are full stand in test_disk.py."""
    save_checkpoint(tmp_path, checkpoint(1))
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, full)
        with pytest.raises(BadInput, match=r"the disk is full; free some space and go on with resume\.$"):
            save_checkpoint(tmp_path, checkpoint(2, 1_000_000))
    assert load_newest(tmp_path).progress.step == 1
    assert [path.name for path in tmp_path.iterdir()] == [LAST_CHECKPOINT]
