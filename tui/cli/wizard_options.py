"""Checks the options that the wizard starts with, before a screen or a browser hides the error."""

from __future__ import annotations

from pathlib import Path


def check_wizard_options(data: str | None, preset: str | None, workspace: Path) -> None:
    """Check what `freezetui` and `freezetui serve` are given. Reads no labels.

    Raises:
        BadInput: the data set or the preset does not exist, or cannot be read.
    """
    if preset is not None:
        from engine.recipe.presets import find_preset

        find_preset(preset, workspace)
    # A path that exists is read on the Data screen: the imports below would delay the first screen.
    if data is not None and not Path(data).exists():
        from engine.dataset.formats.open_dataset import require_path
        from tui.wizard.data_source import SAMPLE, data_source

        if data.strip() != SAMPLE:
            require_path(Path(data_source(data, workspace).path))
