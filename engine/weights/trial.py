"""What would become of a weights file if a network started from it, without making that network."""

from __future__ import annotations

from pathlib import Path

import torch

from engine.network.yolov4 import build_network
from engine.weights.load import load_into
from engine.weights.transfer import LoadReport, Wanted


def dry_run_load(path: Path, network: str, classes: int, *, part: Wanted = "whole") -> LoadReport:
    """The report of starting `network` for `classes` classes from the weights at `path`.

    Raises:
        BadInput: the file cannot be read, or is another network's.
    """
    with torch.device("meta"):  # shapes are all that is asked for
        trial = build_network(network, classes)
    return load_into(trial, path, part=part)
