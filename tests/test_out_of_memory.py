"""Memory that really runs out, in either stage and in validation: an event, a smaller batch, a run that ends well."""

from __future__ import annotations

import shutil
import sys
from contextlib import closing
from pathlib import Path

import pytest

from engine.events import OutOfMemory, RunStarted
from engine.runner.resume import resume
from engine.runner.supervisor import OnOutOfMemory
from engine.runs.folder import read_events
from engine.runs.summary import list_runs
from engine.training.control import Control
from engine.weights.load import load_network
from tests.small_training import only_run, prepare

if sys.platform != "linux":
    pytest.skip("limits of the address space are Linux's", allow_module_level=True)

from tests.short_of_memory import Moment, train_short_of_memory

MOMENTS: dict[Moment, dict[str, int]] = {
    "freeze": {"freeze_epoch": 1, "unfreeze_epoch": 1},
    "unfreeze": {"freeze_epoch": 1, "unfreeze_epoch": 2},
    "validation": {"freeze_epoch": 1, "unfreeze_epoch": 1},
}
TOO_LITTLE: dict[Moment, int] = {"freeze": 40, "unfreeze": 40, "validation": 10}
"""Megabytes in which no batch of eight is trained or validated, whatever kernels a processor gets; a validation has what the
training before it left in malloc's hands too."""
ENOUGH: dict[Moment, int] = {"freeze": 90, "unfreeze": 260, "validation": 60}
"""Megabytes in which a smaller batch is; perhaps the whole batch too, since the kernels that a processor gets differ."""
LESS = 0.85
"""The share of the megabytes that the next attempt gets where memory did not run out."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight images to train on, which one batch holds, and eight to validate on."""
    workspace = tmp_path_factory.mktemp("short")
    prepare(workspace, images=16)
    lists = next((workspace / "data").rglob("ImageSets")) / "Main"
    names = sorted({name for path in lists.glob("*.txt") for name in path.read_text().split()})
    (lists / "train.txt").write_text("\n".join(names[:8]) + "\n")
    (lists / "val.txt").write_text("\n".join(names[8:]) + "\n")
    (lists / "test.txt").write_text("")
    return workspace


def train(workspace: Path, at: Moment, on_out_of_memory: OnOutOfMemory, megabytes: int) -> int | None:
    """The exit code of a training that has only so much memory left from a moment on."""
    settings = {
        "input_shape": [320, 320],
        "freeze_batch_size": 8,
        "unfreeze_batch_size": 8,
        "num_workers": 0,
        "mosaic": False,
        **MOMENTS[at],
    }
    return train_short_of_memory(workspace, settings, at, megabytes * 10**6, on_out_of_memory)


@pytest.fixture
def workspace(made: Path, tmp_path: Path) -> Path:
    """The same data and weights, and no run yet."""
    for name in ("data", "model_data"):
        (tmp_path / name).symlink_to(made / name)
    return tmp_path


def assert_resumes_with_what_was_proposed(run: Path, event: OutOfMemory) -> None:
    assert event.suggested_checkpointing  # the batch can stay as it is
    overrides = {"activation_checkpointing": "on"}
    with closing(resume(run, Control(), overrides=overrides)) as events:
        started = next(events)
    assert isinstance(started, RunStarted)
    assert (started.epoch, started.step) == (event.epoch, event.step)


@pytest.mark.parametrize("at", MOMENTS)
def test_stopping_is_exit_3_and_an_event_that_says_where(workspace: Path, at: Moment) -> None:
    assert train(workspace, at, "stop", TOO_LITTLE[at]) == 3
    run = only_run(workspace)
    last = list(read_events(run))[-1]
    assert isinstance(last, OutOfMemory)
    assert (last.during == "validation") == (at == "validation")
    assert last.suggested_batch_size is not None
    assert last.suggested_batch_size < last.batch_size == 8
    assert "does not matter" in str(last.message)
    assert list_runs(workspace)[0].state == "out_of_memory"
    assert list_runs(workspace)[0].resumable
    if at == "unfreeze":
        assert_resumes_with_what_was_proposed(run, last)


@pytest.mark.parametrize("at", MOMENTS)
def test_retrying_continues_with_less_and_finishes_with_good_weights(workspace: Path, at: Moment) -> None:
    megabytes = float(ENOUGH[at])
    assert train(workspace, at, "retry", int(megabytes)) == 0
    while not any(isinstance(event, OutOfMemory) for event in read_events(only_run(workspace))):
        megabytes *= LESS
        assert megabytes > TOO_LITTLE[at], "memory never ran out"
        shutil.rmtree(workspace / "logs")
        assert train(workspace, at, "retry", int(megabytes)) == 0
    run = only_run(workspace)
    assert list_runs(workspace)[0].state == "finished"
    weights = load_network(run / "last_epoch_weights.pth")[0].state_dict()
    assert all(tensor.isfinite().all() for tensor in weights.values())
