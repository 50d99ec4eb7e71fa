"""What is said about the number of steps of a training, as text."""

from __future__ import annotations

from engine.planning.advice import StepAdvice
from tui.text.translate import _


def describe_steps(advice: StepAdvice) -> str:
    """The number of steps of all stages, and of those that are advised. All figures are those of the Plan's stages and warnings.

    Where the Plan's warning `plan.few_steps` says what is advised, it is not said here again.
    """
    values = {"steps": advice.steps, "advised": advice.advised}
    if advice.wants_images and advice.steps >= advice.advised:
        if advice.first_look is None:  # of the tutorials' method, about which the Plan warns
            return _("{steps} steps in total.", **values)
        return _("{steps} steps in total; more images help most.", **values)
    if advice.level == "few":
        return _("{steps} steps in total.", **values)
    if advice.level == "first_look":
        return _("{steps} steps in total: a first look; a good result takes {advised} or more.", **values)
    return _("{steps} steps in total; at least {advised} are advised.", **values)
