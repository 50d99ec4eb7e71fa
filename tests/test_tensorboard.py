"""The file that TensorBoard reads, read by TensorBoard."""

from __future__ import annotations

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from engine.training.tensorboard import TensorBoardWriter


def test_tensorboard_reads_what_was_written_at_once(tmp_path: Path) -> None:
    board = TensorBoardWriter(tmp_path, 0)
    for epoch, value in enumerate((0.5, 0.25, 0.125)):
        board.add("loss/train", value, epoch)
    board.add("map/50", 0.75, 2)
    shown = EventAccumulator(str(tmp_path)).Reload()  # before the file is closed, as during a training
    assert [(point.step, point.value) for point in shown.Scalars("loss/train")] == [(0, 0.5), (1, 0.25), (2, 0.125)]
    assert [(point.step, point.value) for point in shown.Scalars("map/50")] == [(2, 0.75)]
    board.close()


def test_a_run_that_goes_on_replaces_what_came_after_its_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    killed = TensorBoardWriter(tmp_path / "a", 0)
    for epoch in range(4):
        killed.add("loss/train", 1.0, epoch)
    killed.close()
    again = TensorBoardWriter(tmp_path / "a", 2)
    for epoch in (2, 3):
        again.add("loss/train", 2.0, epoch)
    again.close()
    shown = EventAccumulator(str(tmp_path / "a")).Reload()
    assert [(p.step, p.value) for p in shown.Scalars("loss/train")] == [(0, 1.0), (1, 1.0), (2, 2.0), (3, 2.0)]


def test_a_folder_that_is_not_there_is_an_error_here_and_not_in_a_thread(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        TensorBoardWriter(tmp_path / "gone", 0)
