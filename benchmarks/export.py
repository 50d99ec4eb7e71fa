"""Exported files, run by the programs that they are for, against the network: the largest differences of boxes and scores.

    python benchmarks/export.py [--networks yolov4,yolov4-tiny] [--classes 3,80] [--input 416] [--images FOLDER] [--python PYTHON] [--weights FILE]

`--python` is another environment's Python, with numpy, onnxruntime and opencv-python-headless below 5 alone: it runs the ONNX and the
Darknet files, and the example scripts. Without it this one does, which leaves OpenCV out if it is version 5. The networks have random
weights, whose batch norm statistics fit the images, and find something in each. `--weights`: also the published yolov4-tiny.weights, and
whether its Darknet export has the same bytes.

px: boxes, in pixels of the input, where they are below ten times its sides. Limits: a thousandth of the side, and 0.001.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent.parent))

from engine.dataset.image_files import find_images
from engine.dataset.images import Pixels, encode_image, read_image
from engine.dataset.sample_dataset import draw_image
from engine.evaluation.detect import MAX_DETECTIONS, Detections, non_max_suppression
from engine.evaluation.predict import default_threshold
from engine.export.check import TOLERANCE, Runner, as_input, compare
from engine.export.deployable import DeployableDetector
from engine.export.export import export_weights
from engine.export.torchscript import torchscript_runner
from engine.network.detector import Detector, build_network
from engine.network.yolov4 import YoloV4, initialise_heads
from engine.weights.load import load_network
from engine.weights.native import WeightsInfo, info_of, save_weights

FILES = (
    *("onnx.onnx", "dynamic.onnx", "nms.onnx", "dynamic_nms.onnx"),
    *("torchscript.torchscript", "darknet.weights", "tutorial.pth"),
)
HEADER_BYTES = 20
IMAGES = 4
SCRIPT_PIXELS, SCRIPT_CONFIDENCE = 1.0, 0.01
FOREIGN = """
import sys
import numpy as np
kind, path, given, result = sys.argv[1:]
images = np.load(given)
if kind == "onnx":
    import onnxruntime
    outputs = onnxruntime.InferenceSession(path).run(None, {"images": images})
else:
    import cv2
    # Without this OpenCV gives 0 for scores below 0.2.
    text = open(path.replace(".weights", ".cfg"), encoding="utf-8").read().replace("[yolo]", "[yolo]\\nthresh=0")
    network = cv2.dnn.readNetFromDarknet(np.frombuffer(text.encode(), np.uint8), np.fromfile(path, np.uint8))
    network.setInput(images)
    outputs = network.forward(network.getUnconnectedOutLayersNames())
np.savez(result, *outputs)
"""


def main() -> None:
    """Measure and print; the exit code is 1 if a difference is too large."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", default="yolov4,yolov4-tiny")
    parser.add_argument("--classes", default="3,80")
    parser.add_argument("--input", type=int, default=416)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--files", default=",".join(FILES), help="some of these")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--weights", type=Path)
    options = parser.parse_args()
    torch.manual_seed(0)
    paths = find_images([options.images])[:IMAGES] if options.images else []
    images = [read_image(path) for path in paths] or [
        draw_image(np.random.default_rng(seed)).pixels for seed in range(IMAGES)
    ]
    print(f"{'':28}{'file':22}{'px':>9}{'score':>10}{'export s':>10}{'MiB':>8}  example: objects, px, confidence")
    files = options.files.split(",")
    is_good = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, network_name in enumerate(options.networks.split(",")):
            for classes in map(int, options.classes.split(",")):
                weights = folder / f"{number}-{classes}.pth"
                write_weights(weights, network_name, classes, images, options.input)
                bench = Bench(weights, folder / weights.stem, images, options.python, files)
                is_good &= bench.print_rows(f"{network_name}, {classes} classes")
        if options.weights is not None:
            bench = Bench(options.weights, folder / "published", images, options.python, files)
            is_good &= bench.print_rows(options.weights.name)
            if "darknet.weights" in files:
                written = (folder / "published" / "darknet.weights").read_bytes()
                is_same = written[HEADER_BYTES:] == options.weights.read_bytes()[HEADER_BYTES:]
                print(
                    f"{options.weights.name} from Darknet to Darknet: {'the same' if is_same else 'OTHER'} bytes after the header"
                )
                is_good &= is_same
    raise SystemExit(not is_good)


def write_weights(path: Path, name: str, classes: int, images: Sequence[Pixels], side: int) -> None:
    """Random weights that find a few objects in each image."""
    network = build_network(name, classes)
    assert isinstance(network, YoloV4)
    initialise_heads(network, std=0.005, objectness=1.0)
    with torch.no_grad():
        for convolution in network.head_convolutions:
            # Boxes about as large as their anchors: of one that is ten times the input rounding alone moves the corners by more.
            convolution.weight.unflatten(0, (-1, 5 + classes))[:, 2:4] *= 0.1
    info = info_of(network, [f"class {number}" for number in range(classes)], (side, side))
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = 1.0
    network.train()
    with torch.no_grad():
        network(torch.cat([as_input(pixels, info) for pixels in images]))
    best = info_of(network, info.classes, info.input_shape, threshold=_useful_threshold(network.eval(), info, images))
    save_weights(path, network, best)


def _useful_threshold(network: Detector, info: WeightsInfo, images: Sequence[Pixels]) -> float:
    """Between the confidences of the objects number 20 and 21 of an image."""
    (found,) = _detect(network, info, as_input(images[0], info), 0.05)
    return float(found.scores[19:21].mean())


def _detect(network: Detector, info: WeightsInfo, batch: Tensor, confidence: float) -> list[Detections]:
    with torch.no_grad():
        return non_max_suppression(network.decode(network(batch), info.input_shape), confidence=confidence)


@dataclass
class Bench:
    """Weights, exported in all formats into a folder."""

    weights: Path
    folder: Path
    images: Sequence[Pixels]
    python: str
    files: Sequence[str]

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.network, self.info = load_network(self.weights)
        self.detector = DeployableDetector(self.network).eval()
        self.image = self.folder / "image.png"
        encode_image(self.image, self.images[0])

    def print_rows(self, title: str) -> bool:
        """Whether all is within the limits."""
        print(f"{title:28}{'fp32 against fp64':22}{self._rounding()}", flush=True)
        title, is_good = "", True
        for row in self._rows():
            print(f"{title:28}{row}", flush=True)
            is_good &= "TOO LARGE" not in row
        return is_good

    def _rows(self) -> Iterator[str]:
        for file in self.files:
            options = {option: True for option in ("dynamic", "nms") if option in file}
            path = self.folder / file
            kind = {".onnx": "onnx", ".torchscript": "torchscript", ".weights": "darknet", ".pth": "tutorial"}[
                path.suffix
            ]
            start = time.perf_counter()
            export_weights(self.weights, kind, path, **options)
            seconds = time.perf_counter() - start
            row = f"{file:22}{self._difference(kind, path, **options)}{seconds:10.1f}{path.stat().st_size / 2**20:8.1f}"
            yield row + ("" if kind == "tutorial" else self._example(path.with_name(f"{path.stem}_example.py"), kind))

    def _difference(self, kind: str, path: Path, *, dynamic: bool = False, nms: bool = False) -> str:
        if nms:
            return self._difference_of_objects(path)
        if kind == "tutorial":
            network, _ = load_network(path, self.info.classes)
            network.set_levels(scale_x_y=self.info.scale_x_y)  # the file has no place for it; the command says so
            other = DeployableDetector(network).eval()
            return self._compared(lambda images: tuple(output.numpy() for output in other(images)))
        if kind == "torchscript":
            return self._compared(torchscript_runner(path)) + self._compared_batch(torchscript_runner(path))
        if kind == "darknet":
            return self._compared(self._darknet(path)) if self._has_darknet() else f"{'no OpenCV 4':>19}"
        runner: Runner = lambda images: tuple(self._foreign("onnx", path, images))  # noqa: E731
        return self._compared(runner) + (self._compared_batch(runner) if dynamic else "")

    @torch.no_grad()
    def _rounding(self) -> str:
        """What rounding alone makes of the network: less cannot be asked of another program."""
        exact = DeployableDetector(self.network.clone().double()).eval()

        def run(images: Tensor) -> tuple[NDArray[np.float32], ...]:
            boxes, scores = (output.float().numpy() for output in exact(images.double()))
            return boxes, scores

        return self._compared(run)

    @torch.no_grad()
    def _compared(self, runner: Runner) -> str:
        found = compare(self.detector, self.info, runner, self.images)
        return _words(found.pixels, found.score, min(self.info.input_shape))

    @torch.no_grad()
    def _compared_batch(self, runner: Runner) -> str:
        """Nothing, or that a batch of three images of another size gives other results."""
        height, width = (side // 64 * 32 for side in self.info.input_shape)
        images = torch.rand(3, 3, height + 32, width)
        differences = [
            float(np.abs(own.numpy() - other)[np.abs(own.numpy()) < 10 * width].max(initial=0))
            for own, other in zip(self.detector(images), runner(images), strict=True)
        ]
        is_good = differences[0] <= TOLERANCE * width and differences[1] <= TOLERANCE
        return "" if is_good else f"  another size: {differences} TOO LARGE"

    def _difference_of_objects(self, path: Path) -> str:
        pixels = score = 0.0
        for image in self.images:
            batch = as_input(image, self.info)
            (own,) = _detect(self.network, self.info, batch, default_threshold(self.info))
            (found,) = self._foreign("onnx", path, batch)
            for box, confidence, label in zip(own.boxes, own.scores, own.labels, strict=True):
                same = found[found[:, 1] == label]
                if not len(same):
                    return f"  nothing of class {label} TOO LARGE"
                differences = np.abs(same[:, 3:] - box).max(1)
                nearest = int(differences.argmin())
                pixels = max(pixels, float(differences[nearest]))
                score = max(score, float(abs(same[nearest, 2] - confidence)))
            # The file gives so many of each class, `predict` of all.
            if len(found) != len(own.scores) and len(own.scores) < MAX_DETECTIONS:
                return f"  {len(found)} objects, not {len(own.scores)} TOO LARGE"
        return _words(pixels, score, min(self.info.input_shape))

    def _darknet(self, path: Path) -> Runner:
        height, width = self.info.input_shape
        rows = [height // level.stride * (width // level.stride) * len(level.anchors) for level in self.network.levels]

        def run(images: Tensor) -> tuple[NDArray[np.float32], ...]:
            by_rows = {len(output): output for output in self._foreign("darknet", path, images)}
            outputs = np.concatenate([by_rows[count] for count in rows])[None]
            centres, sizes = outputs[..., :2] * (width, height), outputs[..., 2:4] * (width, height)
            return np.concatenate((centres - sizes / 2, centres + sizes / 2), -1), outputs[..., 5:]

        return run

    def _has_darknet(self) -> bool:
        code = "import cv2, sys; sys.exit(not hasattr(cv2.dnn, 'readNetFromDarknet'))"
        return subprocess.run([self.python, "-c", code], check=False).returncode == 0

    def _foreign(self, kind: str, path: Path, images: Tensor) -> list[NDArray[np.float32]]:
        given, result = self.folder / "given.npy", self.folder / "result.npz"
        np.save(given, images.numpy())
        subprocess.run([self.python, "-c", FOREIGN, kind, path, given, result], check=True)
        with np.load(result) as outputs:
            return [outputs[name] for name in outputs.files]

    def _example(self, script: Path, kind: str) -> str:
        """What the example script finds in an image, against `predict`."""
        if kind == "darknet" and not self._has_darknet():
            return ""
        python = sys.executable if kind == "torchscript" else self.python
        done = subprocess.run(
            [python, script, self.image], capture_output=True, text=True, encoding="utf-8", check=True
        )
        words = ["predict", "--weights", str(self.weights), "--json", "--device", "cpu", str(self.image)]
        predicted = subprocess.run(
            [sys.executable, "-m", "tui", *words], capture_output=True, text=True, encoding="utf-8", check=True
        )
        expected = json.loads(predicted.stdout)["detections"]
        lines = [line.rsplit(maxsplit=5) for line in done.stdout.splitlines()]
        if sorted(line[0] for line in lines) != sorted(one["class"] for one in expected):
            return f"  {len(lines)} objects, not {len(expected)}: TOO LARGE"
        confidence = pixels = 0.0
        for one in expected:  # two of nearly the same confidence may have changed places
            found = np.array([line[1:] for line in lines if line[0] == one["class"]], float)
            differences = np.abs(found - [one["confidence"], *one["box"]])
            nearest = differences[differences[:, 1:].max(axis=1).argmin()]
            confidence, pixels = max(confidence, float(nearest[0])), max(pixels, float(nearest[1:].max()))
        is_good = pixels <= SCRIPT_PIXELS and confidence <= SCRIPT_CONFIDENCE
        return f"  {len(lines)}, {pixels:.2f}, {confidence:.4f}{'' if is_good else ' TOO LARGE'}"


def _words(pixels: float, score: float, side: int) -> str:
    is_good = pixels <= TOLERANCE * side and score <= TOLERANCE
    return f"{pixels:9.1e}{score:10.1e}{'' if is_good else ' TOO LARGE'}"


if __name__ == "__main__":
    main()
