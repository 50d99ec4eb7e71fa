"""`freezetui export`: each file is run by the program it is for, and gives what the network gives."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from engine.dataset.images import encode_image
from engine.dataset.sample_dataset import draw_image
from engine.export import check, example_script
from engine.export.darknet_cfg import darknet_cfg
from engine.export.deployable import DeployableDetector
from engine.export.export import Exported, export_weights
from engine.export.metadata import metadata
from engine.export.onnx_file import onnx_runner
from engine.messages import BadInput
from engine.network.detector import build_network
from engine.network.yolov4 import YoloV4, initialise_heads
from engine.weights.load import load_network
from engine.weights.native import WeightsInfo, info_of, save_weights
from tests.command import command


def lively_network(name: str, classes: int) -> YoloV4:
    """A network whose statistics and heads are random, so that it finds a few objects everywhere."""
    torch.manual_seed(0)
    network = build_network(name, classes).eval()
    assert isinstance(network, YoloV4)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.uniform_(-0.1, 0.1)  # type: ignore[union-attr]
                module.running_var.uniform_(0.8, 1.2)  # type: ignore[union-attr]
    initialise_heads(network, std=0.3, objectness=0.0)
    return network


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of yolov4-tiny for three classes at 96x128."""
    path = tmp_path_factory.mktemp("weights") / "best.pth"
    network = lively_network("yolov4-tiny", 3)
    info = info_of(network, ["crate", "ball", "星"], (96, 128), threshold=0.65)
    save_weights(path, network, info)
    return path


@pytest.fixture(scope="module")
def onnx_export(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """One for several tests, since torch's exporter takes seconds."""
    return export_weights(weights, "onnx", tmp_path_factory.mktemp("onnx") / "model.onnx", dynamic=True)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.png"
    encode_image(path, draw_image(np.random.default_rng(3)).pixels)
    return path


def detections_of(weights: Path, image: Path) -> list[tuple[str, float, list[float]]]:
    output = command("predict", "--weights", str(weights), str(image), "--json").stdout
    return [(found["class"], found["confidence"], found["box"]) for found in json.loads(output)["detections"]]


def run_example(script: Path, image: Path) -> list[tuple[str, float, list[float]]]:
    finished = subprocess.run(
        [sys.executable, script, image], capture_output=True, text=True, encoding="utf-8", check=True
    )
    lines = [line.split() for line in finished.stdout.splitlines()]
    return [(name, float(score), [float(corner) for corner in corners]) for name, score, *corners in lines]


def assert_same(found: list[tuple[str, float, list[float]]], expected: list[tuple[str, float, list[float]]]) -> None:
    assert len(found) == len(expected) > 0
    for (name, score, box), (other_name, other_score, other_box) in zip(found, expected, strict=True):
        assert name == other_name
        assert abs(score - other_score) < 0.01
        assert np.abs(np.array(box) - other_box).max() < 1


def test_the_onnx_example_finds_what_predict_finds(weights: Path, onnx_export: Exported, image: Path) -> None:
    assert [path.name for path in onnx_export.files] == ["model.onnx", "model_example.py"]
    assert "gives what the network gives" in str(onnx_export.check)
    assert_same(run_example(onnx_export.files[1], image), detections_of(weights, image))


def test_the_torchscript_example_finds_what_predict_finds(weights: Path, image: Path, tmp_path: Path) -> None:
    exported = export_weights(weights, "torchscript", tmp_path / "model.torchscript", images=[image])
    assert_same(run_example(exported.files[1], image), detections_of(weights, image))


def test_the_onnx_example_with_nms_in_the_file_finds_what_predict_finds(
    weights: Path, onnx_export: Exported, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter_wrote = onnx_export.files[0].read_bytes()  # it need not take seconds again
    monkeypatch.setattr(
        "engine.export.export.write_onnx", lambda _detector, _info, path, **_options: path.write_bytes(exporter_wrote)
    )
    exported = export_weights(weights, "onnx", tmp_path / "model.onnx", images=[image], dynamic=True, nms=True)
    assert [path.name for path in exported.files] == ["model.onnx", "model_example.py"]
    assert_same(run_example(exported.files[1], image), detections_of(weights, image))


def test_a_dynamic_onnx_file_accepts_other_batches_and_sizes(weights: Path, onnx_export: Exported) -> None:
    network, _info = load_network(weights)
    images = torch.rand(3, 3, 64, 160)
    with torch.no_grad():
        expected = DeployableDetector(network)(images)
    for ours, theirs in zip(expected, onnx_runner(onnx_export.files[0])(images), strict=True):
        np.testing.assert_allclose(theirs, ours.numpy(), atol=1e-2, rtol=1e-3)


def test_the_metadata_names_classes_anchors_and_preprocessing(weights: Path, onnx_export: Exported) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(onnx_export.files[0].read_bytes())
    about = json.loads(session.get_modelmeta().custom_metadata_map["freezetui"])
    assert about == metadata(load_network(weights)[1])
    assert about["classes"] == ["crate", "ball", "星"]
    assert (about["input_shape"], about["preprocessing"], about["threshold"]) == ([96, 128], "letterbox", 0.65)


def test_darknet_files_hold_every_weight_and_class(weights: Path, tmp_path: Path) -> None:
    exported = export_weights(weights, "darknet", tmp_path / "model.weights")
    assert {path.name for path in exported.files} == {
        *("model.weights", "model.cfg", "model.names", "model_example.py")
    }
    assert (tmp_path / "model.names").read_text("utf-8") == "crate\nball\n星\n"
    network, _ = load_network(weights)
    again, _ = load_network(tmp_path / "model.weights")
    for name, tensor in network.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(again.state_dict()[name], tensor, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("name", "layers", "convolutions", "shortcuts"), [("yolov4", 162, 110, 23), ("yolov4-tiny", 38, 21, 0)]
)
def test_the_cfg_has_the_layers_of_the_published_one(name: str, layers: int, convolutions: int, shortcuts: int) -> None:
    with torch.device("meta"):
        network = build_network(name, 80)
    text = darknet_cfg(network, WeightsInfo(name, ("",) * 80, network.all_anchors, network.scale_x_y))
    assert text is not None
    sections = [line for line in text.splitlines() if line.startswith("[")]
    assert sections[0] == "[net]"
    assert len(sections) - 1 == layers
    assert sections.count("[convolutional]") == convolutions
    assert sections.count("[shortcut]") == shortcuts
    widths = [int(line.partition("=")[2]) for line in text.splitlines() if line.startswith("filters=")]
    own = [network.get_submodule(layer.module).out_channels for layer in network.layers()]
    assert widths == own


def test_opencv_is_told_of_a_threshold_below_its_own() -> None:
    with torch.device("meta"):
        network = build_network("yolov4-tiny", 2)
    for threshold, lines in ((0.1, ["thresh=0.1"] * 2), (0.3, [])):
        text = darknet_cfg(network, info_of(network, ("cat", "dog"), (96, 128), threshold=threshold))
        assert text is not None
        assert [line for line in text.splitlines() if line.startswith("thresh")] == lines


def test_the_tutorials_file_is_read_back_with_the_same_outputs(weights: Path, tmp_path: Path) -> None:
    exported = export_weights(weights, "tutorial", tmp_path / "model.pth")
    network, info = load_network(weights)
    again, _ = load_network(exported.files[0], info.classes)
    images = torch.rand(1, 3, 96, 128)
    with torch.no_grad():
        for ours, theirs in zip(network(images), again(images), strict=True):
            torch.testing.assert_close(theirs, ours, rtol=0, atol=0)
    assert "scale_x_y" in str(exported.notes[0])


def test_a_file_that_differs_is_not_written(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    differing = check.Comparison(images=1, pixels=0.0, score=0.01)
    monkeypatch.setattr("engine.export.export.compare", lambda *_arguments, **_options: differing)
    with pytest.raises(BadInput, match=r"model\.torchscript: not written, since torch\.jit .* scores by up to 0\.01"):
        export_weights(weights, "torchscript", tmp_path / "model.torchscript")
    assert list(tmp_path.iterdir()) == []


def test_compare_finds_a_wrong_anchor(weights: Path) -> None:
    network, info = load_network(weights)
    wrong, _ = load_network(weights)
    wrong.set_levels(all_anchors=tuple((width + 1, height) for width, height in wrong.all_anchors))
    other = DeployableDetector(wrong)

    def run(images: torch.Tensor) -> tuple[np.ndarray, ...]:
        with torch.no_grad():
            return tuple(output.numpy() for output in other(images))

    comparison = check.compare(DeployableDetector(network), info, run, check.check_images(weights, []))
    with pytest.raises(BadInput, match="gives other results"):
        check.require_equal(comparison, info, Path("model.onnx"), "onnxruntime")


def test_bad_input_is_refused_with_one_sentence(weights: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken.onnx"
    taken.write_bytes(b"mine")
    for arguments, sentence in (
        (("--format", "onx"), "did you mean onnx?"),
        (("--to", "onx"), "did you mean onnx?"),
        (("--to", "keras"), "--format keras: it is onnx, torchscript, darknet or tutorial."),
        (("--format", "onnx", "--out", str(taken)), "this file exists already"),
        (("--format", "onnx", "--out", str(tmp_path / "model.pt")), "a file in this format ends in .onnx"),
        (("--format", "torchscript", "--nms"), "only for --format onnx"),
        (("--format", "onnx", "--out", str(tmp_path / "no" / "model.onnx")), "cannot be written"),
    ):
        finished = command("export", "--weights", str(weights), *arguments)
        assert finished.returncode == 2
        assert sentence in finished.stderr
    assert taken.read_bytes() == b"mine"
    assert [path.name for path in tmp_path.iterdir()] == ["taken.onnx"]


def test_without_the_packages_a_sentence_says_what_to_install(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.export.onnx_file.find_spec", lambda _name: None)
    with pytest.raises(BadInput, match="pip install onnx onnxscript onnxruntime"):
        export_weights(weights, "onnx", tmp_path / "model.onnx")


def test_the_script_for_weights_that_stretch_images_does_so(weights: Path) -> None:
    info = replace(load_network(weights)[1], preprocessing="stretch")
    script = example_script.example_script("onnx", "model.onnx", info, metadata(info), nms=False)
    compile(script, "example.py", "exec")
    assert "canvas = cv2.resize(image, (width, height))" in script
