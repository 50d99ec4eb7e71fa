"""What proposed labels are worth: a few labelled images, `freezetui label` for the others, and a training on all of them.

    python benchmarks/label_loop.py FOLDER [--size 416] [--epochs 20] [--seeds 11 12 13] [--images 50] [--threads N] [--continued] [--workspace DIR]

FOLDER is a data set with all three splits, such as BCCD. For each seed:

    few        trained on `--images` training images that are drawn at random
    proposed   the other training images get labels from the weights of `few`, which nobody checks; trained on all
    continued  with --continued: as `proposed`, but from the weights of `few`, as the wizard's Results does it
    all        trained on all training images with their true labels: the upper bound

Each training starts from the official COCO weights of yolov4-tiny (`continued` from those of `few`), and takes as many steps as `--epochs` epochs
of all training images: fewer images get more epochs, so that only the labels differ. `--val` images of the validation split choose the
best epoch and the threshold of the proposals; their labels count as labelled by hand too. The scores are those of the
remaining validation images and of the test images, which no training has seen.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parent.parent
BATCH_SIZE, FREEZE_EPOCHS = 8, 3
"""Those of the presets; the epochs of the freeze stage are of all training images."""


@dataclass(frozen=True, slots=True)
class Splits:
    """The stems of the images of one seed."""

    few: list[str]
    others: list[str]
    val: list[str]
    test: list[str]


@dataclass(frozen=True, slots=True)
class Loop:
    """One seed of the benchmark, in a folder of its own."""

    clean: Path
    """The data set as VOC, with all labels."""
    folder: Path
    workspace: Path
    splits: Splits
    size: int
    epochs: int
    seed: int
    environment: dict[str, str]
    continued: bool

    def run(self) -> dict[str, tuple[float, float]]:
        """mAP50 and mAP50-95 of each training."""
        splits, every = self.splits, [*self.splits.few, *self.splits.others]
        few = self.dataset("few", splits.few, splits.few)
        few_weights = self.train("few", few, len(splits.few))
        results = {"few": self.evaluate("few", few_weights)}

        proposed = self.dataset("proposed", splits.few, every)
        done = self.command("label", "--weights", str(few_weights), str(proposed), "--to", "voc", "--json")
        written = [Path(item["image"]).stem for item in done["written"]]
        boxes = sum(item["boxes"] for item in done["written"])
        threshold = next(iter(done["thresholds"].values()))
        print(f"seed {self.seed}  {len(written)} images get {boxes} boxes, threshold {threshold:.2f}", flush=True)
        write_list(proposed, "train", [*splits.few, *written])
        count = len(splits.few) + len(written)
        results["proposed"] = self.evaluate("proposed", self.train("proposed", proposed, count))
        if self.continued:
            weights = self.train("continued", proposed, count, f"model_path={few_weights}")
            results["continued"] = self.evaluate("continued", weights)

        whole = self.dataset("all", every, every)
        results["all"] = self.evaluate("all", self.train("all", whole, len(every)))
        return results

    def dataset(self, name: str, labelled: Sequence[str], images: Sequence[str]) -> Path:
        """A VOC data set of the training `images`, of which the `labelled` ones have labels and are in the list of the split."""
        root = self.folder / name
        for part in ("JPEGImages", "Annotations", "ImageSets/Main"):
            (root / part).mkdir(parents=True)
        for image in (self.clean / "JPEGImages").iterdir():
            if image.stem in {*images, *self.splits.val, *self.splits.test}:
                shutil.copy(image, root / "JPEGImages")
        for stem in (*labelled, *self.splits.val, *self.splits.test):
            shutil.copy(self.clean / "Annotations" / f"{stem}.xml", root / "Annotations")
        for split, stems in (("train", labelled), ("val", self.splits.val), ("test", self.splits.test)):
            write_list(root, split, stems)
        return root

    def train(self, name: str, dataset: Path, images: int, *settings: str) -> Path:
        """Train for the steps of `epochs` epochs of all training images; the best weights."""
        scale = (len(self.splits.few) + len(self.splits.others)) / images
        epochs = round(self.epochs * scale)
        values = [
            f"seed={self.seed}", f"input_shape={self.size}", f"unfreeze_epoch={epochs}", f"eval_period={max(1, epochs // 5)}",
            f"freeze_epoch={max(1, min(round(FREEZE_EPOCHS * scale), epochs - 1))}", f"unfreeze_batch_size={BATCH_SIZE}",
            f"save_period={epochs}", "device=cpu", *settings,
        ]  # fmt: skip
        workspace = self.folder / f"{name}-workspace"
        workspace.mkdir()
        (workspace / "model_data").symlink_to(self.workspace / "model_data")
        sets = [word for value in values for word in ("--set", value)]
        self.command("train", "--data", str(dataset), "--workspace", str(workspace), *sets)
        return next((workspace / "logs").glob("*/best_epoch_weights.pth"))

    def evaluate(self, name: str, weights: Path) -> tuple[float, float]:
        """mAP50 and mAP50-95 on the images that no training has seen."""
        words = ("evaluate", "--weights", str(weights), "--data", str(self.folder / "few"), "--split", "test")
        scores = self.command(*words, "--device", "cpu", "--json")
        result = scores["map50"], scores["map50_95"]
        classes = "  ".join(f"{one} {score['ap50']:.3f}" for one, score in scores["per_class"].items())
        print(f"seed {self.seed}  {name:10} {text(result)}  AP50: {classes}", flush=True)
        return result

    def command(self, *words: str) -> Any:
        """Run a command of freezetui; what it prints, if that is JSON."""
        child = subprocess.run(
            [sys.executable, "-P", "-m", "tui", *words],
            stdout=subprocess.PIPE, text=True, check=True, cwd=PROJECT, env={**os.environ, **self.environment},
        )  # fmt: skip
        return json.loads(child.stdout) if "--json" in words else None


def main() -> None:
    """Print a line for each training, then the means over the seeds and the differences to `few`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=416)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", nargs="+", type=int, default=[11, 12, 13])
    parser.add_argument("--images", type=int, default=50)
    parser.add_argument("--val", type=int, default=12)
    parser.add_argument("--threads", type=int, help="threads of torch; by default one per core")
    parser.add_argument(
        "--workspace", type=Path, default=PROJECT, help="its model_data/ has the COCO weights, or gets them"
    )
    parser.add_argument("--continued", action="store_true", help="train from the weights of `few` too")
    options = parser.parse_args()
    environment = {"OMP_NUM_THREADS": str(options.threads)} if options.threads else {}
    (options.workspace / "model_data").mkdir(exist_ok=True)
    results = []
    with tempfile.TemporaryDirectory() as temporary:
        clean = Path(temporary) / "clean"
        words = ["data", "convert", str(options.folder), str(clean), "--to", "voc", "--copy"]
        subprocess.run([sys.executable, "-P", "-m", "tui", *words], stdout=subprocess.DEVNULL, check=True, cwd=PROJECT)
        for seed in options.seeds:
            folder = Path(temporary) / f"seed-{seed}"
            splits = draw_splits(clean, options.images, options.val, seed)
            loop = Loop(
                clean=clean,
                folder=folder,
                workspace=options.workspace.absolute(),
                splits=splits,
                size=options.size,
                epochs=options.epochs,
                seed=seed,
                environment=environment,
                continued=options.continued,
            )
            results.append(loop.run())
            shutil.rmtree(folder)
    print_means(results)


def draw_splits(clean: Path, images: int, val: int, seed: int) -> Splits:
    """`images` of the training split, and `val` of the validation split, drawn with `seed`."""
    stems = {
        split: (clean / "ImageSets/Main" / f"{split}.txt").read_text().split() for split in ("train", "val", "test")
    }
    random.Random(seed).shuffle(stems["train"])
    random.Random(seed).shuffle(stems["val"])
    return Splits(
        stems["train"][:images], stems["train"][images:], stems["val"][:val], [*stems["val"][val:], *stems["test"]]
    )


def write_list(dataset: Path, split: str, stems: Sequence[str]) -> None:
    """The list of the images of a split."""
    (dataset / "ImageSets/Main" / f"{split}.txt").write_text("".join(f"{stem}\n" for stem in stems))


def print_means(results: Sequence[dict[str, tuple[float, float]]]) -> None:
    """The means over the seeds, and of the differences to `few` with their smallest and largest."""
    print(f"\nmeans over {len(results)} seeds; difference to few, smallest and largest of the seeds")
    for name in results[0]:
        means = (
            statistics.mean(result[name][0] for result in results),
            statistics.mean(result[name][1] for result in results),
        )
        gains = [result[name][0] - result["few"][0] for result in results]
        difference = f"  mAP50 {statistics.mean(gains):+.3f} ({min(gains):+.3f} to {max(gains):+.3f})"
        print(f"{name:10} {text(means)}{'' if name == 'few' else difference}", flush=True)


def text(scores: tuple[float, float]) -> str:
    """Both scores."""
    return f"mAP50 {scores[0]:.3f}  mAP50-95 {scores[1]:.3f}"


if __name__ == "__main__":
    main()
