"""The parts of the page about what the weights detect: the verdict, the classes, mistakes, sample images."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from engine.messages import Message
from tui.report.content import ReportContent, Results
from tui.report.elements import element, table
from tui.report.evaluation_part import confusion_part, evaluation_charts
from tui.text import _, ngettext, translate
from tui.text.datasets import split_name
from tui.text.map_verdicts import describe_verdicts, map_verdict
from tui.text.mistake_kinds import KIND_EXPLANATIONS, KIND_NAMES
from tui.text.run_states import STATE_NAMES, describe_epochs, describe_run_end
from tui.text.trend_verdicts import describe_trend

if TYPE_CHECKING:
    from engine.evaluation.colours import Colour
    from engine.evaluation.report_images import ReportBox, ReportImage

_LATIN_WIDTH, _CHINESE_WIDTH = 0.62, 1.0
"""Of a letter, as a fraction of the size of the text."""
_FIRST_WIDE = "\u2e80"


def verdict_box(content: ReportContent) -> Element:
    """mAP50 in large digits, and one word for it; below, why it may be low."""
    results, history = content.results, content.run.history
    best = history.best_map
    if results is not None:
        map50: float | None = results.measured.scores.map50
        small = f"mAP50 · mAP50-95 {results.measured.scores.map50_95:.3f}"
    else:
        map50 = None if best is None else best[1]
        small = "mAP50"
    digits = "–" if map50 is None else f"{map50:.3f}"
    facts = list(_facts(content))
    if map50 is not None:
        verdict = map_verdict(map50)
        tone = "good" if verdict.colour == "$success" else "bad" if verdict.colour == "$error" else ""
        facts.insert(0, element("p", _(verdict.word), class_=f"word {tone}".strip(), title=describe_verdicts()))
    return element(
        "div",
        element("div", digits, element("small", small), class_="digits"),
        element("div", *facts),
        class_="verdict",
    )


def _facts(content: ReportContent) -> Iterator[Element]:
    results, summary, history = content.results, content.run.summary, content.run.history
    if results is not None:
        scores, split = results.measured.scores, results.measured.split
        yield element(
            "p",
            ngettext(
                "The best weights, measured on {count} image ({split}) in fp32.",
                "The best weights, measured on {count} images ({split}) in fp32.",
                scores.images,
                split=split_name(split),
            ),
        )
    elif history.best_map is not None:
        yield element("p", _("The best value during the training, in epoch {epoch}.", epoch=history.best_map[0] + 1))
    state = _(STATE_NAMES[summary.state])
    yield element("p", f"{state} · {describe_epochs(summary)}")
    if (end := describe_run_end(summary)) != "":
        yield element("p", end)
    if history.stage_losses:
        from engine.evaluation.trend import trend_of

        trend = trend_of(history.stage_losses)
        sentence = describe_trend(trend, history.steps, history.step_advice, has_ended=history.has_ended)
        yield element("p", sentence)
    yield from _warnings(content.problem)
    if results is not None and results.measured.checks:
        checks = results.measured.checks
        lines = (element("li", f"{'!' if check.suspect else '✓'} {translate(check.message)}") for check in checks)
        yield element(
            "div", _("Almost nothing is detected yet. Possible reasons:"), element("ul", *lines), class_="warning"
        )


def _warnings(messages: Iterable[Message]) -> Iterator[Element]:
    for message in messages:
        text = _("The weights were not measured for this report: {reason}", reason=message)
        yield element("p", text, class_="warning")


def classes_section(content: ReportContent) -> Iterator[Element]:
    """The scores of each class, the weakest first."""
    if content.results is None:
        rows = [
            (name, _bar(ap50)) for name, ap50 in sorted(content.run.history.per_class.items(), key=lambda row: row[1])
        ]
        if rows:
            yield table((_("class"), "AP50"), rows, "numbers")
        return
    scores = content.results.measured.scores
    present = sorted(((n, s) for n, s in scores.per_class.items() if s.boxes), key=lambda row: row[1].ap50)
    absent = [name for name, score in scores.per_class.items() if not score.boxes]
    yield table(
        (_("class"), _("boxes"), "AP50", "AP50-95", _("precision"), _("recall"), "F1"),
        (
            (
                name,
                str(score.boxes),
                _bar(score.ap50),
                *(f"{value:.3f}" for value in (score.ap50_95, score.precision, score.recall, score.f1)),
            )
            for name, score in present
        ),
        "numbers",
    )
    if absent:
        yield element("p", _("Without boxes in these images: {classes}.", classes=", ".join(absent)), class_="hint")
    yield element(
        "p",
        _(
            "Precision, recall and F1 are at confidence {confidence}, where the mean F1 is highest.",
            confidence=f"{scores.threshold:.2f}",
        ),
        class_="hint",
    )
    yield from evaluation_charts(content)
    yield element(
        "p",
        _(
            "AP50 is the average precision of a class at 50 % overlap: the area under its precision-recall curve, where a detection is correct if it overlaps the true box by at least half (IoU 0.5). AP50-95 is the mean over overlaps from 50 % to 95 %, so it also measures how exact the boxes are. mAP is the mean over all classes."
        ),
        class_="hint",
    )


def mistakes_section(content: ReportContent) -> Iterator[Element]:
    """How many objects were missed, how many detections are wrong, and the images with the most of both."""
    results = content.results
    if results is None:
        return
    mistakes = results.measured.mistakes
    yield element(
        "p",
        _(
            "Of {objects} objects, {found} were found and {missed} missed; {wrong} detections are wrong. A detection counts from "
            "confidence {confidence}; it is right if it has the class of an object and overlaps its box by half (IoU 0.5).",
            objects=mistakes.found + mistakes.missed,
            found=mistakes.found,
            missed=mistakes.missed,
            wrong=mistakes.wrong,
            confidence=f"{results.measured.threshold:.2f}",
        ),
    )
    if results.measured.kinds:
        counts = sorted(results.measured.kinds.items(), key=lambda kind: -kind[1])
        yield table(
            (_("mistake"), _("number"), _("meaning")),
            ((_(KIND_NAMES[kind]), str(count), _(KIND_EXPLANATIONS[kind])) for kind, count in counts),
            "mistakes",
        )
    yield from confusion_part(content)
    if results.worst:
        yield element("h3", _("The worst images"))
        yield element("p", _("Dashed and ✗: an object that was not found, or a wrong detection."), class_="hint")
        yield _image_pairs(results, results.worst)


def samples_section(content: ReportContent) -> Iterator[Element]:
    """Some images, whatever was detected in them."""
    results = content.results
    if results is not None and results.samples:
        text = _("Chosen evenly from the split, whatever was detected. Left: the true boxes; right: what was detected.")
        yield element("p", text, class_="hint")
        yield _image_pairs(results, results.samples, "many")


def image_store(results: Results) -> Element:
    """Every image once; both sections show it from here."""
    return element("svg", *(_stored_image(number, image) for number, image in results.images.items()), class_="store")


def _stored_image(number: int, image: ReportImage) -> Element:
    data = base64.b64encode(image.jpeg).decode()
    pixels = element("image", href=f"data:image/jpeg;base64,{data}", width=image.width, height=image.height)
    return element("symbol", pixels, id=_image_id(number), viewBox=f"0 0 {image.width} {image.height}")


def _image_pairs(results: Results, numbers: Iterable[int], class_: str = "") -> Element:
    pairs = (_image_pair(number, results.images[number]) for number in numbers)
    return element("div", *pairs, class_=f"images {class_}".strip())


def _image_pair(number: int, image: ReportImage) -> Element:
    mistakes = image.mistakes
    caption = _(
        "{image}: {found} found, {missed} missed, {wrong} wrong",
        image=image.name,
        found=mistakes.found,
        missed=mistakes.missed,
        wrong=mistakes.wrong,
    )
    return element(
        "figure",
        element(
            "div",
            element(
                "div", element("span", _("true boxes")), _drawing(number, image, image.true_boxes, _("true boxes"))
            ),
            element(
                "div", element("span", _("detected")), _drawing(number, image, image.detected_boxes, _("detected"))
            ),
            class_="pair",
        ),
        element("figcaption", caption),
    )


def _drawing(number: int, image: ReportImage, boxes: tuple[ReportBox, ...], label: str) -> Element:
    size = max(9.0, max(image.width, image.height) / 34)
    return element(
        "svg",
        element("use", href=f"#{_image_id(number)}", width=image.width, height=image.height),
        *(_rectangle(box, max(image.width, image.height) / 240) for box in reversed(boxes)),
        *(_box_name(box, size, image) for box in reversed(boxes)),
        viewBox=f"0 0 {image.width} {image.height}",
        role="img",
        aria_label=f"{image.name}, {label}",
    )


def _rectangle(box: ReportBox, line_width: float) -> Element:
    x1, y1, x2, y2 = box.corners
    dashes = {} if box.mistake is None else {"stroke_dasharray": f"{4 * line_width:.1f} {3 * line_width:.1f}"}
    tip = _box_text(box) if box.mistake is None else f"{_box_text(box)}: {_(KIND_NAMES[box.mistake])}"
    return element(
        "rect",
        element("title", tip),
        x=x1,
        y=y1,
        width=max(0.0, x2 - x1),
        height=max(0.0, y2 - y1),
        fill="none",
        stroke=_css(box.colour),
        stroke_width=line_width,
        **dashes,
    )


def _box_name(box: ReportBox, size: float, image: ReportImage) -> Element:
    """Its class above the box, or inside it at the upper edge of the image, with a halo in the colour of the box."""
    from engine.evaluation.colours import text_colour

    x1, y1, x2, _y2 = box.corners
    text = _box_text(box)
    widths = (_CHINESE_WIDTH if letter >= _FIRST_WIDE else _LATIN_WIDTH for letter in text)
    is_too_long = x1 + size * sum(widths) > image.width
    return element(
        "text",
        text,
        class_="name",
        x=min(x2, image.width - 3.0) if is_too_long else max(x1, 3.0),
        y=y1 - 3 if y1 > size * 1.3 else max(y1, 0.0) + size,
        font_size=size,
        text_anchor="end" if is_too_long else "start",
        fill=_css(text_colour(box.colour)),
        stroke=_css(box.colour),
        stroke_width=size / 3,
    )


def _box_text(box: ReportBox) -> str:
    name = box.class_name if box.mistake is None else f"✗ {box.class_name}"
    return name if box.confidence is None else f"{name} {box.confidence:.2f}"


def _bar(value: float) -> Element:
    filled = element("span", class_="bar", style=f"width: {max(0.0, value):.0%}")
    return element("span", element("span", filled, class_="track"), f"{value:.3f}")


def _image_id(number: int) -> str:
    return f"image-{number}"


def _css(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
