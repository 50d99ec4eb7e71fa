"""Weights files that are damaged, or claim more than they hold, are refused before anything is allocated."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import reference_network as reference
import torch
from torch import Tensor

from engine.messages import BadInput
from engine.network.detector import build_network
from engine.weights.download.registry import KNOWN
from engine.weights.load import load_network, load_weights
from engine.weights.native import info_of, save_weights
from tests.command import command

OWN_CLASSES = ["cat", "dog"]


@pytest.fixture(scope="module")
def own_content(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The content of a good file of ours."""
    path = tmp_path_factory.mktemp("own") / "own.pth"
    network = build_network("yolov4-tiny", 2)
    save_weights(path, network, info_of(network, OWN_CLASSES, (64, 64)))
    return dict(torch.load(path, weights_only=True))


@pytest.fixture(scope="module")
def tutorial_state() -> dict[str, Tensor]:
    return reference.tutorial_state("yolov4-tiny", reference.synthetic_floats("yolov4-tiny"))


def refusal_of(path: Path, content: object) -> str:
    """The sentence, after which less than 100 MB more are in use than before."""
    torch.save(content, path)
    before = psutil.Process().memory_info().rss
    with pytest.raises(BadInput) as refusal:
        load_network(path)
    assert psutil.Process().memory_info().rss - before < 100e6
    sentence = str(refusal.value)
    assert sentence.startswith(f"{path}: ")
    return sentence


def repeated(*shape: int) -> Tensor:
    return torch.full((1,), 0.1).expand(shape)


# Claims


def test_heads_of_a_million_classes_that_repeat_one_number(tutorial_state: dict[str, Tensor], tmp_path: Path) -> None:
    outputs = 3 * (5 + 10**6)
    heads = {f"yolo_headP{level}.1.{name}": None for level in (4, 5) for name in ("weight", "bias")}
    lying = dict(tutorial_state)
    for name in heads:
        lying[name] = repeated(outputs, *tutorial_state[name].shape[1:])
    assert "for 1000000 classes; the most that can be loaded are 10000" in refusal_of(tmp_path / "w.pth", lying)
    for name in heads:
        lying[name] = repeated(3 * (5 + 9000), *tutorial_state[name].shape[1:])
    assert "numbers by its shape, and the file holds only 1 of them" in refusal_of(tmp_path / "w.pth", lying)


def test_every_tensor_repeats_one_number(tutorial_state: dict[str, Tensor], tmp_path: Path) -> None:
    lying = {name: repeated(*tensor.shape) if tensor.ndim else tensor for name, tensor in tutorial_state.items()}
    assert "the file holds only 1 of them" in refusal_of(tmp_path / "w.pth", lying)


def test_squared_shapes(tutorial_state: dict[str, Tensor], tmp_path: Path) -> None:
    lying = {n: repeated(*(side**2 for side in t.shape)) if t.ndim else t for n, t in tutorial_state.items()}
    refusal_of(tmp_path / "w.pth", lying)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("input_shape", [65536, 65536]),
        ("input_shape", [[32, 32], 32]),
        ("input_shape", 2**70),
        ("anchors", [[1e30, 1e30]] * 6),
        ("anchors", [[[1.0]]]),
        ("scale_x_y", [1e30, 1e30]),
        ("classes", [["cat"], "dog"]),
        ("classes", ["x"] * 10_001),
        ("metrics", {"map50": {"nested": {}}}),
        ("threshold", float("nan")),
        ("format_version", torch.zeros(3)),
    ],
)
def test_a_wrong_value_in_our_own_file_is_named(
    own_content: dict[str, Any], tmp_path: Path, key: str, value: object
) -> None:
    assert key in refusal_of(tmp_path / "w.pth", {**own_content, key: value})


@pytest.mark.parametrize(
    "dtype",
    [torch.float8_e4m3fn, torch.float8_e5m2, torch.uint16, torch.bits8, torch.int8, torch.bool, torch.complex64],
)
def test_numbers_of_an_unusual_type(own_content: dict[str, Any], tmp_path: Path, dtype: torch.dtype) -> None:
    state = dict(own_content["state"])
    name = "backbone.stem.0.conv.weight"
    size = torch.empty(0, dtype=dtype).element_size()
    state[name] = torch.zeros((*state[name].shape[:-1], state[name].shape[-1] * size), dtype=torch.uint8).view(dtype)
    assert "has numbers of type" in refusal_of(tmp_path / "w.pth", {**own_content, "state": state})


@pytest.mark.parametrize(
    "odd",
    [
        lambda: torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)]),
        lambda: torch.zeros(3, 3).to_sparse(),
        lambda: torch.quantize_per_tensor(torch.zeros(3), 0.1, 0, torch.quint8),
        lambda: torch.zeros(3, device="meta"),
        lambda: bytearray(10),
    ],
    ids=["nested", "sparse", "quantized", "meta", "bytearray"],
)
@pytest.mark.filterwarnings("ignore")
def test_kinds_of_tensors_that_no_network_here_has(tmp_path: Path, odd: Callable[[], object]) -> None:
    assert "refused, since loading it would run" in refusal_of(tmp_path / "w.pth", {"a": odd()})


def test_a_file_that_contains_itself(tmp_path: Path) -> None:
    content: dict[str, Any] = {"a": torch.zeros(2)}
    content["model"] = content["ema"] = content
    refusal_of(tmp_path / "w.pth", content)


# Damage


@pytest.mark.parametrize("share", [0.2, 0.4, 0.6, 0.8, 0.95])
def test_one_flipped_bit_in_weights_is_found(own_content: dict[str, Any], tmp_path: Path, share: float) -> None:
    path = tmp_path / "best_epoch_weights.pth"
    torch.save(own_content, path)
    load_network(path)
    damaged = bytearray(path.read_bytes())
    damaged[int(share * len(damaged))] ^= 1 << 3
    path.write_bytes(damaged)
    with pytest.raises(BadInput, match="it cannot be read as PyTorch weights"):
        load_network(path)
    with pytest.raises(BadInput, match="it cannot be read as PyTorch weights"):
        load_weights(build_network("yolov4-tiny", 2), path)


def test_a_known_file_with_other_content_is_refused_by_its_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "yolov4-tiny.weights"
    content = reference.write_darknet(path, reference.synthetic_floats("yolov4-tiny")).read_bytes()
    published = replace(KNOWN[path.name], bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setitem(KNOWN, path.name, published)
    load_network(path)
    path.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))
    with pytest.raises(BadInput, match="has the name and the size of the published file, but another content"):
        load_network(path)
    path = path.rename(tmp_path / "mine.weights")
    with pytest.raises(BadInput, match="has only zeros, as a download that was cut off leaves"):
        load_network(path)


# State dicts in larger dictionaries


@pytest.mark.parametrize("prefix", ["", "module.", "module.model.", "_orig_mod."])
@pytest.mark.parametrize("key", ["model", "state_dict", "model_state_dict", "net", "ema"])
def test_a_state_dict_below_any_usual_key(
    tutorial_state: dict[str, Tensor], tmp_path: Path, key: str, prefix: str
) -> None:
    path = tmp_path / "w.pth"
    state = {prefix + name: tensor for name, tensor in tutorial_state.items()}
    torch.save({"epoch": 3, key: state, "optimizer": {"state": {}, "lr": torch.zeros(2)}}, path)
    network = build_network("yolov4-tiny", 80)
    report = load_weights(network, path)
    assert report.matched == report.total


def test_the_moving_average_is_taken_where_there_are_both(tutorial_state: dict[str, Tensor], tmp_path: Path) -> None:
    average = {name: tensor + 1 for name, tensor in tutorial_state.items()}
    torch.save({"model": tutorial_state, "ema": average}, tmp_path / "w.pth")
    network = build_network("yolov4-tiny", 80)
    load_weights(network, tmp_path / "w.pth")
    first = next(name for name in tutorial_state if name.endswith("conv.weight"))
    assert torch.equal(network.state_dict()["backbone.stem.0.conv.weight"], average[first])


def test_the_command_answers_with_exit_code_2(own_content: dict[str, Any], tmp_path: Path) -> None:
    torch.save({**own_content, "input_shape": [65536, 65536]}, tmp_path / "w.pth")
    done = command("weights", "import", str(tmp_path / "w.pth"), "--workspace", str(tmp_path))
    assert done.returncode == 2
    assert "input_shape" in done.stderr
    assert "Traceback" not in done.stderr
