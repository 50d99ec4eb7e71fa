"""Exports weights: writes the file, runs it against the network on images, and only then puts it where it was asked for."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import torch

from engine.dataset.images import Pixels
from engine.export.check import (
    Comparison,
    as_input,
    can_run_darknet,
    check_images,
    compare,
    darknet_runner,
    require_equal,
)
from engine.export.darknet_cfg import darknet_cfg
from engine.export.deployable import DeployableDetector
from engine.export.example_script import example_script
from engine.export.metadata import metadata
from engine.export.onnx_file import OPSET, onnx_runner, require_packages, runtime_name, write_onnx, write_onnx_with_nms
from engine.export.torchscript import torchscript_runner, write_torchscript
from engine.files import disk_error, error_reason, remove_abandoned, temporary_name
from engine.messages import Message, bad_input, did_you_mean
from engine.network.detector import Detector
from engine.network.folding import fold_batch_norm
from engine.weights.darknet import read_darknet, write_darknet
from engine.weights.load import load_network
from engine.weights.native import WeightsInfo
from engine.weights.tutorial_pth import SCALE_X_Y, to_tutorial_names

Format = Literal["onnx", "torchscript", "darknet", "tutorial"]
SUFFIXES: dict[str, tuple[str, ...]] = {
    "onnx": (".onnx",),
    "torchscript": (".torchscript", ".pt"),
    "darknet": (".weights",),
    "tutorial": (".pth",),
}
"""How a file of each format may be called; the first is the default."""


@dataclass(frozen=True, slots=True)
class Exported:
    """The files that were written, the most important one first; how they were checked; what a user should know."""

    files: tuple[Path, ...]
    check: Message
    notes: tuple[Message, ...] = ()


def export_weights(
    weights: Path,
    file_format: str,
    out: Path | None = None,
    *,
    images: Sequence[Path] = (),
    dynamic: bool = False,
    nms: bool = False,
) -> Exported:
    """Export the weights file `weights`.

    Args:
        weights: any file with a whole network.
        file_format: onnx, torchscript, darknet or tutorial.
        out: the file to write; None: beside the weights, with another suffix.
        images: images to check the exported file on; none: see `check_images`.
        dynamic: ONNX only: accept any batch size and any size of the input.
        nms: ONNX only: put non-maximum suppression into the file.

    Raises:
        BadInput: the weights cannot be read, the format is unknown or needs a package, a file exists already or cannot be
            written, or the exported file gives other results than the network.
    """
    suffixes = _suffixes(file_format)
    if file_format == "onnx":
        require_packages()
    elif dynamic or nms:
        raise bad_input(
            "export.onnx_only", "--{option}: only for --format onnx.", option="dynamic" if dynamic else "nms"
        )
    path = weights.with_suffix(suffixes[0]) if out is None else out
    if path.suffix not in suffixes:
        raise bad_input(
            "export.suffix", "--out {path}: a file in this format ends in {suffix}.", path=path, suffix=suffixes[0]
        )
    _require_free(path)
    network, info = load_network(weights)
    with _temporary_folder(path) as folder:
        made = _Export(network, info, check_images(weights, images), folder, path)
        check = made.write(file_format, dynamic=dynamic, nms=nms)
        files = _put_in_place(folder, path)
    return Exported(files, check, made.notes())


class _Export:
    """One export into a temporary folder."""

    def __init__(
        self, network: Detector, info: WeightsInfo, images: Sequence[Pixels], folder: Path, target: Path
    ) -> None:
        self._network = network
        self._detector = DeployableDetector(network).eval().requires_grad_(False)
        # The check compares what was written with the network that is not folded.
        self._folded = DeployableDetector(fold_batch_norm(network))
        self._info = info
        self._images = images
        self._file = folder / target.name
        self._target = target
        self._format = ""

    def write(self, file_format: str, *, dynamic: bool, nms: bool) -> Message:
        """Write the files and check them; returns how."""
        self._format = file_format
        match file_format:
            case "onnx":
                check = self._onnx(dynamic=dynamic, nms=nms)
            case "torchscript":
                write_torchscript(self._folded, self._info, self._file)
                runtime = f"torch.jit {torch.__version__}"
                check = self._compared(
                    compare(self._detector, self._info, torchscript_runner(self._file), self._images), runtime
                )
            case "darknet":
                check = self._darknet()
            case _:
                return self._tutorial()
        script = example_script(file_format, self._target.name, self._info, metadata(self._info), nms=nms).replace(
            "{}", self._script_name()
        )
        self._file.with_name(self._script_name()).write_text(script, encoding="utf-8")
        return check

    def notes(self) -> tuple[Message, ...]:
        """What a user should know about the file."""
        notes = []
        if self._format == "onnx":
            notes.append(Message("export.opset", "ONNX opset {opset}.", {"opset": OPSET}))
        if self._format == "tutorial" and any(scale != SCALE_X_Y for scale in self._network.scale_x_y):
            strides = zip(self._network.levels, self._network.scale_x_y, strict=True)
            most = max((scale - 1) / 2 * level.stride for level, scale in strides)
            notes.append(
                Message(
                    "export.scale",
                    "The tutorials decode boxes without scale_x_y, which these weights have: with their code, box centres "
                    "differ by up to {pixels} pixels of the input.",
                    {"pixels": f"{most:.1f}"},
                )
            )
        if self._format == "darknet" and not can_run_darknet():
            notes.append(
                Message(
                    "export.opencv5",
                    "OpenCV {version} no longer reads Darknet networks, so the file was not run. OpenCV 4 and Darknet read it.",
                    {"version": cv2.__version__},
                )
            )
        return tuple(notes)

    def _onnx(self, *, dynamic: bool, nms: bool) -> Message:
        plain = self._file.with_suffix(".plain") if nms else self._file
        write_onnx(self._folded, self._info, plain, dynamic=dynamic)
        check = self._compared(compare(self._detector, self._info, onnx_runner(plain), self._images), runtime_name())
        if nms:
            write_onnx_with_nms(plain, self._info, self._file)
            plain.unlink()
            onnx_runner(self._file)(as_input(self._images[0], self._info))
        return check

    def _darknet(self) -> Message:
        cfg = darknet_cfg(self._network, self._info)
        if cfg is None:
            raise bad_input(
                "export.no_darknet", "--format darknet: {network} has no Darknet files.", network=self._network.name
            )
        cfg_file = self._file.with_suffix(".cfg")
        cfg_file.write_text(cfg, encoding="utf-8")
        names = "".join(f"{name}\n" for name in self._info.classes)
        self._file.with_suffix(".names").write_text(names, encoding="utf-8")
        write_darknet(self._file, self._network)
        state = read_darknet(self._file).state
        own = self._network.state_dict()
        if any(not torch.equal(tensor, own[name].cpu()) for name, tensor in state.items()):
            raise AssertionError("the Darknet file does not hold the weights that were written")
        if not can_run_darknet():
            return Message("export.read_back", "Checked: every weight was read back and is the same.")
        height, width = self._info.input_shape
        rows = [height // level.stride * (width // level.stride) * len(level.anchors) for level in self._network.levels]
        runner = darknet_runner(cfg_file, self._file, self._info, rows)
        compared = compare(self._detector, self._info, runner, self._images, skips_weak=True)
        return self._compared(compared, f"OpenCV {cv2.__version__}")

    def _tutorial(self) -> Message:
        tensors = to_tutorial_names(self._network)
        if not tensors:
            raise bad_input(
                "export.no_tutorial", "--format tutorial: {network} is in no tutorial.", network=self._network.name
            )
        torch.save(tensors, self._file)
        read, _info = load_network(self._file, self._info.classes)
        own = self._network.state_dict()
        if any(not torch.equal(tensor, own[name]) for name, tensor in read.state_dict().items()):
            raise AssertionError("the tutorials' file does not hold the weights that were written")
        return Message("export.read_back", "Checked: every weight was read back and is the same.")

    def _compared(self, comparison: Comparison, runtime: str) -> Message:
        require_equal(comparison, self._info, self._target, runtime)
        return Message(
            "export.compared",
            "Checked: on {count} images {runtime} gives what the network gives (boxes differ by up to {pixels} pixels, scores by "
            "up to {score}).",
            {
                "count": comparison.images,
                "runtime": runtime,
                "pixels": f"{comparison.pixels:.2g}",
                "score": f"{comparison.score:.2g}",
            },
        )

    def _script_name(self) -> str:
        return f"{self._target.stem}_example.py"


def _suffixes(file_format: str) -> tuple[str, ...]:
    if file_format in SUFFIXES:
        return SUFFIXES[file_format]
    raise bad_input(
        "export.format",
        "--format {word}: it is onnx, torchscript, darknet or tutorial{hint}",
        word=file_format,
        hint=did_you_mean(file_format, SUFFIXES),
    )


@contextmanager
def _temporary_folder(path: Path) -> Iterator[Path]:
    """A folder beside `path`, so that nothing unchecked is ever at `path`."""
    folder = path.with_name(temporary_name(path.name))
    try:
        remove_abandoned(path.parent)
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        if (bad := disk_error(path, error)) is not None:
            raise bad from error
        raise bad_input(
            "export.write", "{path}: cannot be written ({reason}).", path=path, reason=error_reason(error)
        ) from error


def _require_free(target: Path) -> None:
    if target.exists():
        raise bad_input(
            "export.exists", "{path}: this file exists already; choose another one with --out.", path=target
        )


def _put_in_place(folder: Path, path: Path) -> tuple[Path, ...]:
    """Move all files out of the temporary folder; none that exists is overwritten."""
    files = sorted(folder.iterdir(), key=lambda file: file.name != path.name)
    targets = [path.with_name(file.name) for file in files]
    for target in targets:
        _require_free(target)
    for file, target in zip(files, targets, strict=True):
        file.replace(target)
    return tuple(targets)
