"""The table of networks: its figures are those of the networks, and an entry is all that the rest of the program needs."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from math import prod
from pathlib import Path

import pytest
import torch

from engine.dataset.sample_dataset import SAMPLE_CLASSES
from engine.events import Event, StageStarted, Step, WeightsLoaded
from engine.messages import BadInput
from engine.network.detector import Detector, build_network
from engine.network.registry import NETWORKS, NetworkSpec, lightest_network
from engine.planning.synthetic import synthetic_batch
from engine.recipe import Recipe, make_recipe
from engine.runner.resume import resume
from engine.runner.start import exit_code, start
from engine.training.checkpoint import Checkpoint, Progress, load_newest, save_checkpoint
from engine.training.control import Control
from engine.training.learner import Learner
from engine.weights.load import check_weights, load_network, load_weights
from engine.weights.native import info_of, save_weights
from tests.anchor_free_network import SPEC, registered
from tests.small_training import final_weights, only_run, plan_and_dataset, prepare, same_bits, train
from tui.wizard.weights_catalog import weights_options

CPU = torch.device("cpu")


def on_meta(name: str, classes: int) -> Detector:
    with torch.device("meta"):
        return build_network(name, classes)


# The entries


@pytest.mark.parametrize("spec", NETWORKS.values(), ids=NETWORKS)
def test_everything_that_an_entry_names_exists(spec: NetworkSpec) -> None:
    for name in (spec.detector, spec.loss, spec.tutorial_names):
        assert name is None or callable(pkgutil.resolve_name(name))
    assert spec.lighter is None or spec.lighter in NETWORKS
    assert len(spec.anchor_masks) == len(spec.scale_x_y) == (len(spec.strides) if spec.anchors else 0)
    assert list(spec.strides) == sorted(spec.strides)


@pytest.mark.parametrize("spec", NETWORKS.values(), ids=NETWORKS)
def test_the_sizes_of_darknet_files_are_those_of_the_layers(spec: NetworkSpec) -> None:
    assert spec.darknet is not None

    def sizes(classes: int) -> list[tuple[str, int]]:
        """Part and bytes of every layer."""
        network = on_meta(spec.name, classes)
        state = network.state_dict()
        return [(layer.part, 4 * sum(prod(state[name].shape) for name in layer.tensors)) for layer in network.layers()]

    layers, header = sizes(80), 20
    assert spec.darknet.whole == header + sum(size for _, size in layers)
    assert spec.darknet.per_class == sum(size for _, size in sizes(81)) - sum(size for _, size in layers)
    assert spec.darknet.backbone == header + sum(size for part, size in layers if part == "backbone")
    ends = [header + sum(size for _, size in layers[:count]) for count in range(len(layers))]
    assert layers[ends.index(spec.darknet.before_heads)][0] == "heads"


@pytest.mark.parametrize("name", NETWORKS)
def test_every_tensor_of_a_network_is_in_one_layer(name: str) -> None:
    network = on_meta(name, 3)
    in_layers = [tensor for layer in network.layers() for tensor in layer.tensors]
    assert len(in_layers) == len(set(in_layers))
    assert set(in_layers) == {tensor for tensor in network.state_dict() if not tensor.endswith("num_batches_tracked")}


def test_the_recipe_offers_the_networks_of_the_table() -> None:
    assert Recipe.model_json_schema()["properties"]["network"]["enum"] == list(NETWORKS)


def test_the_lightest_network_has_no_lighter_one() -> None:
    assert lightest_network() == "yolov4-tiny"


# Another network: registered here, and known to nothing else


@pytest.fixture
def another_network() -> Iterator[None]:
    with registered():
        yield


@pytest.fixture
def workspace(another_network: None, tmp_path: Path) -> Path:
    """Data, and weights of the other network."""
    prepare(tmp_path, images=12)
    network = build_network(SPEC.name, len(SAMPLE_CLASSES))
    save_weights(tmp_path / "model_data" / "other.pth", network, info_of(network, SAMPLE_CLASSES, SPEC.input_shape))
    return tmp_path


def train_from_scratch(workspace: Path, stop_at_step: int | None = None) -> tuple[list[Event], Path]:
    """Train the network for two epochs, or stop after some steps; the events and the run folder."""
    plan, dataset = plan_and_dataset(
        workspace, network=SPEC.name, model_path="", freeze_train=False, unfreeze_epoch=2, eval_period=1
    )
    control, events = Control(), []
    for event in start(plan, control, dataset):
        events.append(event)
        if stop_at_step is not None and sum(isinstance(event, Step) for event in events) == stop_at_step:
            control.stop()
    return events, Path(str(events[0].to_json()["run"]))


@pytest.mark.usefixtures("another_network")
def test_its_name_and_its_defaults_are_those_of_its_entry() -> None:
    recipe = make_recipe({"network": SPEC.name})
    assert (recipe.network, recipe.input_shape) == (SPEC.name, SPEC.input_shape)
    with pytest.raises(BadInput, match="did you mean anchor-free"):
        make_recipe({"network": "anchor-fre"})
    with pytest.raises(BadInput, match="anchors: anchor-free takes 0 of them, not 2"):
        make_recipe({"network": SPEC.name, "anchors": [[1, 2], [3, 4]]})


def test_it_is_planned_trained_stopped_and_resumed_to_the_same_weights(workspace: Path) -> None:
    whole, run = train_from_scratch(workspace)
    assert exit_code(whole[-1]) == 0
    assert whole[0].to_json()["plan"]["stages"][0]["memory_estimate_bytes"] > 0
    stopped, other_run = train_from_scratch(workspace, stop_at_step=7)
    assert exit_code(stopped[-1]) == 130
    assert exit_code(list(resume(other_run, Control(), workspace=workspace))[-1]) == 0
    assert same_bits(final_weights(run), final_weights(other_run))


def test_a_training_starts_from_its_weights_and_freezes_its_backbone(workspace: Path) -> None:
    events = train(workspace, network=SPEC.name, model_path="other.pth", unfreeze_epoch=1)
    (loaded,) = (event for event in events if isinstance(event, WeightsLoaded))
    assert loaded.matched == loaded.total == 7
    assert [event.stage for event in events if isinstance(event, StageStarted)] == ["freeze"]
    before = load_network(workspace / "model_data" / "other.pth")[0].state_dict()
    after = final_weights(only_run(workspace))
    weights = [name for name in before if name.endswith("weight")]
    assert [torch.equal(before[name], after[name]) for name in weights] == [n.startswith("backbone.") for n in weights]


def test_the_wizard_offers_its_files_and_no_official_weights(workspace: Path) -> None:
    options = weights_options(SPEC.name, workspace)
    assert [(option.kind, option.name) for option in options] == [("file", "other.pth"), ("file", "start.pth")]
    with pytest.raises(BadInput, match="there are no official weights of anchor-free"):
        plan_and_dataset(workspace, network=SPEC.name, model_path="coco")


@pytest.mark.usefixtures("another_network")
def test_its_weights_file_tells_classes_and_that_it_has_no_anchors(tmp_path: Path) -> None:
    torch.manual_seed(2)
    network, path = build_network(SPEC.name, 2), tmp_path / "weights.pth"
    save_weights(path, network, info_of(network, ("cat", "dog"), SPEC.input_shape))
    again, info = load_network(path)
    assert (info.network, info.all_anchors, info.scale_x_y) == (SPEC.name, (), ())
    assert same_bits(network.state_dict(), again.state_dict())
    with torch.no_grad():
        decoded = again.decode(again(torch.rand(1, 3, 96, 64)), (96, 64))
    assert decoded.shape == (1, 6 * 4 + 3 * 2, 7)
    report = check_weights(path, SPEC.name, 3)
    assert [str(message) for message in report.skipped] == [
        "heads: 2 of 2 convolutions are newly initialised, since the file has 2 classes and the network 3."
    ]
    with pytest.raises(BadInput, match="weights of anchor-free, not of yolov4-tiny"):
        load_weights(build_network("yolov4-tiny", 2), path)


@pytest.mark.usefixtures("another_network")
def test_its_loss_falls_and_a_checkpoint_restores_it_bit_for_bit(tmp_path: Path) -> None:
    batch = synthetic_batch(4, SPEC.input_shape, boxes=5, classes=2)

    def learner(seed: int) -> Learner:
        torch.manual_seed(seed)
        made = Learner(make_recipe({"network": SPEC.name}), build_network(SPEC.name, 2), CPU, "fp32", 100)
        made.enter_stage("unfreeze")
        return made

    first = learner(0)
    losses = [first.step([batch], 1e-2, step, check_loss=True)[0].item() for step in range(30)]
    assert losses[-1] < 0.6 * losses[0]
    network = first.network
    save_checkpoint(
        tmp_path,
        Checkpoint(
            progress=Progress(step=30),
            **first.state(),
            anchors=network.all_anchors,
            scale_x_y=network.scale_x_y,
            logs={},
        ),
    )
    second, saved = learner(1), load_newest(tmp_path)
    second.network.set_levels(all_anchors=saved.anchors, scale_x_y=saved.scale_x_y)
    second.restore(saved.network, saved.ema, saved.optimizer, saved.scaler)
    for step in range(30, 35):
        parts = [one.step([batch], 1e-2, step, check_loss=True) for one in (first, second)]
        assert torch.equal(*parts)
    for one, other in ((first.network, second.network), (first.eval_network, second.eval_network)):
        assert same_bits(one.state_dict(), other.state_dict())
