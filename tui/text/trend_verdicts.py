"""What the trend of the validation loss means, in words."""

from __future__ import annotations

from engine.evaluation.trend import LEAST_EPOCHS, Trend
from tui.text.translate import N_, _

LESSON = N_("Only the trend of the validation loss says anything; its value does not.")

COLOURS = {
    "too_early": "$text-muted",
    "falling": "$success",
    "flat": "$accent",
    "rising": "$warning",
    "unclear": "$text-muted",
    "not_finite": "$error",
}


def verdict(trend: Trend) -> str:
    """One sentence."""
    values = {"epochs": trend.epochs, "percent": f"{abs(trend.change) * 100:.1f}"}
    match trend.verdict:
        case "too_early":
            return _(
                "Too early to tell: {epochs} of the {least} epochs that a verdict needs in this stage.",
                epochs=trend.epochs,
                least=LEAST_EPOCHS,
            )
        case "falling":
            return _("Still falling ({percent} % in {epochs} epochs): it is learning.", **values)
        case "flat":
            return _("Flat for {epochs} epochs: it has converged; more of the same changes little.", **values)
        case "unclear" if trend.change < 0:
            return _("Perhaps still falling ({percent} % in {epochs} epochs): a few more will tell.", **values)
        case "unclear":
            return _("Perhaps rising ({percent} % in {epochs} epochs): a few more will tell.", **values)
        case "rising":
            return _(
                "Rising ({percent} % in {epochs} epochs): it overfits. The best weights are kept; stopping loses nothing.",
                **values,
            )
        case "not_finite":
            return _("The validation loss is no longer a number.")
