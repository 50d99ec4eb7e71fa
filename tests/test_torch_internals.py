"""Private names of torch: what takes their place where the installed torch lacks one."""

from __future__ import annotations

import logging
import operator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch._subclasses.fake_tensor  # before a test removes a name that it imports
from torch import Tensor

from engine.dataset.index import Dataset
from engine.hardware import Hardware
from engine.plan import DataSource, Plan
from engine.planning.memory.oom import smaller_batch_size
from engine.planning.memory.profile import ProfileRequest, predict_profile, profile_request, profile_with
from engine.planning.memory.tracker import FakeTracker, MetaTracker
from engine.planning.resolve import make_plan
from engine.recipe import make_recipe
from engine.torch_internals import (
    CpuMetaTensor,
    TorchInternals,
    foreach_copy_,
    foreach_lerp_,
    has_bf16_convolutions,
    without_compiler_import,
)
from tests.dataset_index import dataset_of
from tests.given_hardware import PROCESSOR_ONLY


class Without:
    """A module or class that lacks the attribute `path` ("Tensor.sum")."""

    def __init__(self, real: Any, path: str) -> None:
        self._real = real
        self._path = path

    def __getattr__(self, name: str) -> Any:
        first, _, rest = self._path.partition(".")
        if name != first:
            return getattr(self._real, name)
        if not rest:
            raise AttributeError(f"no {self._path}")
        return Without(getattr(self._real, name), rest)


class ChangedWrapper(TorchInternals):
    def cpu_meta_tensor(self, meta: Tensor) -> CpuMetaTensor:
        raise TypeError("_make_wrapper_subclass() got an unexpected keyword argument")


class WithoutSchema(TorchInternals):
    def operator_schema(self, func: Any) -> Any:
        raise AttributeError("no _schema")


class OutOfMemory(TorchInternals):
    def cpu_meta_tensor(self, meta: Tensor) -> CpuMetaTensor:
        raise MemoryError


def request(network: str = "yolov4-tiny", precision: str = "fp32") -> ProfileRequest:
    recipe = make_recipe({"network": network, "input_shape": [96, 96]})
    return profile_request(recipe, 3, 8, "cpu", precision)


@pytest.mark.parametrize("network", ["yolov4-tiny", "yolov4"])
def test_both_trackers_predict_the_same_bytes(network: str) -> None:
    assert profile_with(MetaTracker, request(network)) == profile_with(FakeTracker, request(network))


@pytest.mark.parametrize("network", ["yolov4-tiny", "yolov4"])
def test_in_16_bit_fake_tensors_predict_hardly_less(network: str) -> None:
    fast, slow = (profile_with(tracker, request(network, "bf16")) for tracker in (MetaTracker, FakeTracker))
    for stage in ("freeze", "unfreeze"):
        for batch_size in (2, 8, 64):
            expected = fast.peak(stage, batch_size, batch_size)
            assert 0.999 * expected <= slow.peak(stage, batch_size, batch_size) <= expected


@pytest.mark.parametrize(
    "internals",
    [
        ChangedWrapper(),
        WithoutSchema(),
        TorchInternals(Without(torch, "Tensor._make_wrapper_subclass")),
    ],
    ids=["wrapper changed", "no schema", "no wrapper"],
)
def test_if_the_fast_tracker_fails_fake_tensors_are_used_and_the_log_says_so_once(
    internals: TorchInternals, caplog: pytest.LogCaptureFixture
) -> None:
    expected = profile_with(FakeTracker, request())
    with caplog.at_level(logging.WARNING):
        assert [predict_profile(request(), internals) for _ in range(2)] == [expected, expected]
    (record,) = caplog.records
    assert "FakeTensorMode is used instead" in record.message


def test_if_no_tracker_works_there_is_no_prediction(caplog: pytest.LogCaptureFixture) -> None:
    internals = TorchInternals(Without(torch, "utils._python_dispatch.TorchDispatchMode"))
    with caplog.at_level(logging.WARNING):
        assert predict_profile(request(), internals) is None
    assert "Plans have no memory estimate" in caplog.records[-1].message


def test_running_out_of_memory_is_not_a_reason_to_try_again() -> None:
    with pytest.raises(MemoryError):
        predict_profile(request(), OutOfMemory())


# A Plan without a prediction


@pytest.fixture
def torch_without_dispatch_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.utils._python_dispatch, "TorchDispatchMode")


def unpredictable_plan(workspace: Path, momentum: float, **settings: Any) -> tuple[Plan, Dataset]:
    """`momentum` must be different in each test: predictions are cached."""
    (workspace / "model_data").mkdir(exist_ok=True)
    (workspace / "model_data" / "start.pth").write_bytes(b"PK")
    recipe = make_recipe({"model_path": "start.pth", "momentum": momentum, **settings})
    dataset = dataset_of(400)
    return make_plan(recipe, dataset, DataSource("data"), PROCESSOR_ONLY, workspace), dataset


@pytest.mark.usefixtures("torch_without_dispatch_mode")
def test_a_plan_without_a_prediction_has_no_estimate_and_says_so(tmp_path: Path) -> None:
    plan, _ = unpredictable_plan(tmp_path, 0.911, freeze_batch_size=8, unfreeze_batch_size=8)
    assert [stage.memory_estimate_bytes for stage in plan.stages] == [None, None]
    (warning,) = (warning for warning in plan.warnings if warning.code == "plan.memory_unknown")
    assert torch.__version__.partition("+")[0] in str(warning)
    assert plan.to_json()["stages"][0]["memory_estimate_bytes"] is None


@pytest.mark.usefixtures("torch_without_dispatch_mode")
def test_without_a_prediction_auto_takes_the_tutorials_batch_sizes(tmp_path: Path) -> None:
    plan, _ = unpredictable_plan(tmp_path, 0.912, freeze_batch_size="auto", unfreeze_batch_size="auto")
    assert [stage.batch_size for stage in plan.stages] == [8, 4]
    assert "plan.batch_suggested" not in {warning.code for warning in plan.warnings}


@pytest.mark.usefixtures("torch_without_dispatch_mode")
def test_without_a_prediction_the_batch_size_is_halved_when_memory_runs_out(tmp_path: Path) -> None:
    plan, dataset = unpredictable_plan(tmp_path, 0.913, freeze_batch_size=8, unfreeze_batch_size=8)
    hardware: Hardware = PROCESSOR_ONLY
    assert smaller_batch_size(plan, plan.stages[-1], dataset, hardware) == 4


# Single names


def test_bf16_convolutions_are_derived_from_the_instruction_set_if_onednn_cannot_be_asked() -> None:
    library = Without(torch, "ops.mkldnn._is_mkldnn_bf16_supported")
    expected = torch.backends.mkldnn.is_available() and torch.backends.cpu.get_cpu_capability() == "AVX512"
    assert has_bf16_convolutions(library) == expected


def test_without_onednn_there_are_no_bf16_convolutions() -> None:
    library = SimpleNamespace(backends=SimpleNamespace(mkldnn=SimpleNamespace(is_available=lambda: False)))
    assert not has_bf16_convolutions(library)


@pytest.mark.parametrize("library", [torch, SimpleNamespace()], ids=["with foreach", "without"])
def test_lists_of_tensors_are_copied_and_interpolated(library: Any) -> None:
    targets, sources = [torch.zeros(2), torch.zeros(3)], [torch.ones(2), torch.full((3,), 2.0)]
    foreach_lerp_(targets, sources, 0.25, library)
    assert [target.tolist() for target in targets] == [[0.25] * 2, [0.5] * 3]
    foreach_copy_(targets, sources, library)
    assert all(map(operator.eq, map(Tensor.tolist, targets), map(Tensor.tolist, sources)))


@pytest.mark.parametrize("optimizer_class", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW])
def test_an_optimizer_without_the_compilers_wrappers_takes_the_same_steps(
    optimizer_class: type[torch.optim.Optimizer],
) -> None:
    trained = []
    for kind in (optimizer_class, without_compiler_import(optimizer_class)):
        parameter = torch.nn.Parameter(torch.arange(4.0))
        optimizer = kind([parameter], lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            (parameter**2).sum().backward()
            optimizer.step()
        trained.append(parameter.detach().clone())
    assert trained[0].equal(trained[1])
