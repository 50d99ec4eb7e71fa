"""Memory that really runs out, in either stage and in validation: an event, a smaller batch, a run that ends well."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.events import OutOfMemory
from engine.runs.folder import list_runs, read_events
from engine.weights.load import read_weights
from tests.small_training import PROJECT, child_environment, freezetui, only_run, prepare

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of the address space are Linux's")

MOMENTS = {
    "freeze": {"freeze_epoch": 2, "unfreeze_epoch": 2},
    "unfreeze": {"freeze_epoch": 1, "unfreeze_epoch": 2},
    "validation": {"freeze_epoch": 1, "unfreeze_epoch": 1},
}
TOO_LITTLE = 40
"""Megabytes in which no batch of eight is trained or validated, whatever kernels a processor gets."""
ENOUGH_FOR_LESS = {"freeze": 107, "unfreeze": 240, "validation": 60}
"""Megabytes in which a smaller batch is."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen images to train on and eight to validate on."""
    workspace = tmp_path_factory.mktemp("short")
    prepare(workspace, images=24)
    lists = next((workspace / "data").rglob("ImageSets")) / "Main"
    names = sorted({name for path in lists.glob("*.txt") for name in path.read_text().split()})
    (lists / "train.txt").write_text("\n".join(names[:16]) + "\n")
    (lists / "val.txt").write_text("\n".join(names[16:]) + "\n")
    (lists / "test.txt").write_text("")
    return workspace


def train_short_of_memory(workspace: Path, at: str, on_out_of_memory: str, megabytes: int) -> int:
    """The exit code of a training that has only so much memory left from a moment on."""
    asked = {
        "settings": {
            "input_shape": [320, 320],
            "freeze_batch_size": 8,
            "unfreeze_batch_size": 8,
            "num_workers": 0,
            "mosaic": False,
            **MOMENTS[at],
        },
        "at": at,
        "room": megabytes * 10**6,
        "on_out_of_memory": on_out_of_memory,
    }
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tests.short_of_memory", str(workspace), json.dumps(asked)],
        # Every large tensor in pages of its own, so that what is freed is free again whatever lies beside it.
        env=child_environment(MALLOC_MMAP_THRESHOLD_="65536"),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode


@pytest.fixture
def workspace(made: Path, tmp_path: Path) -> Path:
    """The same data and weights, and no run yet."""
    for name in ("data", "model_data"):
        (tmp_path / name).symlink_to(made / name)
    return tmp_path


def what_was_proposed_goes_on_from_the_last_step(run: Path, event: OutOfMemory) -> None:
    batch = event.suggested_batch_size
    resumed = freezetui("resume", str(run), "--set", f"unfreeze_batch_size={batch}", "--json")
    assert resumed.returncode == 0, resumed.stderr
    first = json.loads(resumed.stdout.splitlines()[0])
    assert (first["epoch"], first["step"]) == (event.epoch, event.step)


@pytest.mark.parametrize("at", MOMENTS)
def test_stopping_is_exit_3_and_an_event_that_says_where(workspace: Path, at: str) -> None:
    assert train_short_of_memory(workspace, at, "stop", TOO_LITTLE) == 3
    run = only_run(workspace)
    last = list(read_events(run))[-1]
    assert isinstance(last, OutOfMemory)
    assert (last.during == "validation") == (at == "validation")
    assert last.suggested_batch_size is not None
    assert last.suggested_batch_size < last.batch_size == 8
    assert "plays no part" in last.message
    assert list_runs(workspace)[0].state == "out_of_memory"
    assert list_runs(workspace)[0].resumable
    if at == "unfreeze":
        what_was_proposed_goes_on_from_the_last_step(run, last)


@pytest.mark.parametrize("at", MOMENTS)
def test_retrying_goes_on_with_less_and_finishes_with_good_weights(workspace: Path, at: str) -> None:
    assert train_short_of_memory(workspace, at, "retry", ENOUGH_FOR_LESS[at]) == 0
    run = only_run(workspace)
    assert any(isinstance(event, OutOfMemory) for event in read_events(run))
    assert list_runs(workspace)[0].state == "finished"
    _, weights = read_weights(run / "last_epoch_weights.pth")
    assert all(tensor.isfinite().all() for tensor in weights.values())
