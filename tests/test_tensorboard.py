"""TensorBoard files, read by TensorBoard itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from engine.training.tensorboard import TensorBoardWriter


def test_values_are_visible_before_the_file_is_closed(tmp_path: Path) -> None:
    writer = TensorBoardWriter(tmp_path, 0)
    for epoch, value in enumerate((0.5, 0.25, 0.125)):
        writer.add("loss/train", value, epoch)
    writer.add("map/50", 0.75, 2)
    shown = EventAccumulator(str(tmp_path)).Reload()  # before the file is closed, as during a training
    assert [(point.step, point.value) for point in shown.Scalars("loss/train")] == [(0, 0.5), (1, 0.25), (2, 0.125)]
    assert [(point.step, point.value) for point in shown.Scalars("map/50")] == [(2, 0.75)]
    writer.close()


def test_a_resumed_run_replaces_the_values_after_its_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    first = TensorBoardWriter(tmp_path / "a", 0)
    for epoch in range(4):
        first.add("loss/train", 1.0, epoch)
    first.close()
    second = TensorBoardWriter(tmp_path / "a", 2)
    for epoch in (2, 3):
        second.add("loss/train", 2.0, epoch)
    second.close()
    shown = EventAccumulator(str(tmp_path / "a")).Reload()
    assert [(p.step, p.value) for p in shown.Scalars("loss/train")] == [(0, 1.0), (1, 1.0), (2, 2.0), (3, 2.0)]


def test_a_missing_folder_is_an_error_in_the_calling_thread(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        TensorBoardWriter(tmp_path / "gone", 0)
