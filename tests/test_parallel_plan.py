"""Plans of trainings on several cards, on machines with 1, 2, 4 and 8 of them as the NVML stand-in reports them."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.hardware import Hardware, Memory, Processor
from engine.messages import BadInput
from engine.plan import DataSource, Plan, plan_from_json
from engine.planning.memory.gradients import gradient_bytes
from engine.planning.resolve import make_plan
from engine.planning.rough_time import rough_seconds
from engine.recipe import make_recipe
from tests.dataset_index import dataset_of
from tests.given_hardware import PROCESSOR_ONLY
from tests.nvml_stand_in import GIB, card, hardware_of, machine
from tests.small_training import prepare
from tui.screens.hardware import recommendation as first_screen_recommendation
from tui.text import set_language

AUTO = {"freeze_batch_size": "auto", "unfreeze_batch_size": "auto"}
SCRATCH = {"model_path": "", "freeze_train": False}


def cards(*gib: float, used: dict[int, float] | None = None, **values: object) -> str:
    """A machine with cards of so much memory, of which `used` says how much other programs have."""
    return machine(
        *(
            card(
                gib=size,
                uuid=f"GPU-{number:08d}-2222-3333-4444-555555555555",
                used=int((used or {}).get(number, 0) * GIB),
                **values,
            )
            for number, size in enumerate(gib)
        )
    )


def plan(hardware: Hardware, workspace: Path, *, images: int = 4000, nodes: int = 1, **settings: Any) -> Plan:
    recipe = make_recipe({"network": "yolov4", "parallel": "ddp", **SCRATCH, **AUTO, **settings})
    return make_plan(recipe, dataset_of(images), DataSource("data"), hardware, workspace, nodes=nodes)


def refusal(hardware: Hardware, workspace: Path, **settings: Any) -> str:
    with pytest.raises(BadInput) as refused:
        plan(hardware, workspace, **settings)
    return str(refused.value)


def codes(made: Plan) -> set[str]:
    return {warning.code for warning in made.warnings}


@pytest.fixture(scope="module")
def machines(library: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Hardware]:
    states = {
        "one": cards(12),
        "two": cards(12, 12),
        "four": cards(24, 24, 24, 24),
        "eight": cards(*[8] * 8),
        "mixed": cards(24, 16, 6, 24),
        "in use": cards(12, 12, 12, used={1: 11}),
        "partly in use": cards(12, 12, used={0: 5}),
    }
    probed = hardware_of(library, tmp_path_factory.mktemp("machines"), *states.values())
    return dict(zip(states, probed, strict=True))


@pytest.mark.parametrize(
    ("name", "numbers", "free_gib", "left_out"),
    [
        ("one", (0,), 12, False),
        ("two", (0, 1), 12, False),
        ("four", (0, 1, 2, 3), 24, False),
        ("eight", tuple(range(8)), 8, False),
        ("mixed", (0, 1, 3), 16, True),
        ("in use", (0, 2), 12, True),
        ("partly in use", (0, 1), 7, False),
    ],
)
def test_every_card_trains_that_does_not_limit_the_others_to_half(
    machines: dict[str, Hardware], tmp_path: Path, name: str, numbers: tuple[int, ...], free_gib: int, left_out: bool
) -> None:
    made = plan(machines[name], tmp_path)
    assert made.devices == (tuple(f"cuda:{number}" for number in numbers) if len(numbers) > 1 else ())
    assert made.processes == len(numbers)
    assert ("plan.cards_left_out" in codes(made)) == left_out
    assert ("plan.one_device" in codes(made)) == (len(numbers) == 1)
    for stage in made.stages:
        assert stage.memory_limit_bytes == pytest.approx(free_gib * GIB, rel=0.01)
        assert stage.memory_estimate_bytes is not None
        assert stage.memory_estimate_bytes <= stage.memory_limit_bytes
        assert stage.batch_size % len(numbers) == 0
        assert stage.batch_size >= 2 * len(numbers)
    set_language("en")
    proposal = first_screen_recommendation(machines[name])
    is_together = len(numbers) > 1 and sys.platform != "win32"
    assert (f"train on {len(numbers)} cards together" in proposal) == is_together


def test_each_process_needs_the_memory_of_its_part_and_of_the_gradients_that_it_sends(
    machines: dict[str, Hardware], tmp_path: Path
) -> None:
    alone = plan(machines["two"], tmp_path, parallel="none", unfreeze_batch_size=8).stages[-1]
    part = plan(machines["two"], tmp_path, unfreeze_batch_size=16).stages[-1]
    assert alone.memory_estimate_bytes is not None
    assert part.memory_estimate_bytes is not None
    assert alone.memory_margin_bytes is not None
    assert part.memory_margin_bytes is not None
    peaks = [stage.memory_estimate_bytes - stage.memory_margin_bytes for stage in (alone, part)]  # type: ignore[operator]
    assert peaks[1] - peaks[0] == gradient_bytes("yolov4", 2, "unfreeze")
    assert alone.steps_per_epoch == 2 * part.steps_per_epoch


def test_the_freeze_batch_is_one_to_two_times_the_other_and_can_be_split(
    machines: dict[str, Hardware], tmp_path: Path
) -> None:
    prepare(tmp_path)
    settings = {"network": "yolov4-tiny", "freeze_train": True, "model_path": "start.pth", "input_shape": [608, 608]}
    for name in ("two", "four", "eight", "mixed"):
        made = plan(machines[name], tmp_path, **settings)
        freeze, unfreeze = (stage.batch_size for stage in made.stages)
        assert unfreeze <= freeze <= 2 * unfreeze
        assert freeze % made.processes == unfreeze % made.processes == 0


def test_a_batch_that_cannot_be_split_names_the_nearest_that_can(machines: dict[str, Hardware], tmp_path: Path) -> None:
    assert "unfreeze_batch_size: 8 cannot be split over 3 devices" in refusal(
        machines["mixed"], tmp_path, unfreeze_batch_size=8
    )
    assert "the nearest is 9" in refusal(machines["mixed"], tmp_path, unfreeze_batch_size=8)
    assert "the nearest is 16" in refusal(machines["eight"], tmp_path, unfreeze_batch_size=8)
    assert "8 devices with at least 2 images each need 16 training images in a step, and there are 10" in refusal(
        machines["eight"], tmp_path, images=10
    )


def test_numbers_in_devices_that_do_nothing_are_a_note(machines: dict[str, Hardware], tmp_path: Path) -> None:
    def note(hardware: Hardware, code: str, **settings: Any) -> str | None:
        made = plan(hardware, tmp_path, network="yolov4-tiny", **settings)
        return next((str(warning) for warning in made.warnings if warning.code == code), None)

    on_cpu: dict[str, Any] = {"device": "cpu", "devices": [0, 1]}
    alone = note(PROCESSOR_ONLY, "plan.devices_unused", parallel="none", **on_cpu)
    assert alone is not None
    assert alone.startswith("devices=[0, 1] changes nothing here, since parallel is none")
    assert note(PROCESSOR_ONLY, "plan.devices_unused", **on_cpu) is None
    one_card = note(machines["two"], "plan.devices_unused", parallel="none", devices=[1, 0])
    assert one_card is not None
    assert "only cuda:1 trains" in one_card
    assert note(machines["two"], "plan.devices_unused", parallel="none", devices=[1]) is None


def test_more_processes_than_cores_are_a_note(tmp_path: Path) -> None:
    two_cores = replace(PROCESSOR_ONLY, processor=Processor("any", cores=2), memory=Memory(32 * GIB, 16 * GIB))
    settings: dict[str, Any] = {"device": "cpu", "network": "yolov4-tiny"}
    four = plan(two_cores, tmp_path, devices=[0, 1, 2, 3], **settings)
    assert "Processes: 4, cores of the processor: 2." in " ".join(map(str, four.warnings))
    assert "plan.processes_share_cores" not in codes(plan(two_cores, tmp_path, devices=[0, 1], **settings))


def test_the_devices_of_the_recipe_are_taken_in_their_order(machines: dict[str, Hardware], tmp_path: Path) -> None:
    made = plan(machines["mixed"], tmp_path, devices=[3, 2])
    assert (made.device, made.devices) == ("cuda:3", ("cuda:3", "cuda:2"))
    assert made.stages[-1].memory_limit_bytes == pytest.approx(6 * GIB, rel=0.01)
    assert "plan.cards_left_out" not in codes(made)
    assert "devices: cuda:7 is not possible" in refusal(machines["mixed"], tmp_path, devices=[0, 7])


def test_sixteen_bit_is_taken_where_every_card_is_fast_in_it(library: Path, tmp_path: Path) -> None:
    def two(*capabilities: str) -> str:
        uuids = (f"GPU-{capability.replace('.', ''):0>8}-2222-3333-4444-555555555555" for capability in capabilities)
        return machine(*(card(uuid=uuid, capability=each) for uuid, each in zip(uuids, capabilities, strict=True)))

    cases = {("8.6", "9.0"): "bf16", ("8.6", "7.5"): "fp16", ("8.6", "6.1"): "fp32"}
    probed = hardware_of(library, tmp_path, *(two(*capabilities) for capabilities in cases))
    for hardware, precision in zip(probed, cases.values(), strict=True):
        hardware = replace(hardware, cards=tuple(replace(card, problem=None) for card in hardware.cards))
        assert plan(hardware, tmp_path, network="yolov4-tiny", input_shape=[96, 96]).precision == precision


def test_processes_on_the_processor_share_its_memory_and_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS")
    hardware = replace(PROCESSOR_ONLY, processor=Processor("any", cores=8), memory=Memory(32 * GIB, 16 * GIB))
    made = plan(hardware, tmp_path, device="cpu", devices=[0, 1], network="yolov4-tiny")
    assert (made.devices, made.processes, made.threads) == (("cpu", "cpu"), 2, 4)
    assert made.stages[-1].memory_limit_bytes == 8 * GIB
    assert plan(hardware, tmp_path, device="cpu", network="yolov4-tiny").processes == 1


def test_data_parallel_is_one_process_and_says_that_ddp_is_faster(
    machines: dict[str, Hardware], tmp_path: Path
) -> None:
    made = plan(machines["two"], tmp_path, parallel="dp")
    assert (made.devices, made.processes, made.batch_parts) == (("cuda:0", "cuda:1"), 1, 2)
    assert ("plan.dp_slower" in codes(made)) == (sys.platform != "win32")


def test_windows_has_no_nccl(machines: dict[str, Hardware], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "win32")
    assert "parallel: ddp needs NCCL, which PyTorch has on Linux only; set parallel=dp" in refusal(
        machines["two"], tmp_path
    )


def test_several_machines_train_one_batch(machines: dict[str, Hardware], tmp_path: Path) -> None:
    made = plan(machines["two"], tmp_path, nodes=3)
    assert (made.processes, made.stages[-1].batch_size % 6) == (6, 0)
    assert plan(machines["one"], tmp_path, nodes=2).processes == 2
    assert "training on 2 machines needs parallel=ddp" in refusal(machines["two"], tmp_path, nodes=2, parallel="none")


def test_a_plan_keeps_its_devices_in_its_file(machines: dict[str, Hardware], tmp_path: Path) -> None:
    made = plan(machines["four"], tmp_path)
    read = plan_from_json(made.to_json())
    assert (read.devices, read.nodes, read.processes) == (made.devices, 1, 4)


def test_several_cards_are_estimated_to_be_faster(machines: dict[str, Hardware]) -> None:
    images = {"train": 4000, "val": 100}
    one, four = (
        rough_seconds(
            make_recipe({"network": "yolov4", "parallel": parallel}),
            images,
            replace(machines["four"], processor=Processor("any", cores=64)),
        )
        for parallel in ("none", "ddp")
    )
    assert one is not None
    assert four is not None
    assert 2 < one / four < 4
