"""The results of a run at a glance: mAP in large digits, one word for it, the weakest classes, and an image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textual import getters
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Digits

from tui.text import _, ngettext, translate
from tui.text.datasets import split_name
from tui.text.joining import named
from tui.text.map_verdicts import map_verdict
from tui.widgets.class_bars import Bar, ClassBars
from tui.widgets.detection_images import DetectionImages
from tui.widgets.label import Label
from tui.widgets.plot import Plot
from tui.widgets.plot_series import Mark, Series

if TYPE_CHECKING:
    from engine.evaluation.run_report import RunReport


class ResultOverview(Horizontal):
    """Left: mAP, and below it the classes, or why nothing is detected. Right: the images with the most mistakes first."""

    SCOPED_CSS = False  # the size of the screen decides what is shown
    DEFAULT_CSS = """
    ResultOverview #overview-left { width: 1fr; margin-right: 2; }
    ResultOverview #overview-right { width: 1fr; height: 1fr; }
    ResultOverview.-message #overview-left { width: 1fr; margin-right: 0; }
    ResultOverview.-message #overview-right, ResultOverview.-message #verdict-row { display: none; }
    ResultOverview.-message #measured-on { display: none; }
    ResultOverview.-message #class-part, ResultOverview.-message #checks-part { display: none; }
    ResultOverview #verdict-row { height: 3; }
    ResultOverview #measured-on { height: auto; margin-bottom: 1; color: $text-muted; }
    ResultOverview Digits { width: auto; margin-right: 2; }
    ResultOverview #facts { width: 1fr; height: 3; }
    ResultOverview #class-title { height: 1; color: $text-muted; }
    ResultOverview #checks { height: auto; }
    ResultOverview Plot { display: none; margin-top: 1; }
    ResultsScreen.-high ResultOverview Plot.-measured { display: block; height: 1fr; min-height: 6; }
    ResultsScreen.-high ResultOverview #class-part { height: auto; }
    ResultsScreen.-high ResultOverview ClassBars { height: auto; max-height: 12; }
    ResultsScreen.-high ResultOverview #checks-part { height: auto; max-height: 60%; }
    ResultOverview.-message Plot.-measured { display: none; }
    """

    _digits = getters.query_one(Digits)
    _facts = getters.query_one("#facts", Label)
    _measured_on = getters.query_one("#measured-on", Label)
    _status = getters.query_one("#overview-status", Label)
    _class_part = getters.query_one("#class-part", Vertical)
    _class_bars = getters.query_one(ClassBars)
    _checks_part = getters.query_one("#checks-part", VerticalScroll)
    _checks = getters.query_one("#checks", Label)
    _plot = getters.query_one(Plot)
    images = getters.query_one(DetectionImages)

    def __init__(self) -> None:
        super().__init__(classes="-message")

    def compose(self) -> ComposeResult:
        """Both halves."""
        with Vertical(id="overview-left"):
            yield Label(id="overview-status")
            with Horizontal(id="verdict-row"):
                yield Digits()
                yield Label(id="facts")
            yield Label(id="measured-on")  # a line of its own: beside the digits it would be cut
            with Vertical(id="class-part"):
                yield Label(_("AP50 of each class, the weakest first"), id="class-title")
                yield ClassBars(
                    help_text=_(
                        "AP50 of each class in the evaluated images, the weakest first; a full bar is 1. More labelled boxes of "
                        "the weakest classes help most."
                    )
                )
            with VerticalScroll(id="checks-part"):
                yield Label(id="checks")
            yield Plot("mAP50", x_title=_("epochs"))
        yield DetectionImages(id="overview-right")

    def show_message(self, message: str) -> None:
        """Show text instead of results."""
        self.add_class("-message")
        self._status.update(message)
        self._status.display = True

    def show_report(self, report: RunReport, maps: Sequence[tuple[int, float, float]], save_folder: Path) -> None:
        """Show the results of a run.

        Args:
            report: of its best weights.
            maps: epoch, mAP50 and mAP50-95 of each evaluation during the training.
            save_folder: where images are saved.
        """
        self._status.display = False
        self.remove_class("-message")
        self._digits.update(f"{report.scores.map50:.3f}")
        self._facts.update(Content("\n").join(_facts(report)))
        self._measured_on.update(_measured_on(report))
        has_checks = bool(report.checks)
        self._class_part.display, self._checks_part.display = not has_checks, has_checks
        self._checks.update(describe_checks(report))
        self._plot.set_class(bool(maps), "-measured")
        if maps:
            points = [(epoch + 1, map50) for epoch, map50, _map in maps]
            best = max(points, key=lambda point: point[1])
            self._plot.show([Series("", points, "$map")], y_range=(0.0, 1.0), marks=[Mark(*best, _("best"))])
        self._class_bars.show(_class_bars(report), full=1.0)
        self.images.show_images(
            len(report.images), report.prediction, threshold=report.threshold, save_folder=save_folder
        )


def describe_checks(report: RunReport) -> Content:
    """What may be the reason that nothing is detected."""
    if not report.checks:
        return Content("")
    nothing = _("No objects are detected yet. Possible reasons:")
    title = _("Almost nothing is detected yet. Possible reasons:") if report.scores.map50 > 0 else nothing
    lines = [Content.styled(title, "bold")]
    for check in report.checks:
        mark, style = ("!", "$warning") if check.suspect else ("✓", "$text-muted")
        lines.append(Content.styled(f"{mark} {translate(check.message)}", style))
    return Content("\n").join(lines)


def _facts(report: RunReport) -> Iterator[Content]:
    scores, verdict = report.scores, map_verdict(report.scores.map50)
    yield Content.assemble(named("mAP50", ""), (_(verdict.word), f"bold {verdict.colour}"))
    yield Content(named("mAP50-95", f"{scores.map50_95:.3f}"))


def _measured_on(report: RunReport) -> str:
    return ngettext(
        "{count} image ({split})",
        "{count} images ({split})",
        report.scores.images,
        split=split_name(report.split),
    )


def _class_bars(report: RunReport) -> list[Bar]:
    """The classes with boxes, the weakest first."""
    from engine.evaluation.colours import colour_of

    numbered = enumerate(report.scores.per_class.items())
    present = [(number, name, score.ap50) for number, (name, score) in numbered if score.boxes]
    return [
        Bar(name, ap50, colour_of(number), f"{ap50:.2f}")
        for number, name, ap50 in sorted(present, key=lambda row: row[2])
    ]
