"""A run in words: its weights and best values, and what to do with them."""

from __future__ import annotations

from pathlib import Path

from textual.content import Content

from engine.messages import printable
from engine.runs.folder import BEST_WEIGHTS, LAST_WEIGHTS
from tui.text import _
from tui.text.joining import join_parts, with_detail
from tui.text.run_states import describe_epochs, describe_run_end
from tui.text.sizes import format_size
from tui.wizard.stored_run import (
    StoredRun,
    evaluate_command,
    extend_command,
    label_command,
    pick_command,
    predict_command,
    train_again_command,
)


def describe_run(run: StoredRun) -> Content:
    """Its state, its weights files and its best values."""
    summary, history = run.summary, run.history
    lines: list[Content] = []

    def add_line(label: str, value: str) -> None:
        lines.append(Content.assemble((f"{label}  ", "$text-muted"), value))

    add_line(_("run"), f"{printable(summary.name)}  {describe_epochs(summary)}")
    if (sentence := describe_run_end(summary)) != "":
        lines.append(Content.styled(sentence, "$warning"))
    for label, name in ((_("best weights"), BEST_WEIGHTS), (_("last weights"), LAST_WEIGHTS)):
        path = run.folder / name
        if path.is_file():
            add_line(label, format_size(path.stat().st_size))
            lines.append(Content(printable(path)))
        else:
            add_line(label, _("none yet; the first are saved after the first epoch"))
    if history.maps:
        epoch, map50, map50_95 = max(history.maps, key=lambda point: (point[1], point[2]))
        add_line(_("best mAP50"), with_detail(f"{map50:.3f}", join_parts(f"mAP50-95 {map50_95:.3f}", _epoch(epoch))))
    if history.lowest_loss is not None:
        epoch, loss = history.lowest_loss
        add_line(_("lowest val loss"), with_detail(f"{loss:.4f}", _epoch(epoch)))
    return Content("\n").join(lines)


def _epoch(epoch: int) -> str:
    return _("epoch {epochs}", epochs=epoch + 1)


def describe_next_steps(run: StoredRun, workspace: Path) -> Content:
    """What to do with the weights, as sentences and commands."""
    steps = [
        (_("Detect objects in your own images (here: key W):"), predict_command(run)),
        (_("Evaluate it on another data set with the same classes:"), evaluate_command(run)),
        (_("Let it propose labels for images that have none (here: key L); --to yolo for YOLO:"), label_command(run)),
        (_("List the 50 images that it is least sure of, to label them next:"), pick_command(run)),
        (
            _("Train on the larger data set, starting from these weights (here: key L, then F8):"),
            train_again_command(run),
        ),
    ]
    if (extend := extend_command(run, workspace)) is not None:
        steps.append((_("Train for more epochs (here: key E on the Runs screen):"), extend))
    lines: list[Content] = []
    for sentence, command in steps:
        lines += [Content(sentence), Content.styled(f"  {printable(command)}", "$primary"), Content("")]
    return Content("\n").join(lines)
