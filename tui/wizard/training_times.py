"""About how long this machine trains each network, before anything was measured. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from engine.hardware import Hardware
from engine.messages import BadInput
from engine.network.registry import NETWORKS
from engine.planning.rough_time import rough_seconds
from engine.recipe.presets import Preset, find_preset, list_presets
from tui.wizard.recipe_draft import draft_of
from tui.wizard.recommendation import recommend
from tui.wizard.state import WizardState

TYPICAL_IMAGES = 100, 1000
"""Sizes of data sets, until one was counted."""
_SPLIT_SHARES = 0.81, 0.09
"""Of training and validation where the splits are drawn, see engine/dataset/splits.py."""


@dataclass(frozen=True, slots=True)
class NetworkTimes:
    """A network, and for each number of images the seconds of a training; None where there is no estimate."""

    network: str
    seconds: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class TrainingTimes:
    """Times of all networks with one preset."""

    preset: Preset
    train_images: int | None
    """Training images of the user's data set; None: the numbers of images are examples."""
    images: tuple[int, ...]
    networks: tuple[NetworkTimes, ...]


def training_times(state: WizardState, hardware: Hardware, workspace: Path) -> TrainingTimes | None:
    """The times with the preset that was chosen, else with the recommended one; None where nothing can be known."""
    images = TYPICAL_IMAGES if state.train_images is None else (state.train_images,)
    shares = (1.0, 1 / 9) if state.train_images is not None else _SPLIT_SHARES
    try:
        preset = _preset(state, hardware, workspace)
        networks = [NetworkTimes(name, _seconds(state, preset, name, hardware, images, shares)) for name in NETWORKS]
    except BadInput:
        return None  # a preset is damaged or a setting is wrong, which other screens show
    known = [times for times in networks if None not in times.seconds]
    known.sort(key=lambda times: times.seconds[0] or 0.0)
    return TrainingTimes(preset, state.train_images, images, tuple(known)) if known else None


def _preset(state: WizardState, hardware: Hardware, workspace: Path) -> Preset:
    if state.preset is not None:
        return find_preset(state.preset, workspace)
    names = [preset.name for preset in list_presets(workspace)]
    return find_preset(recommend(names, hardware, state.start, state.train_images).preset, workspace)


def _seconds(
    state: WizardState,
    preset: Preset,
    network: str,
    hardware: Hardware,
    images: tuple[int, ...],
    shares: tuple[float, float],
) -> tuple[float | None, ...]:
    """The seconds for each number of images, of which `shares` are for training and validation."""
    settings = {key: value for key, value in state.settings.items() if key != "anchors"} | {"network": network}
    seconds = []
    for count in images:
        train, val = (round(share * count) for share in shares)
        draft = draft_of(replace(state, train_images=train, settings=settings), preset)
        seconds.append(rough_seconds(draft.recipe(), {"train": train, "val": val}, hardware))
    return tuple(seconds)
