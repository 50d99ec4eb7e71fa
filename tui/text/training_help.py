"""What the curves and keys of a training mean, for F1."""

from __future__ import annotations

from tui.text.translate import _


def training_help() -> str:
    """The help of the Train screen."""
    return "\n\n".join(
        (
            _(
                "The train loss is measured on the training images, the validation loss on images that are not used for training. Only the trend of the validation loss matters: falling means that the network learns, flat that it has converged once the advised steps are done, rising that it overfits. The value depends on how the loss is defined; it does not need to be near 0."
            ),
            _(
                "mAP50 is the average precision at 50 % overlap, averaged over the classes; 1 is perfect. It is measured every few epochs (eval_period)."
            ),
            _(
                "Data wait is the share of time that a step waits for images. If it is far above 10 %, increase num_workers or use a faster disk."
            ),
            _(
                "P pauses, S stops and saves, B lowers the batch size, E changes the number of epochs, L shows the log. The training so far is never lost."
            ),
            _(
                "D moves the training into the background: it stops after the current step, and a process of its own resumes it there, with the same result. Then you can leave the wizard and close the terminal; Enter on the run in Runs shows it again, with the same keys."
            ),
            _(
                "C shows how well each class is detected and what is detected in a few validation images, N the next image. Z shows only the last third of the curves. The faint train curve is that of the single steps, the strong one its mean. ◆ marks the best value."
            ),
        )
    )
