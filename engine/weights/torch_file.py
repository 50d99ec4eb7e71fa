"""Reads PyTorch's files without running code in them."""

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

_WRAPPER_KEYS = ("state_dict", "model")
# What torch's reader raises on a damaged or hostile file; it has no error of its own.
_READ_ERRORS = (
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


def is_torch_file(signature: bytes) -> bool:
    """Whether these first bytes are those of a PyTorch file: a zip, or a pickle as PyTorch wrote before version 1.6."""
    return signature.startswith((b"PK", b"\x80"))


def read_torch_file(path: Path) -> Any:
    """The content of the PyTorch file at `path`: plain values and tensors, on the CPU. Code in it is never run.

    Raises:
        BadInput: the file is damaged, is no PyTorch file, or holds more than plain values and tensors.
    """
    _refuse_compressed(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about unusual files; the user gets our error message instead
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        call = re.search(r"GLOBAL ([\w.]+)", str(error))
        if call is None:
            raise _damaged(path) from error
        raise bad_input(
            "weights.unsafe",
            "{path}: refused, since loading it would run {call}; only files of plain tensors are loaded "
            "(torch.save(model.state_dict(), ...)).",
            path=path,
            call=call.group(1),
        ) from error
    except _READ_ERRORS as error:
        raise _damaged(path) from error


def plain_tensors(content: object) -> dict[str, Tensor]:
    """The tensors by name in the content of a `.pth`, unwrapped from DataParallel and the usual dictionaries.

    Only dense tensors of real numbers on the CPU are returned.
    """
    for key in _WRAPPER_KEYS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
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
        "{path}: it cannot be read as PyTorch weights; it is truncated or not a PyTorch file.",
        path=path,
    )


def _refuse_compressed(path: Path) -> None:
    """PyTorch stores tensors uncompressed; a zip whose content is larger than the file is not one of its files."""
    try:
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            is_compressed = sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size
    except _READ_ERRORS as error:
        raise _damaged(path) from error
    if is_compressed:
        raise _damaged(path)
