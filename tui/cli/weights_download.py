"""Known weights that a command needs are downloaded by the command itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.messages import bad_input
from tui.cli.errors import print_error
from tui.cli.progress import bytes_bar
from tui.text import _
from tui.text.sizes import format_size

if TYPE_CHECKING:
    from engine.network.registry import KnownFile
    from engine.recipe import Recipe


def download_missing(recipe: Recipe, workspace: Path, *, offline: bool) -> None:
    """Download the official weights that `recipe` starts from, if they are not in the workspace.

    Raises:
        BadInput: they are missing and `offline` is set, or the download failed.
    """
    from engine.weights.download.registry import missing_file

    if (file := missing_file(recipe, workspace)) is not None:
        _download(file, workspace, offline=offline)


def named_weights(path: Path, workspace: Path, *, offline: bool) -> Path:
    """`path`; where it does not exist and is the name of known weights, those in model_data/, downloaded if need be.

    Raises:
        BadInput: they are missing and `offline` is set, or the download failed.
    """
    from engine.weights.download.registry import KNOWN, find

    if path.exists() or path.name not in KNOWN or len(path.parts) > 1:
        return path
    file = KNOWN[path.name]
    return find(file, workspace / "model_data") or _download(file, workspace, offline=offline)


def _download(file: KnownFile, workspace: Path, *, offline: bool) -> Path:
    from engine.network.registry import Address
    from engine.weights.download.fetch import fetch

    if offline:
        raise bad_input(
            "weights.offline",
            "{name} is not in {folder}, and --offline forbids its download; get it from {url} and put it there.",
            name=file.name,
            folder=workspace / "model_data",
            url=next(source.url for source in file.sources if isinstance(source, Address)),
        )
    print_error(_("Downloading {name} ({size}).", name=file.name, size=format_size(file.bytes)))
    with bytes_bar(file.name, file.bytes) as progress:
        return fetch(file, workspace / "model_data", progress=progress)
