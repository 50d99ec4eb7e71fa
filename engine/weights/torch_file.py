"""Reads PyTorch's files without running code in them, and only those whose content is what was written.

A file that `torch.save` wrote since version 1.6 is a zip with a CRC of every record; all of them are checked before anything is
loaded. What the file's records hold bounds what is allocated: its pickle may only describe plain values and dense tensors.
"""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from engine.files import error_reason
from engine.messages import BadInput, bad_input

_WRAPPER_KEYS = ("ema", "model_ema", "state_dict", "model_state_dict", "model", "net", "network", "weights", "module")
"""Where programs put a state dict in a larger dictionary; of several that hold as many tensors the first is taken. The moving
average is what a training evaluates."""
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.")
"""What DataParallel, torch.compile and wrapping modules put before each name."""
_FLOAT_TYPES = frozenset({torch.float16, torch.bfloat16, torch.float32, torch.float64})
_MAX_DEPTH = 4
_CHUNK_BYTES = 1 << 20
_MAX_PICKLE_BYTES = 4 << 20
"""The pickle only names the tensors: that of a checkpoint of YOLOv4 has 0.5 MB."""
_PICKLES_OF_OLD_FILES = 5
"""Magic number, protocol, system, content, keys of the storages."""
_MAX_RECORDS = 100_000
_ZIP_SIGNATURE = b"PK\x03\x04"
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
# Of what torch may call while it loads: nothing that makes a tensor of any size out of nothing, and no kind of tensor that no
# network here has (sparse, quantized, nested, on the meta device).
_ALLOWED_CALLS = frozenset(
    {
        "collections OrderedDict",
        "collections Counter",
        "torch Size",
        "torch device",
        "torch.nn.parameter Parameter",
        "torch._utils _rebuild_tensor",
        "torch._utils _rebuild_tensor_v2",
        "torch._utils _rebuild_tensor_v3",
        "torch._utils _rebuild_parameter",
        "torch.storage UntypedStorage",
        "torch.storage TypedStorage",
        "_codecs encode",
        "builtins set",
        "__builtin__ set",
    }
)


def is_torch_file(signature: bytes) -> bool:
    """Whether these first bytes are those of a PyTorch file: a zip, or a pickle as PyTorch wrote before version 1.6."""
    return signature.startswith((b"PK", b"\x80"))


def read_torch_file(path: Path) -> Any:
    """The content of the PyTorch file at `path`: plain values and tensors, on the CPU. Code in it is never run.

    Raises:
        BadInput: the file is damaged, is no PyTorch file, or holds more than plain values and tensors.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about unusual files; the user gets our error message instead
            with path.open("rb") as file:
                for name in _calls(file):
                    if name not in _ALLOWED_CALLS and not _is_type(name):
                        raise _unsafe(path, name.replace(" ", "."))
            content = torch.load(path, map_location="cpu", weights_only=True)
    except BadInput:
        raise
    except PermissionError as error:
        raise bad_input(
            "weights.unreadable", "{path}: cannot be read ({reason}).", path=path, reason=error_reason(error)
        ) from error
    except (*_READ_ERRORS, RecursionError) as error:
        raise _damaged(path) from error
    return plain_dict(content) if isinstance(content, dict) else content


def plain_dict(content: dict[Any, Any]) -> dict[Any, Any]:
    """The items of a dictionary of a file. An OrderedDict from a pickle may have attributes instead of its methods."""
    return dict(list(dict.items(content)))


def plain_tensors(content: object) -> dict[str, Tensor]:
    """The tensors by name in the content of a `.pth`: of the state dict that has most of them, however it is wrapped.

    Dense tensors on the CPU are returned. Prefixes of DataParallel and other wrappers are removed from the names.
    """
    found: dict[str, Tensor] = {}
    for mapping in _mappings(content):
        tensors = {_unprefixed(name): tensor.detach() for name, tensor in mapping.items() if _is_plain(name, tensor)}
        if len(tensors) > len(found):
            found = tensors
    return found


def check_tensor(path: Path, name: str, tensor: Tensor) -> None:
    """Check that a tensor has real numbers, and that the file holds each of them.

    Raises:
        BadInput: it has another type, or repeats few stored numbers until they fill its shape.
    """
    if tensor.dtype not in _FLOAT_TYPES:
        raise bad_input(
            "weights.dtype",
            "{path}: {name} has numbers of type {dtype}; only float16, bfloat16, float32 and float64 can be loaded.",
            path=path,
            name=name,
            dtype=str(tensor.dtype).removeprefix("torch."),
        )
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise bad_input(
            "weights.repeated",
            "{path}: {name} has {claimed} numbers by its shape, and the file holds only {held} of them; get the file again.",
            path=path,
            name=name,
            claimed=tensor.numel(),
            held=tensor.untyped_storage().nbytes() // tensor.element_size(),
        )


def _mappings(content: object) -> Iterator[dict[Any, Any]]:
    """The dictionary `content`, and those below the usual keys, to a limited depth, each once."""
    seen: set[int] = set()
    level = [content]
    for _depth in range(_MAX_DEPTH):
        mappings = [plain_dict(value) for value in level if isinstance(value, dict) and id(value) not in seen]
        seen.update(map(id, level))
        yield from mappings
        level = [mapping[key] for mapping in mappings for key in _WRAPPER_KEYS if key in mapping]


def _unprefixed(name: str) -> str:
    while prefix := next(filter(name.startswith, _PREFIXES), None):
        name = name.removeprefix(prefix)
    return name


def _is_plain(name: object, tensor: object) -> bool:
    if not isinstance(name, str) or not isinstance(tensor, Tensor):
        return False
    return tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_nested


def _calls(file: BinaryIO) -> Iterator[str]:
    """The names, as "module name", of everything that the pickles in a PyTorch file refer to.

    Raises:
        BadZipFile, ValueError, ...: the file is damaged.
    """
    is_zip = file.read(len(_ZIP_SIGNATURE)) == _ZIP_SIGNATURE  # decides for torch too
    file.seek(0)
    if not is_zip:
        pickles = io.BytesIO(file.read(_MAX_PICKLE_BYTES))
        for _ in range(_PICKLES_OF_OLD_FILES):
            yield from _globals(pickletools.genops(pickles))
        return
    with zipfile.ZipFile(file) as archive:
        _check_records(archive, os.fstat(file.fileno()).st_size)
        for entry in archive.infolist():
            if entry.filename.endswith("/data.pkl"):
                if entry.file_size > _MAX_PICKLE_BYTES:
                    raise zipfile.BadZipFile(entry.filename)
                yield from _globals(pickletools.genops(archive.read(entry)))


def _globals(operations: Iterator[tuple[pickletools.OpcodeInfo, Any, int | None]]) -> Iterator[str]:
    for operation, argument, _position in operations:
        if operation.name in ("GLOBAL", "INST"):
            yield str(argument)
        elif operation.name in ("STACK_GLOBAL", "EXT1", "EXT2", "EXT4"):
            raise pickle.UnpicklingError(operation.name)  # torch.save never writes it


def _check_records(archive: zipfile.ZipFile, size: int) -> None:
    """Check the CRC of every record, and that none is compressed or there twice.

    Raises:
        BadZipFile: one is damaged, or is not as torch writes it.
    """
    entries = archive.infolist()
    is_compressed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    claims_too_much = sum(entry.file_size for entry in entries) > size
    is_ambiguous = len({entry.filename for entry in entries}) < len(entries)
    if is_compressed or claims_too_much or is_ambiguous or len(entries) > _MAX_RECORDS:
        raise zipfile.BadZipFile
    for entry in entries:
        with archive.open(entry) as record:
            while record.read(_CHUNK_BYTES):  # the last read compares the CRC
                pass


def _is_type(name: str) -> bool:
    """Whether a name is that of a type of numbers, such as `torch.float32` or `torch.FloatStorage`."""
    module, _, attribute = name.partition(" ")
    if module != "torch":
        return False
    return attribute.endswith("Storage") or isinstance(getattr(torch, attribute, None), torch.dtype)


def _unsafe(path: Path, call: str) -> BadInput:
    return bad_input(
        "weights.unsafe",
        "{path}: refused, since loading it would run {call}; only files of plain tensors are loaded "
        "(torch.save(model.state_dict(), ...)).",
        path=path,
        call=call,
    )


def _damaged(path: Path) -> BadInput:
    return bad_input(
        "weights.damaged",
        "{path}: it cannot be read as PyTorch weights; it is truncated or not a PyTorch file.",
        path=path,
    )
