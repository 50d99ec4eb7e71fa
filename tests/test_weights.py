"""Our own weights file, the tutorials' `.pth`, and hostile or damaged files."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference_network as reference
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.messages import BadInput
from engine.network.detector import Detector, build_network
from engine.network.registry import NETWORKS
from engine.weights.load import load_network, load_weights
from engine.weights.native import info_of, save_weights
from engine.weights.torch_file import read_torch_file
from engine.weights.tutorial_pth import rename_tensors, tutorial_names


@pytest.fixture(scope="module")
def tiny_floats() -> NDArray[np.float32]:
    return reference.synthetic_floats("yolov4-tiny")


@pytest.fixture(scope="module")
def tiny_pth(tiny_floats: NDArray[np.float32], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pth") / "tiny.pth"
    torch.save(reference.tutorial_state("yolov4-tiny", tiny_floats), path)
    return path


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    network = build_network("yolov4-tiny", 2, scale_x_y=2.0)
    path = tmp_path / "own.pth"
    save_weights(path, network, info_of(network, ["cat", "dog"], (320, 608)))
    return path


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def refusal_of(path: Path, network: Detector | None = None) -> str:
    """The sentence with which a file is refused, whether it is opened for training or for detection."""
    with pytest.raises(BadInput) as refusal:
        load_weights(network or build_network("yolov4-tiny", 2), path)
    with pytest.raises(BadInput):
        load_network(path)
    sentence = str(refusal.value)
    assert sentence.startswith(f"{path}: ")
    assert "\n" not in sentence
    return sentence


def test_for_a_folder_the_best_weights_in_it_are_suggested(tmp_path: Path) -> None:
    assert refusal_of(tmp_path).endswith("this is a folder, and weights are a file.")
    for name in ("best_epoch_weights.pth", "last_epoch_weights.pth", "recipe.toml"):
        (tmp_path / name).touch()
    assert refusal_of(tmp_path).endswith(f"; did you mean {tmp_path / 'best_epoch_weights.pth'}?")


# The tutorials' state dicts


@pytest.mark.parametrize("name", NETWORKS)
def test_tutorial_names_are_the_published_ones(name: str) -> None:
    assert tutorial_names(name) == [(convolution, norm) for convolution, norm, _ in reference.names(name)]


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_have_the_published_shapes_in_file_order(name: str) -> None:
    with torch.device("meta"):
        network = build_network(name, 80)
    state = network.state_dict()
    shapes = [list(state[f"{layer.module}.weight"].shape) for layer in network.layers()]
    assert shapes == [shape for _, _, shape in reference.names(name)]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_tutorial_file_gives_the_reference_outputs(name: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "w.pth", reference.tutorial_state(name, reference.synthetic_floats(name)))
    network, info = load_network(path)
    with torch.no_grad():
        raw = network(reference.noise())
    assert reference.largest_difference(raw, reference.ENTRY[name]) < 1e-4
    assert (info.network, len(info.classes)) == (name, 80)
    assert set(info.scale_x_y) == {1.0}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_backbones_own_file_has_the_same_names_without_their_prefix(name: str) -> None:
    theirs = [f"{n}.weight" for pair in tutorial_names(name) for n in pair if n and n.startswith("backbone.")]
    with_prefix = rename_tensors({n: torch.zeros(0) for n in theirs}, name)
    without = rename_tensors({n.removeprefix("backbone."): torch.zeros(0) for n in theirs}, name)
    assert len(theirs) == len(with_prefix)
    assert list(with_prefix) == list(without)


def test_a_tutorial_backbone_is_the_backbone_of_the_whole_file(tmp_path: Path) -> None:
    name = "yolov4-tiny"
    floats = reference.synthetic_floats(name)
    path = saved(tmp_path / "backbone.pth", reference.tutorial_state(name, floats, prefix="backbone."))
    network, whole = build_network(name, 3), build_network(name, 3)
    report = load_weights(network, path, part="backbone")
    load_weights(whole, reference.write_darknet(tmp_path / "whole.weights", floats), part="backbone")
    assert report.matched == sum(layer.part == "backbone" for layer in network.layers())
    for a, b in zip(network.backbone.state_dict().values(), whole.backbone.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(BadInput, match="cannot detect"):
        load_network(path)


def test_a_backbone_file_does_not_change_the_scale(tiny_floats: NDArray[np.float32], tmp_path: Path) -> None:
    path = saved(tmp_path / "b.pth", reference.tutorial_state("yolov4-tiny", tiny_floats, prefix="backbone."))
    network = build_network("yolov4-tiny", 3, scale_x_y=2.0)
    report = load_weights(network, path)
    assert report.kind == "tutorial .pth, backbone"
    assert [level.scale_x_y for level in network.levels] == [2.0, 2.0]


def test_a_tutorial_file_with_other_classes_skips_the_predicting_convolutions(tiny_pth: Path) -> None:
    network = build_network("yolov4-tiny", 20, scale_x_y=2.0)
    report = load_weights(network, tiny_pth)
    assert (report.matched, report.total) == (19, 21)
    assert [level.scale_x_y for level in network.levels] == [1.0, 1.0]
    assert report.to_json() == {
        "kind": "tutorial .pth",
        "matched": 19,
        "total": 21,
        "skipped": [
            {
                "code": "weights.other_classes",
                "message": "heads: 2 of 4 convolutions are newly initialised, since the file has 80 classes and the network 20.",
            }
        ],
    }


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {name: tensor.half() for name, tensor in state.items()},
    ],
    ids=["DataParallel", "wrapped", "half"],
)
def test_the_usual_wrappers_of_a_state_dict_are_removed(
    wrap: Callable[[dict[str, Tensor]], Any], tiny_floats: NDArray[np.float32], tmp_path: Path
) -> None:
    path = saved(tmp_path / "w.pth", wrap(reference.tutorial_state("yolov4-tiny", tiny_floats)))
    assert load_weights(build_network("yolov4-tiny", 80), path).matched == 21


def test_a_file_of_pytorchs_old_format_loads(tiny_floats: NDArray[np.float32], tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    state = reference.tutorial_state("yolov4-tiny", tiny_floats)
    torch.save(state, path, _use_new_zipfile_serialization=False)
    assert load_weights(build_network("yolov4-tiny", 80), path).matched == 21


def test_the_other_networks_file_says_which_it_is(tiny_pth: Path) -> None:
    with pytest.raises(BadInput, match="weights of yolov4-tiny, not of yolov4; set network=yolov4-tiny"):
        load_weights(build_network("yolov4", 1), tiny_pth)


def test_for_a_file_with_a_few_known_names_the_number_of_matches_is_reported(
    tiny_floats: NDArray[np.float32], tmp_path: Path
) -> None:
    state = reference.tutorial_state("yolov4-tiny", tiny_floats)
    few = {name: tensor for name, tensor in state.items() if name.startswith(("backbone.conv1", "backbone.conv2"))}
    path = saved(tmp_path / "few.pth", {**few, "fc.weight": torch.zeros(10, 10)})
    assert "only 2 of 21 convolutions match" in refusal_of(path)


def test_a_file_without_known_names_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "resnet.pth", {"layer1.0.conv1.weight": torch.zeros(3), "fc.bias": torch.zeros(2)})
    assert "none of its 2 tensors has a name" in refusal_of(path)


def test_a_whole_file_that_lacks_a_layer_loads_for_training_but_does_not_detect(
    tiny_floats: NDArray[np.float32], tmp_path: Path
) -> None:
    state = reference.tutorial_state("yolov4-tiny", tiny_floats)
    del state["conv_for_P5.conv.weight"]
    path = saved(tmp_path / "w.pth", state)
    report = load_weights(build_network("yolov4-tiny", 80), path)
    assert str(report.skipped[0]) == "neck: 1 of 2 convolutions are not in the file and are newly initialised."
    with pytest.raises(BadInput, match="only 20 of 21 convolutions are in the file"):
        load_network(path)


# Our own file


def test_our_own_file_stores_everything_that_detection_needs(tmp_path: Path) -> None:
    own = [(k * 11.0, k * 7.0) for k in range(1, 7)]
    network = build_network("yolov4-tiny", 2, anchors=own, scale_x_y=(2.0, 1.5))
    info = info_of(network, ["猫", "a [red] dog"], (320, 608), threshold=0.37, metrics={"map50": 0.9})
    save_weights(tmp_path / "own.pth", network, info)
    again, read = load_network(tmp_path / "own.pth")
    assert read == info
    assert again.levels == network.levels
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), network.parameters(), strict=True))


def test_training_starts_from_our_own_file_with_its_scale_and_anchors(own_file: Path) -> None:
    network = build_network("yolov4-tiny", 5)
    report = load_weights(network, own_file)
    assert (report.kind, report.matched) == ("ours", 19)
    assert [level.scale_x_y for level in network.levels] == [2.0, 2.0]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format_version", 2),
        ("network", "../../etc"),
        ("classes", []),
        ("classes", [1, 2]),
        ("anchors", [[1.0, 2.0]]),
        ("anchors", [[float("nan"), 1.0]] * 6),
        ("anchors", "many"),
        ("scale_x_y", [1.05]),
        ("input_shape", [416, 415]),
        ("preprocessing", "squash"),
        ("threshold", 7.0),
        ("state", None),
        ("state", {"backbone.last.conv.weight": "text"}),
    ],
)
def test_every_value_of_our_own_file_is_validated(key: str, value: object, own_file: Path) -> None:
    content = torch.load(own_file, weights_only=True)
    content[key] = value
    refusal_of(saved(own_file, content))


def test_info_of_another_network_is_not_saved(tmp_path: Path) -> None:
    network = build_network("yolov4-tiny", 2)
    with pytest.raises(ValueError, match="3 classes"):
        save_weights(tmp_path / "w.pth", network, info_of(network, ["a", "b", "c"], (416, 416)))
    assert not (tmp_path / "w.pth").exists()


# Hostile and damaged files


class _Command:
    """A pickle that would create a file when opened."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("new_format", [True, False], ids=["zip", "old"])
def test_code_in_a_pickle_is_never_run(new_format: bool, tmp_path: Path) -> None:
    trace = tmp_path / "it ran"
    path = tmp_path / "hostile.pth"
    torch.save({"a": torch.zeros(1), "b": _Command(trace)}, path, _use_new_zipfile_serialization=new_format)
    assert f"would run {os.mkdir.__module__}.mkdir" in refusal_of(path)
    assert not trace.exists()


def test_code_in_a_bare_pickle_is_never_run(tmp_path: Path) -> None:
    trace = tmp_path / "it ran"
    path = tmp_path / "hostile.pth"
    path.write_bytes(pickle.dumps(_Command(trace)))
    refusal_of(path)
    assert not trace.exists()


def test_a_whole_pickled_network_is_refused_with_what_to_save_instead(tmp_path: Path) -> None:
    path = saved(tmp_path / "model.pth", torch.nn.Linear(2, 2))
    assert "torch.save(model.state_dict(), ...)" in refusal_of(path)


@pytest.mark.parametrize("keep", [2, 100, 0.5, 0.999])
def test_a_truncated_file_is_refused(keep: float, tiny_pth: Path, tmp_path: Path) -> None:
    content = tiny_pth.read_bytes()
    path = tmp_path / "cut.pth"
    path.write_bytes(content[: keep if isinstance(keep, int) else int(keep * len(content))])
    assert "truncated" in refusal_of(path)


def zipped(entries: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        for name, value in entries.items():
            archive.writestr(name, value)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"x", "not a weights file"),
        (b"<!DOCTYPE html><html>404</html>", "not a weights file"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "not a weights file"),
        (bytes(1000), "not a weights file"),
        (zipped({"word/document.xml": b"<xml/>"}), "cannot be read as PyTorch weights"),
        (zipped({"archive/data.pkl": b"\x80\x02}."}), "cannot be read|none of its 0 tensors"),
        (zipped({"a/data.pkl": bytes(50_000_000)}, zipfile.ZIP_DEFLATED), "cannot be read as PyTorch weights"),
    ],
    ids=["empty", "letter", "page", "jpeg", "zeros", "document", "nothing", "compressed"],
)
def test_something_else_under_that_name_is_refused(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "yolo4_weights.pth"
    path.write_bytes(content)
    sentence = refusal_of(path)
    assert any(word in sentence for word in words.split("|")), sentence


@pytest.mark.parametrize("content", [[1, 2], "text", None, {"state_dict": 3}, torch.zeros(3), {1: torch.zeros(2)}])
def test_a_file_without_named_tensors_is_refused(content: object, tmp_path: Path) -> None:
    refusal_of(saved(tmp_path / "w.pth", content))


def test_odd_tensors_under_the_right_names_are_refused(tiny_floats: NDArray[np.float32], tmp_path: Path) -> None:
    state = reference.tutorial_state("yolov4-tiny", tiny_floats)
    odd = {name: tensor.to_sparse() if tensor.ndim else tensor for name, tensor in state.items()}
    refusal_of(saved(tmp_path / "sparse.pth", odd))
    refusal_of(saved(tmp_path / "complex.pth", {name: tensor * 1j for name, tensor in state.items()}))
    refusal_of(saved(tmp_path / "nan.pth", {name: tensor * float("nan") for name, tensor in state.items()}))


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert "there is no such file" in refusal_of(tmp_path / "nowhere.pth")
    refusal_of(tmp_path)


@pytest.mark.parametrize("new_format", [True, False], ids=["zip", "old"])
def test_damaged_files_are_loaded_or_refused_with_one_sentence(new_format: bool, tmp_path: Path) -> None:
    """Three hundred files, each with a few bytes changed."""
    path = tmp_path / "w.pth"
    state = {"a": torch.arange(4.0), "b": {"c": [torch.zeros(2, 2), 3]}}
    torch.save(state, path, _use_new_zipfile_serialization=new_format)
    content = np.frombuffer(path.read_bytes(), np.uint8)
    rng = np.random.default_rng(5)
    refused = 0
    for _ in range(300):
        damaged = content.copy()
        damaged[rng.integers(0, len(content), 3)] = rng.integers(0, 256, 3)
        path.write_bytes(damaged.tobytes())
        try:
            read_torch_file(path)
        except BadInput:
            refused += 1
    assert refused > 20
