"""What a Plan resolves, warns about and refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.dataset.index import Dataset, Finding
from engine.hardware import Card, Driver, Hardware, Memory, Processor, TorchBuild
from engine.messages import BadInput, Message
from engine.plan import DataSource, Plan, plan_from_json
from engine.planning.memory.batch_size import max_boxes
from engine.planning.resolve import make_plan
from engine.recipe import make_recipe
from tests.dataset_index import dataset_of
from tui.screens.hardware import recommendation as first_screen_recommendation
from tui.text import set_language
from tui.wizard.recommendation import recommend

PLAIN = Hardware(Processor("some processor", 4), Memory(16 * 10**9, 8 * 10**9), 10**11, TorchBuild("2.14.1"))
AMPERE = Card(0, "RTX 3060", cuda_index=0, memory_total=12 * 2**30, memory_free=11 * 2**30, capability=(8, 6))
SETTINGS = {"model_path": "start.pth", "freeze_batch_size": 8, "unfreeze_batch_size": 4}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "model_data").mkdir()
    (tmp_path / "model_data" / "start.pth").write_bytes(
        b"PK"
    )  # the first bytes of a PyTorch file; a Plan reads no more
    return tmp_path


def plan(workspace: Path, data: Dataset | None = None, hardware: Hardware = PLAIN, **settings: Any) -> Plan:
    recipe = make_recipe({**SETTINGS, **settings})
    return make_plan(recipe, data or dataset_of(400), DataSource("data"), hardware, workspace)


def warnings(made: Plan) -> dict[str, str]:
    return {warning.code: str(warning) for warning in made.warnings}


def refusal(workspace: Path, data: Dataset | None = None, hardware: Hardware = PLAIN, **settings: Any) -> str:
    with pytest.raises(BadInput) as refused:
        plan(workspace, data, hardware, **settings)
    (message,) = refused.value.messages
    return str(message)


def test_a_good_plan_has_no_warnings(workspace: Path) -> None:
    made = plan(workspace)
    assert warnings(made) == {}
    assert [(s.name, s.first_epoch, s.last_epoch, s.batch_size, s.steps_per_epoch) for s in made.stages] == [
        ("freeze", 0, 2, 8, 50),
        ("unfreeze", 3, 49, 4, 100),
    ]
    assert made.weights == str(workspace / "model_data" / "start.pth")


def test_too_few_steps_are_reported_with_the_number_of_epochs_that_is_enough(workspace: Path) -> None:
    text = warnings(plan(workspace, dataset_of(40), unfreeze_epoch=10))["plan.few_steps"]
    assert text.startswith("85 steps are few: 400 or more (unfreeze_epoch=42) are advised.")
    assert warnings(plan(workspace, dataset_of(40), unfreeze_epoch=42)) == {}


def test_a_short_training_by_the_modern_method_is_a_first_result(workspace: Path) -> None:
    found = warnings(plan(workspace, dataset_of(40), unfreeze_epoch=20))
    assert found == {
        "plan.first_look": "185 steps are enough for a first result; 400 or more (unfreeze_epoch=42) detect better."
    }


@pytest.mark.parametrize(("optimizer", "advised"), [("sgd", 50_000), ("adam", 15_000)])
def test_the_tutorials_limits_count_every_epoch_at_the_unfreeze_batch_size(
    workspace: Path, optimizer: str, advised: int
) -> None:
    settings: dict[str, Any] = {"method": "tutorial", "optimizer_type": optimizer, "weight_decay": 0.0}
    enough = advised // 100
    made = plan(workspace, unfreeze_epoch=enough - 1, freeze_epoch=50, **settings)
    assert f"(unfreeze_epoch={enough})" in warnings(made)["plan.few_steps"]
    assert "plan.few_steps" not in warnings(plan(workspace, unfreeze_epoch=enough, freeze_epoch=50, **settings))


@pytest.mark.parametrize(
    ("settings", "code", "text"),
    [
        (
            {"optimizer_type": "adam", "weight_decay": 5e-4},
            "plan.adam_weight_decay",
            "set weight_decay=0, or use adamw",
        ),
        ({"label_smoothing": 0.1}, "plan.label_smoothing", "above 0.01 usually lowers accuracy"),
        ({"pretrained": True}, "plan.pretrained_ignored", "the whole network is loaded"),
        ({"model_path": "", "freeze_train": False}, "plan.scratch", "strongly advised against"),
        ({"model_path": "", "freeze_train": False}, "plan.scratch_batch", "16 or more"),
    ],
)
def test_settings_that_work_poorly_are_warned_about(
    workspace: Path, settings: dict[str, Any], code: str, text: str
) -> None:
    assert text in warnings(plan(workspace, **settings))[code]


def test_scratch_with_a_large_enough_step_has_no_batch_size_warning(workspace: Path) -> None:
    made = plan(workspace, model_path="", freeze_train=False, accumulate=4)
    assert "plan.scratch_batch" not in warnings(made)
    assert made.weights is None


def test_a_class_without_boxes_and_missing_validation_images_are_reported(workspace: Path) -> None:
    reported = warnings(plan(workspace, dataset_of(400, val=0, boxes=(60, 0))))
    assert reported["plan.class_empty"] == "Class class 1 has no boxes; the network cannot learn it."
    assert "There are no validation images" in reported["plan.no_validation"]


def test_a_batch_larger_than_the_training_split_is_reduced_and_reported(workspace: Path) -> None:
    made = plan(workspace, dataset_of(6))
    assert [stage.batch_size for stage in made.stages] == [6, 4]
    assert "freeze_batch_size: 8 is more than the 6 training images allow; 6 is used." in warnings(made).values()


def test_one_training_image_is_too_few(workspace: Path) -> None:
    assert "too few training images (1)" in refusal(workspace, dataset_of(1))


def test_a_file_without_weights_is_refused_before_anything_runs(workspace: Path) -> None:
    (workspace / "model_data" / "notes.pth").write_text("by hand")
    assert "this is not a weights file" in refusal(workspace, model_path="notes.pth")


def test_a_folder_of_that_name_does_not_hide_the_file_in_model_data(workspace: Path) -> None:
    (workspace / "start.pth").mkdir()
    assert plan(workspace).weights == str(workspace / "model_data" / "start.pth")
    (workspace / "model_data" / "start.pth").unlink()
    assert "this is a folder, and weights are a file" in refusal(workspace)


def test_boxes_that_a_classes_file_leaves_out_are_reported_in_the_plan(workspace: Path) -> None:
    left_out = Message("class.unknown", "{file}: {count} boxes are left out.", {"file": "c.txt", "count": 361})
    data = replace(dataset_of(20), findings=(Finding("warning", "c.txt", left_out),))
    assert warnings(plan(workspace, data))["class.unknown"] == "c.txt: 361 boxes are left out."


def test_a_given_freeze_batch_size_never_raises_the_other_one_beyond_what_fits(workspace: Path) -> None:
    small = replace(PLAIN, memory=Memory(16 * 10**9, 3 * 10**9))
    data, wanted = dataset_of(20_000), {"unfreeze_batch_size": "auto", "unfreeze_epoch": 60}
    fits = plan(workspace, data, small, freeze_batch_size="auto", **wanted).stages[1].batch_size
    assert 2 <= fits < 32, "memory is the limit here"
    refused = refusal(workspace, data, small, freeze_batch_size=64, **wanted)
    assert f"needs an unfreeze_batch_size of 32 or more, and {fits} is the largest that fits" in refused
    made = plan(workspace, data, small, freeze_batch_size=2 * fits, **wanted)
    assert [stage.batch_size for stage in made.stages] == [2 * fits, fits]


def test_missing_weights_name_the_nearest_file(workspace: Path) -> None:
    folder = workspace / "model_data"
    assert f"did you mean {folder / 'start.pth'}?" in refusal(workspace, model_path=str(folder / "strat.pth"))
    assert "'coco' starts from the official weights" in refusal(workspace, model_path="zzz")


@pytest.mark.parametrize("settings", [{"model_path": "coco"}, {"model_path": "", "pretrained": True}])
def test_missing_official_weights_name_the_command(workspace: Path, settings: dict[str, Any]) -> None:
    assert "download it with: freezetui weights get yolov4-tiny.weights" in refusal(workspace, **settings)


def test_auto_takes_a_usable_card_and_the_precision_it_is_fast_in(workspace: Path) -> None:
    cases = (((8, 6), "bf16"), ((7, 5), "fp16"), ((6, 1), "fp32"))
    for capability, precision in cases:
        made = plan(workspace, hardware=replace(PLAIN, cards=(replace(AMPERE, capability=capability),)))
        assert (made.device, made.precision) == ("cuda:0", precision)
    broken = replace(AMPERE, problem=Message("card.too_old", "This card is too old for this torch.", {}))
    assert plan(workspace, hardware=replace(PLAIN, cards=(broken,))).device == "cpu"


def test_auto_takes_the_card_with_the_most_free_memory_and_devices_overrides_it(workspace: Path) -> None:
    busy = replace(AMPERE, name="RTX 4090", memory_total=24 * 2**30, memory_free=2 * 2**30)
    idle = replace(AMPERE, number=1, cuda_index=1)
    old = replace(AMPERE, number=2, name="GTX 1080", cuda_index=2, problem=Message("hardware.card_too_old", "Too old."))
    hardware = replace(PLAIN, cards=(busy, idle, old))
    for device in ("auto", "cuda"):
        assert plan(workspace, hardware=hardware, device=device).device == "cuda:1"
        assert plan(workspace, hardware=hardware, device=device, devices=[0]).device == "cuda:0"
    assert "device: cuda:2 is not possible" in refusal(workspace, hardware=hardware, device="cuda", devices=[2])
    assert "devices: cuda:2 is not possible" in refusal(workspace, hardware=hardware, device="auto", devices=[2])
    assert plan(workspace, hardware=hardware, device="cpu", devices=[0]).device == "cpu"


def test_the_plan_the_first_screen_and_the_recommendation_choose_the_same_card(workspace: Path) -> None:
    nearly_full = replace(AMPERE, name="RTX 4090", memory_total=24 * 2**30, memory_free=2**30)
    idle = replace(AMPERE, number=1, cuda_index=1, memory_free=10 * 2**30)
    set_language("en")
    for cards in ((nearly_full, idle), (replace(idle, cuda_index=0), replace(nearly_full, cuda_index=1))):
        hardware = replace(PLAIN, cards=cards)
        best = hardware.best_card()
        assert best is not None
        assert plan(workspace, hardware=hardware).device == f"cuda:{best.cuda_index}"
        assert "RTX 3060 (10.0 GiB free now)" in first_screen_recommendation(hardware)
        assert recommend({"modern-whole"}, hardware, "whole", 5000).preset == "modern-whole"
    crowded = replace(PLAIN, cards=(replace(nearly_full, memory_free=2**29), nearly_full))
    assert "1.0 GiB is free on RTX 4090" in recommend({"modern-freeze-only"}, crowded, "whole", 5000).reason


def test_the_plan_of_an_older_run_loads(workspace: Path) -> None:
    """Earlier versions stored two settings for several cards with every plan, at the values for one card."""
    made = plan(workspace)
    stored = json.loads(json.dumps(made.to_json()))
    stored["recipe"] |= {"parallel": "none", "sync_bn": False}
    assert plan_from_json(stored).recipe == made.recipe


def test_a_resumed_run_keeps_its_card(workspace: Path) -> None:
    stored = plan(workspace, hardware=replace(PLAIN, cards=(AMPERE,)))
    freer = replace(AMPERE, number=1, cuda_index=1, memory_free=12 * 2**30)
    hardware = replace(PLAIN, cards=(AMPERE, freer))
    made = make_plan(stored.recipe, dataset_of(400), DataSource("data"), hardware, workspace, resumed=stored)
    assert (stored.device, made.device) == ("cuda:0", "cuda:0")


def test_a_card_that_cannot_be_used_says_why(workspace: Path) -> None:
    broken = replace(AMPERE, problem=Message("card.too_old", "This card is too old for this torch.", {}))
    text = refusal(workspace, hardware=replace(PLAIN, cards=(broken,)), device="cuda")
    assert text.startswith("device: cuda:0 is not possible; set device=auto")
    assert text.endswith("This card is too old for this torch.")
    driver = Driver(problem=Message("driver.none", "There is no NVIDIA driver.", {}))
    assert "There is no NVIDIA driver." in refusal(workspace, hardware=replace(PLAIN, driver=driver), device="cuda")


def test_a_device_or_precision_that_does_not_exist_is_refused(workspace: Path) -> None:
    assert "not a Mac" in refusal(workspace, device="mps")
    assert "set precision=bf16 or fp32" in refusal(workspace, device="cpu", precision="fp16")


def test_processors_use_16_bit_only_if_it_is_fast(workspace: Path) -> None:
    for amx, precision in ((True, "bf16"), (False, "fp32"), (None, "fp32")):
        hardware = replace(PLAIN, processor=replace(PLAIN.processor, amx_bf16=amx, avx512_bf16=True))
        assert plan(workspace, hardware=hardware).precision == precision


def test_omp_num_threads_limits_the_threads(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, threads in (("", 4), ("2", 2), ("64", 4), ("0", 1), ("many", 4)):
        monkeypatch.setenv("OMP_NUM_THREADS", limit)
        assert plan(workspace).threads == threads


def test_more_accumulation_than_the_images_allow_is_refused(workspace: Path) -> None:
    with pytest.raises(BadInput, match="accumulate=16 or less"):
        plan(workspace, dataset_of(32), accumulate=32)
    assert plan(workspace, dataset_of(32), accumulate=16).stages[0].batch_size == 2


def test_without_a_freeze_stage_the_freeze_batch_size_does_not_count(workspace: Path) -> None:
    free = plan(workspace, freeze_train=False, freeze_batch_size="auto", unfreeze_batch_size="auto")
    given = plan(workspace, freeze_train=False, freeze_batch_size=2, unfreeze_batch_size="auto")
    assert given.stages[0].batch_size == free.stages[0].batch_size


def test_a_resumed_run_does_not_need_its_initial_weights(workspace: Path) -> None:
    stored = plan(workspace)
    (workspace / "model_data" / "start.pth").unlink()
    recipe = make_recipe({**SETTINGS, "unfreeze_epoch": 200})
    made = make_plan(recipe, dataset_of(400), DataSource("data"), PLAIN, workspace, resumed=stored)
    assert (made.weights, made.device, made.precision) == (stored.weights, stored.device, stored.precision)


def test_a_mosaic_has_the_boxes_of_several_images() -> None:
    even = dataset_of(8, boxes=(8 * 50,))
    even = replace(even, offsets=np.arange(0, 17 * 25, 25, dtype=np.int64)[:17])
    alone = make_recipe({"mosaic": False, "mixup": False})
    assert max_boxes(even, alone) == 25
    assert max_boxes(even, make_recipe({"mosaic": True, "mixup": False})) == 4 * 25
    assert max_boxes(even, make_recipe({"mosaic": True, "mixup": True})) == 5 * 25
    one_full = dataset_of(400, boxes=(60,))
    assert 60 < max_boxes(one_full, make_recipe({})) < 2 * 60
