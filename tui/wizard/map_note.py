"""Why mAP may still be 0 during a training."""

from __future__ import annotations

from tui.text import _
from tui.wizard.run_history import RunHistory


def map_note(history: RunHistory) -> str:
    """A sentence about an mAP of 0; empty if it is not 0, or not measured yet."""
    if not history.maps or history.maps[-1][1] > 0:
        return ""
    if history.advised_steps is not None and history.steps < history.advised_steps:
        if history.unfreeze_step is None:
            return _(
                "mAP is 0 after {steps} steps, and the backbone is still frozen. This is normal so early; wait for the next evaluation.",
                steps=history.steps,
            )
        return _(
            "mAP is 0 after {steps} steps. This is normal so early; wait for the next evaluation.", steps=history.steps
        )
    return _("mAP is 0 after {steps} steps. The Results screen lists possible reasons.", steps=history.steps)
