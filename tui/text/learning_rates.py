"""Learning rates as text."""

from __future__ import annotations

from tui.text.translate import _


def describe_batch_effect(method: object) -> str:
    """What a smaller batch size does to the learning rate in a training with `method` (the recipe's setting)."""
    if method == "tutorial":
        return _("The learning rate is adapted to the batch size.")
    return _("The learning rate stays as it is.")
