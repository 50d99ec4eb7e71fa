"""The trend of the validation loss as text."""

from __future__ import annotations

from engine.evaluation.trend import MIN_EPOCHS, Trend
from engine.planning.advice import StepAdvice
from tui.text.translate import N_, _

TREND_NOTE = N_("Only the trend of the validation loss matters, not its value.")

COLOURS = {
    "too_early": "$text-muted",
    "falling": "$success",
    "flat": "$accent",
    "rising": "$warning",
    "unclear": "$text-muted",
    "not_finite": "$error",
}


def describe_trend(trend: Trend, steps: int, advice: StepAdvice | None, *, has_ended: bool = False) -> str:
    """What the trend means, in one sentence. All but "rising" fit on one line of 78 characters.

    Args:
        trend: of the validation loss in the current stage.
        steps: that are done.
        advice: for the whole training. Below the advised steps a flat loss is no convergence: it may fall again, above all at
            the learning rates that are still to come.
        has_ended: all epochs are done, so nothing is expected of the next ones.
    """
    if has_ended and (sentence := _describe_trend_at_end(trend)) is not None:
        return sentence
    values = {"epochs": trend.epochs, "percent": f"{abs(trend.change) * 100:.1f}"}
    match trend.verdict:
        case "too_early":
            return _(
                "No trend of the validation loss yet: {epochs} of the {needed} epochs that it needs.",
                epochs=trend.epochs,
                needed=MIN_EPOCHS,
            )
        case "falling":
            return _("The validation loss is still falling ({percent} % in {epochs} epochs): it learns.", **values)
        case "flat" if advice is not None and steps < advice.advised:
            return _(
                "Validation loss unchanged for {epochs} epochs; {left} of {advised} advised steps are missing.",
                epochs=trend.epochs,
                left=advice.advised - steps,
                advised=advice.advised,
            )
        case "flat":
            return _("The validation loss has not changed for {epochs} epochs: training has converged.", **values)
        case "unclear" if trend.change < 0:
            return _("The validation loss may be falling ({percent} % in {epochs} epochs): not clear yet.", **values)
        case "unclear":
            return _("The validation loss may be rising ({percent} % in {epochs} epochs): not clear yet.", **values)
        case "rising":
            return _(
                "The validation loss is rising ({percent} % in {epochs} epochs): the model overfits. The best weights are kept, so you "
                "can stop.",
                **values,
            )
        case "not_finite":
            return _("The validation loss is infinite or NaN.")


def _describe_trend_at_end(trend: Trend) -> str | None:
    """The same of a run whose epochs are all done, where it is not the same as before."""
    match trend.verdict:
        case "too_early":
            return _(
                "Too few epochs for a trend of the validation loss: {epochs}, and it needs {needed}.",
                epochs=trend.epochs,
                needed=MIN_EPOCHS,
            )
        case "falling":
            return _("The validation loss was still falling at the end: more epochs may help.")
        case "unclear" if trend.change < 0:
            return _("The validation loss may have been falling at the end: more epochs may help.")
        case "unclear":
            return _("The validation loss may have been rising at the end; the best weights are kept.")
        case "rising":
            return _("The validation loss was rising at the end: the model overfits. The best weights are kept.")
    return None
