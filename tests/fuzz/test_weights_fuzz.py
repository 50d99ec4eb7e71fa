"""Whatever a weights file or a checkpoint contains: it is loaded, or refused with one sentence."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from engine.messages import BadInput
from engine.network.detector import Detector, build_network
from engine.training.checkpoint import Checkpoint, Progress, load_checkpoint, save_checkpoint
from engine.weights.load import load_network, load_weights
from engine.weights.native import FORMAT, FORMAT_VERSION
from engine.weights.tutorial_pth import tutorial_names
from tests.fuzz.settings import examples

KINDS = ("ours", "tutorial", "tutorial before 1.6", "checkpoint")


@cache
def empty_network() -> Detector:
    """The shapes of yolov4-tiny, without memory."""
    with torch.device("meta"):
        return build_network("yolov4-tiny", 3)


def small_state() -> dict[str, Tensor]:
    """A state dict with the right names and shapes in a file of 60 kB: each tensor repeats one number."""
    return {name: torch.full((1,), 0.5).expand(t.shape) for name, t in empty_network().state_dict().items() if t.ndim}


@cache
def seed_content(kind: str) -> dict[str, Any]:
    """The content of a small file of that kind; not a valid one, but right up to its last check."""
    if kind == "ours":
        network = empty_network()
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "network": "yolov4-tiny",
            "classes": ["a", "b", "c"],
            "anchors": [list(anchor) for anchor in network.all_anchors],
            "scale_x_y": list(network.scale_x_y),
            "input_shape": [64, 64],
            "preprocessing": "letterbox",
            "threshold": 0.5,
            "metrics": {"map50": 0.5},
            "state": small_state(),
        }
    if kind == "checkpoint":
        state = {"weight": torch.arange(6.0)}
        optimizer = {
            "state": {0: {"step": torch.tensor(1.0), "exp_avg": torch.zeros(6)}},
            "param_groups": [{"lr": 0.1}],
        }
        checkpoint = Checkpoint(Progress(), state, state, optimizer, {}, ((1.0, 2.0),), (1.05,), {"events.jsonl": 3})
        with tempfile.TemporaryDirectory() as folder:
            return dict(torch.load(save_checkpoint(Path(folder), checkpoint), weights_only=True))
    sizes = iter(small_state().values())
    names = [(f"{conv}.weight", norm) for conv, norm in tutorial_names("yolov4-tiny")]
    return {name: next(sizes) for name, _norm in names}


@cache
def seed_file(kind: str) -> bytes:
    file = io.BytesIO()
    torch.save(seed_content(kind), file, _use_new_zipfile_serialization="before" not in kind)
    return file.getvalue()


def loads_or_refuses(path: Path, kind: str) -> None:
    calls: list[Callable[[], object]] = [lambda: load_network(path), lambda: load_weights(empty_network(), path)]
    if kind == "checkpoint":
        calls = [lambda: load_checkpoint(path)]
    for call in calls:
        try:
            call()
        except BadInput as refusal:
            sentence = str(refusal)
            assert sentence.startswith(str(path))
            assert len(sentence) < 5000


@examples()
@given(
    kind=st.sampled_from(KINDS),
    changes=st.lists(st.tuples(st.floats(0, 0.999999), st.integers(0, 255)), min_size=1, max_size=4),
    cut=st.floats(0.9, 1),
)
def test_changed_bytes(kind: str, changes: list[tuple[float, int]], cut: float, tmp_path: Path) -> None:
    content = bytearray(seed_file(kind))
    for place, value in changes:
        content[int(place * len(content))] = value
    path = tmp_path / "w.pth"
    path.write_bytes(content[: int(cut * len(content) + 1)])
    loads_or_refuses(path, kind)


@examples()
@given(
    kind=st.sampled_from([kind for kind in KINDS if "before" not in kind]),
    changes=st.lists(st.tuples(st.floats(0, 0.999999), st.integers(0, 255)), min_size=1, max_size=4),
    short=st.booleans(),
)
def test_changed_records_with_the_right_crc(
    kind: str, changes: list[tuple[float, int]], short: bool, tmp_path: Path
) -> None:
    path = tmp_path / "w.pth"
    with zipfile.ZipFile(io.BytesIO(seed_file(kind))) as good, zipfile.ZipFile(path, "w") as changed:
        for entry in good.infolist():
            record = bytearray(good.read(entry))
            if entry.filename.endswith("data.pkl"):
                for place, value in changes:
                    record[int(place * len(record))] = value
            elif short and "/data/" in entry.filename:
                record = record[: len(record) // 2]
            changed.writestr(entry.filename, bytes(record))
    loads_or_refuses(path, kind)


def odd_tensors() -> st.SearchStrategy[Any]:
    dtypes = [torch.float8_e4m3fn, torch.uint16, torch.bits8, torch.complex64, torch.bool, torch.int8, torch.float64]
    makers = [
        lambda: torch.zeros(1).expand(3 * (5 + 10**6)),
        lambda: torch.zeros(1).expand(1000, 1000, 1000, 1000),
        lambda: torch.zeros(2, 2).to_sparse(),
        lambda: torch.tensor(float("nan")),
        lambda: torch.zeros(0),
        lambda: torch.zeros(3, 5, 1, 1),
        *(lambda dtype=dtype: torch.zeros(8, dtype=torch.uint8).view(dtype) for dtype in dtypes),
    ]
    return st.sampled_from(makers).map(lambda make: make())


def odd_values() -> st.SearchStrategy[Any]:
    numbers = st.integers() | st.sampled_from([10**400, -1, 2**63, 65536]) | st.floats()
    leaves = st.none() | st.booleans() | numbers | st.text(max_size=20) | st.binary(max_size=8) | odd_tensors()
    keys = st.text(max_size=5) | st.sampled_from(["state", "model", "epoch", "param_groups"]) | st.integers()
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=12,
    )


@examples()
@given(kind=st.sampled_from(KINDS), data=st.data())
def test_changed_fields(kind: str, data: st.DataObject, tmp_path: Path) -> None:
    content = dict(seed_content(kind))
    for _ in range(data.draw(st.integers(1, 3))):
        target = content
        key = data.draw(st.sampled_from(sorted(content)))
        while isinstance(target[key], dict) and target[key] and data.draw(st.booleans()):
            target[key] = target = dict(target[key])
            key = data.draw(st.sampled_from(sorted(target, key=str)))
        target[key] = data.draw(odd_values())
    wrapped = (
        {data.draw(st.sampled_from(["model", "state_dict", "ema", "x"])): content}
        if data.draw(st.booleans())
        else content
    )
    path = tmp_path / "w.pth"
    torch.save(wrapped, path, _use_new_zipfile_serialization="before" not in kind)
    loads_or_refuses(path, kind)
