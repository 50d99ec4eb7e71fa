"""Commands download the weights that they need, unless --offline forbids it."""

from __future__ import annotations

from pathlib import Path

from tests.command import command
from tests.dataset_on_disk import write_voc
from tests.weights_server import OFFICIAL, WeightsServer, weights_server

__all__ = ["weights_server"]

SMALL = ("--set", "input_shape=[64,64]", "--set", "device=cpu", "--no-dry-run")


def test_plan_downloads_the_official_weights(tmp_path: Path, weights_server: WeightsServer) -> None:
    write_voc(tmp_path / "data", train=6, val=2)
    words = ("plan", "--data", str(tmp_path / "data"), "--workspace", str(tmp_path), *SMALL)
    refused = command(*words, "--offline")
    assert refused.returncode == 2
    assert "yolov4-tiny.weights is not in" in refused.stderr
    assert "--offline forbids its download; get it from http://127.0.0.1" in refused.stderr
    assert not (tmp_path / "model_data").exists()
    done = command(*words)
    assert done.returncode == 0, done.stderr
    assert "Downloading yolov4-tiny.weights (23.1 MiB)." in done.stderr
    assert (tmp_path / "model_data" / OFFICIAL.name).stat().st_size == OFFICIAL.bytes
    assert "Downloading" not in command(*words, "--offline").stderr


def test_known_weights_are_found_by_their_name(tmp_path: Path, weights_server: WeightsServer) -> None:
    root = write_voc(tmp_path / "data", train=2)
    image = str(next((root / "JPEGImages").iterdir()))
    words = ("predict", "--weights", OFFICIAL.name, image, "--device", "cpu")
    refused = command(*words, "--offline", cwd=tmp_path)
    assert (refused.returncode, "--offline" in refused.stderr) == (2, True)
    done = command(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Downloading yolov4-tiny.weights" in done.stderr
    assert command(*words, "--offline", cwd=tmp_path).returncode == 0


def test_a_name_that_is_not_known_is_not_downloaded(tmp_path: Path, weights_server: WeightsServer) -> None:
    done = command("predict", "--weights", "mine.pth", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 2
    assert "Downloading" not in done.stderr
