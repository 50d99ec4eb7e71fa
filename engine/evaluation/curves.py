"""Draws the loss and mAP curves of a run from its text logs."""

from __future__ import annotations

import io
import math
from contextlib import suppress
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from engine.files import atomic_write

LOSS, VAL_LOSS, MAP = "epoch_loss.txt", "epoch_val_loss.txt", "epoch_map.txt"


def draw_curves(run: Path, *, first_epoch: int, unfreeze_epoch: int | None) -> None:
    """Draw epoch_loss.png and epoch_map.png of a run folder; a line marks the start of the unfreeze stage.

    Args:
        run: has the text logs; one value per line, mAP with its epoch before it.
        first_epoch: the epoch, counted from 0, of the first loss.
        unfreeze_epoch: the first epoch of the unfreeze stage, or None.

    Raises:
        BadInput: the folder cannot be written.
    """
    losses = {
        "training": _read(run / LOSS),
        "validation": _read(run / VAL_LOSS),
    }
    curves = {
        name: ([first_epoch + i + 1 for i in range(len(rows))], [row[0] for row in rows])
        for name, rows in losses.items()
        if rows
    }
    if curves:
        _draw(run / "epoch_loss.png", "Loss", curves, unfreeze_epoch)
    rows = [row for row in _read(run / MAP) if len(row) == 3]
    if rows:
        epochs = [int(row[0]) + 1 for row in rows]
        maps = {"mAP50": (epochs, [row[1] for row in rows]), "mAP50-95": (epochs, [row[2] for row in rows])}
        _draw(run / "epoch_map.png", "mAP on validation", maps, unfreeze_epoch)


def _draw(path: Path, title: str, curves: dict[str, tuple[list[int], list[float]]], unfreeze_epoch: int | None) -> None:
    # The object interface, not pyplot: it has no global state, so it is safe in a thread.
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name, (epochs, values) in curves.items():
        axes.plot(epochs, values, marker="o", markersize=3, linewidth=1.6, label=name)
    if unfreeze_epoch:
        axes.axvline(unfreeze_epoch + 0.5, color="grey", linewidth=1, linestyle="--", label="everything trains")
    axes.set_title(title)
    axes.set_xlabel("epoch")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=110)
    atomic_write(path, lambda file: file.write(png.getbuffer()))


def _read(path: Path) -> list[list[float]]:
    """The rows of a text log that are finite; an incomplete line is ignored."""
    rows = []
    with suppress(FileNotFoundError):
        for line in path.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):
                row = [float(value) for value in line.split()]
                if row and all(map(math.isfinite, row)):
                    rows.append(row)
    return rows
