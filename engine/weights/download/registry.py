"""The published weights files by name, and whether they are on this disk."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from engine.files import sha256_of
from engine.messages import bad_input, did_you_mean, join_names
from engine.network.registry import NETWORKS, KnownFile, network_spec
from engine.recipe import COCO, Recipe

KNOWN: dict[str, KnownFile] = {file.name: file for spec in NETWORKS.values() for file in spec.published}
"""The published weights of every network, by file name."""


def official_file(network: str) -> KnownFile | None:
    """The official weights of a network; None if there are none.

    Raises:
        BadInput: there is no such network.
    """
    official = network_spec(network).official
    return None if official is None else KNOWN.get(official.name, official)


def known_file(name: str) -> KnownFile:
    """The known file of that name, or the official weights of the network of that name.

    Raises:
        BadInput: there is none; the message names the nearest.
    """
    if name in KNOWN:
        return KNOWN[name]
    if name in NETWORKS and (official := official_file(name)) is not None:
        return official
    raise bad_input(
        "weights.not_known",
        "{name}: no published weights of that name are known; there are {files}{hint}",
        name=name,
        files=join_names(KNOWN),
        hint=did_you_mean(name, KNOWN),
    )


def missing_file(recipe: Recipe, workspace: Path) -> KnownFile | None:
    """The official weights that `recipe` starts from, if they have to be downloaded into the workspace first."""
    if recipe.start != "backbone" and (recipe.start == "scratch" or recipe.model_path != COCO):
        return None
    official = official_file(recipe.network)
    return None if official is None or find(official, workspace / "model_data") is not None else official


def find(name: str | KnownFile, folder: Path) -> Path | None:
    """The path of the known file in `folder`; None unless it is there with the published size and SHA-256.

    The hash is computed again only after the file has changed.

    Raises:
        BadInput: there is no known file of that name.
    """
    file = name if isinstance(name, KnownFile) else known_file(name)
    path = folder / file.name
    try:
        stat = path.stat()
        is_valid = stat.st_size == file.bytes and _hash_of(path, stat.st_size, stat.st_mtime_ns) == file.sha256
    except OSError:
        return None
    return path if is_valid else None


@lru_cache(maxsize=32)
def _hash_of(path: Path, size: int, mtime_ns: int) -> str:  # noqa: ARG001 - a changed file is another key
    return sha256_of(path)
