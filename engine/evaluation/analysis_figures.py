"""Figures of an evaluation: confusion matrix, curves, AP by size, and the kinds of mistakes."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from numpy.typing import NDArray

from engine.evaluation.analysis import Analysis
from engine.evaluation.colours import colour_of
from engine.evaluation.figure_text import FigureTexts, figure_names, use_name_fonts
from engine.evaluation.mistakes import Kind
from engine.messages import gettext_noop

MAX_LEGEND = 20
"""With more classes the legend names only the weakest ones."""
MAX_CELL_TEXTS = 30
"""With more classes the confusion matrix has no numbers in its cells."""
_DPI = 110
SIZE_NAMES: Mapping[str, str] = {
    "small": gettext_noop("small"),
    "medium": gettext_noop("medium"),
    "large": gettext_noop("large"),
}
_KIND_NAMES: Mapping[Kind, str] = {
    Kind.MISSED: gettext_noop("missed"),
    Kind.WRONG_CLASS: gettext_noop("wrong class"),
    Kind.BADLY_PLACED: gettext_noop("badly placed"),
    Kind.DOUBLE: gettext_noop("double"),
    Kind.BACKGROUND: gettext_noop("background"),
    Kind.BOTH_WRONG: gettext_noop("both wrong"),
}


def draw_confusion_matrix(analysis: Analysis, texts: FigureTexts) -> bytes:
    """A PNG: a row for each true class, a column for each detected class; the colour is the share of the row.

    The background has no colour: its row is no number of objects of which a share could be found.
    """
    names = [*figure_names(analysis.classes), texts(gettext_noop("no object"))]
    counts = analysis.confusion
    side = float(np.clip(3 + 0.42 * len(names), 5, 24))
    figure, axes = _new_figure(side + 1.2, side)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    shares[-1] = 0
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03, label=texts(gettext_noop("share of the true class")))
    size = 10 if len(names) <= MAX_LEGEND else 6
    axes.set_xticks(range(len(names)), names, rotation=90 if len(names) > 4 else 0, fontsize=size)
    axes.set_yticks(range(len(names)), names, fontsize=size)
    use_name_fonts([*axes.get_xticklabels(), *axes.get_yticklabels()])
    axes.set_xlabel(texts(gettext_noop("detected class")))
    axes.set_ylabel(texts(gettext_noop("true class")))
    axes.set_title(
        texts(
            gettext_noop("Confusion matrix at confidence {threshold}, IoU 0.5"),
            threshold=f"{analysis.scores.threshold:.2f}",
        )
    )
    if len(names) <= MAX_CELL_TEXTS:
        for (row, column), count in np.ndenumerate(counts):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=size - 1)
    return _png(figure)


def draw_precision_recall(analysis: Analysis, texts: FigureTexts) -> bytes:
    """A PNG: the precision-recall curve of each class at IoU 0.5, and their mean."""
    figure, axes = _new_figure(8.5, 5.5)
    curves = {name: details.precision_at_recall for name, details in analysis.details.per_class.items()}
    _plot_classes(axes, analysis, analysis.details.recalls, curves)
    axes.set_xlabel(texts(gettext_noop("recall")))
    axes.set_ylabel(texts(gettext_noop("precision")))
    axes.set_title(
        texts(gettext_noop("Precision and recall at IoU 0.5: mAP50 {map50}"), map50=f"{analysis.scores.map50:.3f}")
    )
    _add_legend(axes, analysis, texts, lambda name: f"AP50 {analysis.scores.per_class[name].ap50:.3f}")
    return _png(figure)


def draw_threshold_curves(analysis: Analysis, texts: FigureTexts) -> bytes:
    """A PNG: precision, recall and F1 of each class over the confidence threshold, and their means."""
    figure = Figure(figsize=(16, 5), layout="constrained")
    FigureCanvasAgg(figure)
    panels: Sequence[Axes] = figure.subplots(1, 3, sharey=True)
    details = analysis.details.per_class
    curves = {
        # Not where nothing is found any more: 0 divided by 0 is no precision of 0.
        texts(gettext_noop("precision")): {
            name: np.where(of_class.recall > 0, of_class.precision, np.nan) for name, of_class in details.items()
        },
        texts(gettext_noop("recall")): {name: of_class.recall for name, of_class in details.items()},
        "F1": {name: of_class.f1 for name, of_class in details.items()},
    }
    for axes, (title, of_classes) in zip(panels, curves.items(), strict=True):
        _prepare(axes)
        _plot_classes(axes, analysis, analysis.details.thresholds, of_classes)
        axes.axvline(analysis.scores.threshold, color="grey", linewidth=1, linestyle="--")
        axes.set_xlabel(texts(gettext_noop("confidence threshold")))
        axes.set_title(title)
    figure.suptitle(
        texts(
            gettext_noop("At IoU 0.5; the mean F1 is best at confidence {threshold}"),
            threshold=f"{analysis.details.best_threshold:.2f}",
        )
    )
    _add_legend(panels[-1], analysis, texts, lambda name: _best_threshold_text(details[name].best_threshold, texts))
    return _png(figure)


def draw_sizes(analysis: Analysis, texts: FigureTexts) -> bytes:
    """A PNG: AP of small, medium and large objects."""
    figure, axes = _new_figure(6.5, 4.5)
    sizes = analysis.details.sizes
    places = np.arange(len(sizes))
    for offset, (title, values) in zip(
        (-0.2, 0.2),
        {
            "AP50": [score.ap50 for score in sizes.values()],
            "AP50-95": [score.ap50_95 for score in sizes.values()],
        }.items(),
        strict=True,
    ):
        bars = axes.bar(places + offset, [value or 0.0 for value in values], 0.38, label=title)
        axes.bar_label(bars, ["" if value is None else f"{value:.3f}" for value in values], fontsize=9)
    limits = (
        gettext_noop("up to 32² pixels"),
        gettext_noop("up to 96² pixels"),
        gettext_noop("from 96² pixels"),
    )
    axes.set_xticks(
        places,
        [
            "\n".join((texts(SIZE_NAMES[size]), texts(limit), texts(gettext_noop("boxes: {count}"), count=score.boxes)))
            for (size, score), limit in zip(sizes.items(), limits, strict=True)
        ],
    )
    axes.set_ylim(0, 1.05)
    axes.set_title(texts(gettext_noop("Average precision by the size of the objects")))
    axes.legend(frameon=False)
    return _png(figure)


def draw_mistakes(analysis: Analysis, texts: FigureTexts) -> bytes:
    """A PNG: the number of mistakes of each kind."""
    figure, axes = _new_figure(7.5, 4)
    kinds = list(Kind)[::-1]
    bars = axes.barh(range(len(kinds)), [analysis.kinds.get(kind, 0) for kind in kinds])
    axes.set_yticks(range(len(kinds)), [texts(_KIND_NAMES[kind]) for kind in kinds])
    axes.bar_label(bars, padding=3)
    axes.margins(x=0.12)
    axes.set_title(
        texts(
            gettext_noop("Mistakes at confidence {threshold}: {found} of {count} objects found"),
            threshold=f"{analysis.scores.threshold:.2f}",
            found=analysis.mistakes.found,
            count=analysis.mistakes.found + analysis.mistakes.missed,
        )
    )
    return _png(figure)


FIGURES: Mapping[str, Callable[[Analysis, FigureTexts], bytes]] = {
    "confusion_matrix.png": draw_confusion_matrix,
    "precision_recall.png": draw_precision_recall,
    "threshold.png": draw_threshold_curves,
    "size.png": draw_sizes,
    "mistakes.png": draw_mistakes,
}
"""The file name of each figure."""


def _new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    # The object interface, not pyplot: it has no global state, so it is safe in a thread.
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    _prepare(axes)
    return figure, axes


def _prepare(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _plot_classes(
    axes: Axes, analysis: Analysis, x: NDArray[np.float64], curves: Mapping[str, NDArray[np.float64]]
) -> None:
    """A thin line for each class with true boxes, and a thick one for their mean."""
    present = _present(analysis)
    for number, name in present:
        axes.plot(x, curves[name], color=_colour(number), linewidth=1.2)
    if present:
        values = np.ma.masked_invalid([curves[name] for _, name in present])
        axes.plot(x, values.mean(axis=0).filled(np.nan), color="black", linewidth=2.4)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.grid(visible=True, alpha=0.3)


def _add_legend(axes: Axes, analysis: Analysis, texts: FigureTexts, describe: Callable[[str], str]) -> None:
    """The mean, and the classes, beside the axes; of many classes the weakest ones."""
    present = sorted(_present(analysis), key=lambda item: analysis.scores.per_class[item[1]].ap50)
    shown = sorted(present[:MAX_LEGEND])
    drawn = figure_names(analysis.classes)
    lines = [Line2D([], [], color="black", linewidth=2.4), *(Line2D([], [], color=_colour(n)) for n, _ in shown)]
    names = [
        texts(gettext_noop("mean")),
        *(_legend_text(f"{drawn[number]}: {describe(name)}") for number, name in shown),
    ]
    title = None
    if len(shown) < len(present):
        title = texts(gettext_noop("the {count} weakest of {total}"), count=MAX_LEGEND, total=len(present))
    legend = axes.legend(
        lines, names, title=title, frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.01, 1.0)
    )
    use_name_fonts(legend.get_texts())


def _legend_text(text: str) -> str:
    """A legend leaves out what begins with an underscore."""
    return f" {text}" if text.startswith("_") else text


def _best_threshold_text(threshold: float | None, texts: FigureTexts) -> str:
    if threshold is None:
        return texts(gettext_noop("nothing found"))
    return texts(gettext_noop("best at {threshold}"), threshold=f"{threshold:.2f}")


def _present(analysis: Analysis) -> list[tuple[int, str]]:
    """The classes with true boxes and their numbers."""
    return [(number, name) for number, (name, score) in enumerate(analysis.scores.per_class.items()) if score.boxes]


def _colour(number: int) -> tuple[float, float, float]:
    red, green, blue = colour_of(number)
    return red / 255, green / 255, blue / 255


def _png(figure: Figure) -> bytes:
    use_name_fonts(figure.findobj(Text))
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=_DPI)
    return png.getvalue()
