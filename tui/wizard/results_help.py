"""The help on the Results screen."""

from __future__ import annotations

from tui.text import _
from tui.text.map_verdicts import describe_verdicts
from tui.text.mistake_kinds import KIND_EXPLANATIONS, KIND_NAMES


def results_help(image_keys: str) -> str:
    """What the scores and the kinds of mistakes mean; `image_keys`: what the keys of the images do."""
    return "\n\n".join(
        (
            _(
                "AP50 is the average precision of a class at 50 % overlap: the area under its precision-recall curve, where a detection is correct if it overlaps the true box by at least half (IoU 0.5). AP50-95 is the mean over overlaps from 50 % to 95 %, so it also measures how exact the boxes are. mAP is the mean over all classes."
            ),
            describe_verdicts(),
            _(
                "Precision: the share of detected boxes that are correct. Recall: the share of objects that are detected. F1 combines both; the confidence threshold with the best F1 is stored with the weights."
            ),
            _(
                "Whatever a training computes in, its weights are evaluated in fp32: during the training, here and by the commands. So the same weights have the same scores everywhere."
            ),
            image_keys,
            _(
                "On the page of curves V shows precision and recall, both over the threshold, and the confusion matrix; N shows each class alone, the weakest first. L labels new images with these weights, and trains on them."
            ),
            _("M shows the images with one kind of mistake after another; those with the most are first."),
            "\n".join(f"{_(KIND_NAMES[kind])}: {_(meaning)}" for kind, meaning in KIND_EXPLANATIONS.items()),
        )
    )
