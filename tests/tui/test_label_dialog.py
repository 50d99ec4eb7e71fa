"""Labels for new images in the wizard: from Results to the Data screen of a training on the enlarged data set."""

from __future__ import annotations

import json
from pathlib import Path

from textual.pilot import Pilot

from engine.dataset.sample_dataset import SAMPLE_CLASSES
from engine.evaluation.labelling.label_files import PROPOSED_MARK
from engine.runs.folder import BEST_WEIGHTS, load_dataset_json
from engine.weights.native import info_of, save_weights
from tests.small_training import copy_run, finished_workspace
from tests.test_export import lively_network
from tests.test_label import image, voc_label
from tests.tui.driving import drive, until, until_shown
from tests.tui.test_results_screen import judged
from tui.app import Freezetui
from tui.dialogs.label_images import LabelImagesDialog
from tui.screens.data import DataScreen
from tui.widgets.path_input import PathInput
from tui.wizard.labelling import LABEL_NEXT


def test_new_images_are_picked_labelled_and_trained_on(tmp_path: Path) -> None:
    """A label that is there stays as it is; validation images stay those of the run."""
    run = copy_run(finished_workspace(), tmp_path / "workspace")
    network = lively_network("yolov4-tiny", 3)
    save_weights(run / BEST_WEIGHTS, network, info_of(network, SAMPLE_CLASSES, (96, 128), threshold=0.65))
    folder = tmp_path / "new"
    images = [image(folder / f"{number}.png", seed=number + 90) for number in range(4)]
    own = voc_label(folder / "0.xml", "0.png", SAMPLE_CLASSES[0])
    own_text = own.read_text()

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await judged(app, pilot)
        await pilot.press("l")
        await until(pilot, lambda: isinstance(app.screen, LabelImagesDialog))
        app.screen.query_one(PathInput).set_path(str(folder))
        await pilot.press("enter")
        await until_shown(app, pilot, "4 images, of which 3 without labels", "Pascal VOC, as the labels", "f5 propose")

        await pilot.press("f6")
        await until_shown(app, pilot, "network is least sure of", "doubt")
        assert {Path(line) for line in (run / LABEL_NEXT).read_text().splitlines()} <= set(images[1:])
        assert not (folder / "1.xml").exists()

        await pilot.press("f5")
        await until_shown(app, pilot, "3 label files are written", "marked as proposed")
        assert all(PROPOSED_MARK in path.with_suffix(".xml").read_text() for path in images[1:])
        assert own.read_text() == own_text

        await pilot.press("f8")
        await until(pilot, lambda: isinstance(app.screen, DataScreen))
        await until_shown(app, pilot, "COCO")

    state = drive(
        tmp_path / "workspace",
        script,
        screen_name="results",
        furthest_screen="results",
        run=str(run),
        preset="modern-scratch",
    )
    assert (state.start, state.model_path, state.preset) == ("whole", str(run / BEST_WEIGHTS), None)
    assert state.settings == {"input_shape": [64, 64]}
    assert state.data is not None
    before = load_dataset_json(run)["splits"]
    assert len(names(state.data, "train")) == len(before["train"]) + len(images)
    assert {str(path) for path in images} <= names(state.data, "train")
    assert {Path(name).name for name in names(state.data, "val")} == {Path(name).name for name in before["val"]}


def names(data: str, split: str) -> set[str]:
    """The images of a split of the enlarged data set."""
    stored = json.loads((Path(data) / "annotations" / f"instances_{split}.json").read_text())
    return {each["file_name"] for each in stored["images"]}
