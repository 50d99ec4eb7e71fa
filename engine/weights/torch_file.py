"""Opening PyTorch's files without running what they may carry."""

from __future__ import annotations

import pickle
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.messages import bad_input

# What reading a damaged or hostile file ends in; torch's reader has no single error of its own.
_WRAPPINGS = ("state_dict", "model")
_REFUSALS = (
    pickle.PickleError,
    zipfile.BadZipFile,
    struct.error,
    zlib.error,
    RuntimeError,
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    MemoryError,
)


def is_torch_file(beginning: bytes) -> bool:
    """Whether a file that begins so is PyTorch's: a zip, or a pickle as PyTorch wrote before version 1.6."""
    return beginning.startswith((b"PK", b"\x80"))


def read_torch_file(path: Path) -> Any:
    """What stands in PyTorch's file at `path`: plain values and tensors, on the CPU. Code in it is never run.

    Raises:
        BadInput: the file is damaged, is no PyTorch file, or holds more than plain values and tensors.
    """
    _refuse_inflating(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # on odd files torch asks its developers for support; the user gets a sentence
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL ([\w.]+)", str(error))
        if asked is None:
            raise _damaged(path) from error
        raise bad_input(
            "weights.unsafe",
            "{path}: refused, since it asks to run {call} when opened; only files of plain tensors are read "
            "(torch.save(model.state_dict(), ...)).",
            path=path,
            call=asked.group(1),
        ) from error
    except _REFUSALS as error:
        raise _damaged(path) from error


def plain_tensors(content: object) -> dict[str, Tensor]:
    """The ordinary tensors by name in what a `.pth` holds, unwrapped from DataParallel and the usual dictionaries.

    Whatever is no dense tensor of real numbers in memory is left out.
    """
    for wrapping in _WRAPPINGS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapping), Mapping):
            content = content[wrapping]
    if not isinstance(content, Mapping):
        return {}
    return {
        name.removeprefix("module."): tensor.detach()
        for name, tensor in content.items()
        if isinstance(name, str) and isinstance(tensor, Tensor) and _is_plain(tensor)
    }


def _is_plain(tensor: Tensor) -> bool:
    dense = tensor.layout == torch.strided and tensor.device.type == "cpu"
    return dense and not tensor.is_complex() and not tensor.is_quantized


def _damaged(path: Path) -> Exception:
    return bad_input(
        "weights.damaged",
        "{path}: it cannot be read as PyTorch weights; it is truncated, or something else under that name.",
        path=path,
    )


def _refuse_inflating(path: Path) -> None:
    """PyTorch stores tensors uncompressed; a zip that claims to grow when read is not its work."""
    try:
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            grows = sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size
    except _REFUSALS as error:
        raise _damaged(path) from error
    if grows:
        raise _damaged(path)
