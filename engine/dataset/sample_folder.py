"""Where a sample set is, and whether it is whole; without OpenCV, whose import is slow."""

from __future__ import annotations

from pathlib import Path

from engine.dataset.splits import SPLITS

MARKER_FILE = "drawn-by-freezetui.txt"
"""Identifies a sample set, so that no other data set is ever overwritten."""
IMAGE_FOLDER, LABEL_FOLDER, LIST_FOLDER = "JPEGImages", "Annotations", "ImageSets/Main"


def sample_root(folder: Path) -> Path:
    """Where the sample set in `folder` is."""
    return folder / "VOCdevkit" / "VOC2007"


def is_sample(root: Path) -> bool:
    """Whether `root` was drawn by this program, whole or not."""
    return (root / MARKER_FILE).is_file()


def is_whole_sample(root: Path) -> bool:
    """Whether `root` is a sample set whose drawing came to its end: its lists are written last."""
    return is_sample(root) and all((root / LIST_FOLDER / f"{split}.txt").is_file() for split in SPLITS)


def lacks_sample(folder: Path) -> bool:
    """Whether the sample set has still to be drawn in `folder`: nothing is there but what an interrupted drawing left."""
    root = sample_root(folder)
    if is_sample(root):
        return not is_whole_sample(root)
    if not folder.exists():
        return True
    return folder.is_dir() and all(
        entry == root.parent and entry.is_dir() and all(name.suffix == ".part" for name in entry.iterdir())
        for entry in folder.iterdir()
    )


def count_drawn_images(folder: Path) -> int:
    """How many images of the sample set in `folder` are drawn already, while it is being drawn."""
    root = sample_root(folder)
    drawn = [sum(1 for _ in images.glob("*.jpg")) for images in root.parent.glob(f".{root.name}.*.part/{IMAGE_FOLDER}")]
    return max(drawn, default=0)
