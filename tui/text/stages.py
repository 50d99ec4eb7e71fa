"""The stages of a training as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tui.text.translate import N_

STAGE_NAMES: Final[Mapping[str, str]] = {"freeze": N_("freeze"), "unfreeze": N_("unfreeze")}

STAGE_EXPLANATIONS: Final[Mapping[str, str]] = {
    "freeze": N_("Freeze: the pretrained backbone is kept; only the rest of the network is trained."),
    "unfreeze": N_("Unfreeze: the whole network is trained. The loss may rise at first."),
}
