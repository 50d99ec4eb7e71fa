"""The examples in the help of each command. They use the drawn sample set, so that they run as they are; only the name of a run
stands for one of the user's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tui.text import N_


@dataclass(frozen=True, slots=True)
class Example:
    """A command and what it does."""

    line: str
    purpose: str


_RUN: Final = "loss_2026_11_23_21_11_00"
_OTHER_RUN: Final = "loss_2026_11_24_08_30_00"
_WEIGHTS: Final = f"logs/{_RUN}/best_epoch_weights.pth"

EXAMPLES: Final[Mapping[str, tuple[Example, ...]]] = {
    "": (
        Example("freezetui", N_("Open the wizard")),
        Example("freezetui --data sample", N_("Open the wizard with the drawn sample set")),
        Example("freezetui train --data sample --preset quick-cpu", N_("Train without a screen")),
        Example("freezetui --lang zh_CN runs", N_("List the runs in Chinese")),
    ),
    "probe": (
        Example("freezetui probe", N_("Show the hardware")),
        Example("freezetui probe --json", N_("The same for a program")),
    ),
    "data": (
        Example("freezetui data check sample", N_("Check a data set before it is trained on")),
        Example("freezetui data convert sample --to coco sample.json", N_("Write it as one COCO file")),
    ),
    "data check": (
        Example("freezetui data check sample", N_("List what is wrong with a data set")),
        Example("freezetui data check sample --fix cleaned", N_("Also write a copy without the bad images and boxes")),
        Example("freezetui data check sample --map star=asterisk", N_("Rename a class of the labels")),
    ),
    "data convert": (
        Example("freezetui data convert sample --to yolo sample_yolo", N_("Write a data set in YOLO format")),
        Example(
            "freezetui data convert sample --to voc new --split 80/10/10 --copy",
            N_("Draw new splits and copy the images"),
        ),
        Example("freezetui data convert sample --to coco sample.json", N_("Write one COCO file; the images stay")),
    ),
    "data anchors": (
        Example("freezetui data anchors sample", N_("Compare the network's anchors with better ones")),
        Example("freezetui data anchors sample --set input_shape=608", N_("The same for a larger input")),
    ),
    "data sample": (
        Example("freezetui data sample sample", N_("Draw the sample set")),
        Example("freezetui data sample small --images 20", N_("Draw a smaller one")),
    ),
    "presets": (
        Example("freezetui presets", N_("List the presets")),
        Example("freezetui presets --json", N_("The same with their settings, for a program")),
    ),
    "presets show": (
        Example("freezetui presets show quick-cpu", N_("Print a preset's file")),
        Example("freezetui presets show quick-cpu --json", N_("Print every setting of its recipe")),
    ),
    "weights": (
        Example("freezetui weights", N_("List the known weights")),
        Example("freezetui weights get yolov4-tiny", N_("Download weights")),
    ),
    "weights get": (
        Example("freezetui weights get yolov4-tiny", N_("Download the weights of a network by its name")),
        Example("freezetui weights get yolov4.weights", N_("Download weights by their file name")),
    ),
    "weights import": (
        Example(
            "freezetui weights import model_data/yolov4-tiny.weights --to coco.pth",
            N_("Convert Darknet's weights"),
        ),
    ),
    "plan": (
        Example("freezetui plan --data sample", N_("Show stages, batch sizes, memory and time")),
        Example(
            "freezetui plan --data sample --preset quick-cpu --no-dry-run", N_("The same without measuring the time")
        ),
        Example("freezetui plan --data sample --set freeze_batch_size=4 --json", N_("Change a setting; print JSON")),
    ),
    "train": (
        Example("freezetui train --data sample", N_("Train on the drawn sample set with the recommended preset")),
        Example("freezetui train --data sample --preset quick-cpu", N_("Train with another preset")),
        Example(
            "freezetui train --data sample --set unfreeze_epoch=20 --set ema=off",
            N_("Change settings of the recipe"),
        ),
        Example("freezetui train --data sample --on-oom retry", N_("Lower the batch size when memory runs out")),
    ),
    "resume": (
        Example(f"freezetui resume {_RUN}", N_("Resume a stopped run")),
        Example(f"freezetui resume {_RUN} --set unfreeze_epoch=200", N_("Train longer than planned")),
        Example(f"freezetui resume {_RUN} --data sample", N_("Resume where the data set was moved")),
    ),
    "runs": (
        Example("freezetui runs", N_("List the runs in logs/")),
        Example("freezetui runs --workspace . --json", N_("The runs of a workspace, for a program")),
    ),
    "runs stop": (Example(f"freezetui runs stop {_RUN}", N_("Stop a run that trains in the background")),),
    "attach": (
        Example("freezetui attach", N_("Show the run that trains in the background")),
        Example(f"freezetui attach {_RUN} --json", N_("Print its events for a program")),
    ),
    "runs note": (
        Example(f'freezetui runs note {_RUN} "larger input"', N_("Write a note about a run")),
        Example(f"freezetui runs note {_RUN}", N_("Print it")),
    ),
    "runs compare": (
        Example(f"freezetui runs compare {_RUN} {_OTHER_RUN}", N_("Print two runs side by side")),
        Example(f"freezetui runs compare {_RUN} {_OTHER_RUN} --json", N_("The same for a program, with the curves")),
    ),
    "report": (
        Example(f"freezetui report {_RUN}", N_("Write report.html into the run folder")),
        Example(f"freezetui --lang zh_CN report {_RUN} --out report.html", N_("Write it in Chinese, elsewhere")),
        Example(f"freezetui report {_RUN} --compare {_OTHER_RUN}", N_("Add a comparison with another run")),
    ),
    "evaluate": (
        Example(f"freezetui evaluate --data sample --weights {_WEIGHTS}", N_("Measure the weights of a run")),
        Example(
            f"freezetui evaluate --data sample --weights {_WEIGHTS} --save evaluation",
            N_("Also write figures, and the images with the most mistakes"),
        ),
    ),
    "label": (
        Example(
            f"freezetui label --weights {_WEIGHTS} new_images --to voc",
            N_("Write proposed labels for the images that have none"),
        ),
        Example(
            f"freezetui label --weights {_WEIGHTS} new_images --pick 50",
            N_("List the 50 images to label next"),
        ),
    ),
    "predict": (
        Example(
            "freezetui predict --weights yolov4-tiny.weights sample --save found",
            N_("Save every image with the boxes that were found"),
        ),
        Example(
            "freezetui predict --weights yolov4-tiny.weights sample --threshold 0.3",
            N_("Show less certain objects too"),
        ),
        Example(
            "freezetui predict --weights yolov4-tiny.weights sample --classes person,car --count counts.csv",
            N_("Count the objects of two classes, in a table too"),
        ),
        Example("freezetui predict --weights yolov4-tiny.weights 0 --save found", N_("Film with the first camera")),
    ),
    "serve": (
        Example("freezetui serve", N_("Open the wizard in a browser")),
        Example("freezetui serve --port 9000 --data sample", N_("On another port, with the drawn sample set")),
        Example(
            "freezetui serve --host 0.0.0.0 --public-url https://gpu.example.org/freezetui",
            N_("Behind a proxy that encrypts"),
        ),
    ),
    "export": (
        Example(f"freezetui export --weights {_WEIGHTS}", N_("Write an ONNX file beside the weights of a run")),
        Example(
            f"freezetui export --weights {_WEIGHTS} --format darknet --out star.weights",
            N_("Write Darknet's files"),
        ),
    ),
}
