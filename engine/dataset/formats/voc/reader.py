"""Reads a VOC data set: annotations, their images, their splits, and what of it cannot be used."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException

from engine.dataset.formats.file_tree import FileTree, suffix_of
from engine.dataset.formats.parsed_labels import ParsedLabels
from engine.dataset.formats.reading import Reading
from engine.dataset.formats.reading_log import MAX_NAMES
from engine.dataset.formats.voc.annotation import Annotation, LossReason, parse_annotation
from engine.dataset.formats.voc.places import ImagesByStem, voc_tree
from engine.dataset.formats.voc.split_lists import assign_splits
from engine.dataset.image_files import IMAGE_SUFFIXES, UNREAD_IMAGE_SUFFIXES
from engine.dataset.index import Severity
from engine.files import error_reason
from engine.messages import Message, join_names
from engine.regular_files import read_regular_file

MAX_XML_BYTES = 8 * 2**20
"""For the annotation of one image."""

_MASK_FOLDER = "/segmentation"
"""The start of SegmentationClass, SegmentationObject and SegmentationClassAug."""

_Cause = LossReason | Literal["no_image", "ambiguous", "unread_format", "not_xml", "unsafe", "other_xml", "refused"]


class _Report(NamedTuple):
    """How a cause is reported."""

    kind: Literal["label_file", "box"]
    severity: Severity
    code: str
    template: str


_REPORTS: Mapping[_Cause, _Report] = {
    "no_image": _Report(
        "label_file",
        "error",
        "image.missing",
        "{file}: label files for which there is no image of that name: {count} ({names}), with {boxes} boxes; left out.",
    ),
    "ambiguous": _Report(
        "label_file",
        "error",
        "image.ambiguous",
        "{file}: label files whose name several images have, while <filename> names none of them: {count} ({names}), with {boxes} "
        "boxes; left out.",
    ),
    "unread_format": _Report(
        "label_file",
        "warning",
        "label.unread_image",
        "{file}: label files of images in a format that cannot be read: {count} ({names}), with {boxes} boxes; left out.",
    ),
    "not_xml": _Report(
        "label_file",
        "error",
        "label.unreadable",
        "{file}: label files that are not valid XML: {count} ({names}); left out. The first one: {reason}.",
    ),
    "unsafe": _Report(
        "label_file",
        "error",
        "label.unsafe_xml",
        "{file}: label files that declare XML entities, which labels never need: {count} ({names}); left out.",
    ),
    "refused": _Report(
        "label_file",
        "error",
        "label.unreadable",
        "{file}: label files that cannot be read: {count} ({names}); left out. The first one: {reason}.",
    ),
    "other_xml": _Report(
        "label_file",
        "warning",
        "label.other_xml",
        "{file}: XML files that are no VOC annotation of one image: {count} ({names}); left out.",
    ),
    "unreadable": _Report(
        "box", "error", "label.unreadable", "{file}: objects without a readable box: {count} ({names}); left out."
    ),
    "no_class": _Report(
        "box", "error", "label.no_class", "{file}: objects without a class name: {count} ({names}); left out."
    ),
    "rotated": _Report(
        "box",
        "warning",
        "label.rotated",
        "{file}: objects that have a rotated box (robndbox) only: {count} ({names}); left out, since only upright boxes are learned.",
    ),
    "difficult": _Report("box", "info", "label.difficult", "{file}: {count} objects are marked difficult; left out."),
    "deleted": _Report("box", "info", "label.deleted", "{file}: {count} objects are marked deleted; left out."),
}


class _Losses:
    """What was left out, by its cause."""

    def __init__(self) -> None:
        self._files: defaultdict[_Cause, list[str]] = defaultdict(list)
        self._counts: defaultdict[_Cause, int] = defaultdict(int)
        self._boxes: defaultdict[_Cause, int] = defaultdict(int)
        self._first_reason: dict[_Cause, Message | str] = {}

    def add(
        self, cause: _Cause, file: str, *, count: int = 1, boxes: int = 0, reason: Message | str | None = None
    ) -> None:
        """`count` things in `file` are left out, with `boxes` boxes in them."""
        self._files[cause].append(file)
        self._counts[cause] += count
        self._boxes[cause] += boxes
        if reason is not None:
            self._first_reason.setdefault(cause, reason)

    def report(self, parsed: ParsedLabels) -> None:
        """One finding for each cause."""
        for cause, (kind, severity, code, template) in _REPORTS.items():
            if files := self._files[cause]:
                parsed.leave_out(
                    kind,
                    severity,
                    code,
                    parsed.tree.path(files[0]) if len(files) == 1 else parsed.root,
                    template,
                    count=self._counts[cause],
                    boxes=self._boxes[cause] if "{boxes}" in template else None,
                    names=join_names(files[:MAX_NAMES]),
                    reason=self._first_reason.get(cause, ""),
                )


def read_voc(path: Path, reading: Reading) -> ParsedLabels | None:
    """Every annotated image of the VOC tree that `path` belongs to; None if it belongs to none.

    XML files and images may lie in any folders below the root, also of several years.
    """
    tree = voc_tree(path, reading) if path.is_dir() else None
    if tree is None or not _has_annotation(tree):
        return None
    parsed = ParsedLabels(tree, "voc", "pixel")
    losses = _Losses()
    image_of = _read_annotations(parsed, losses, reading)
    losses.report(parsed)
    parsed.report_images_in_several_files()
    _exclude_masks(parsed)
    assign_splits(image_of, parsed)
    return parsed


def _has_annotation(tree: FileTree) -> bool:
    """Whether an XML file is an annotation, or too damaged to tell."""
    for label_file in tree.with_suffix(".xml"):
        try:
            if parse_annotation(read_regular_file(tree.path(label_file), MAX_XML_BYTES)) is not None:
                return True
        except (OSError, ParseError, DefusedXmlException):
            return True
    return False


def _read_annotations(parsed: ParsedLabels, losses: _Losses, reading: Reading) -> dict[str, str]:
    """Add the images and boxes of all XML files; the image of each, "" where it is left out."""
    label_files = parsed.tree.with_suffix(".xml")
    images = ImagesByStem(parsed.tree)
    image_of: dict[str, str] = {}
    parsed.see("label_file", len(label_files))
    polygons: dict[str, int] = {}
    for done, label_file in enumerate(label_files, 1):
        image_of[label_file] = ""
        reading.report(done, len(label_files))
        annotation = _read(label_file, parsed.tree, losses)
        if annotation is None:
            # Its image has the finding of the label file, not one of its own.
            image = images.find(label_file, Annotation()).file
            if suffix_of(image) in IMAGE_SUFFIXES:
                parsed.exclude_image(image)
            continue
        if annotation.encoding.guessed:
            parsed.add_encoding(annotation.encoding, parsed.tree.path(label_file))
        parsed.see("box", annotation.object_count)
        match = images.find(label_file, annotation)
        is_unread = suffix_of(match.file) in UNREAD_IMAGE_SUFFIXES
        if is_unread or not match.file:
            cause: _Cause = (
                "unread_format" if is_unread else "ambiguous" if match.absence == "ambiguous" else "no_image"
            )
            losses.add(cause, label_file, boxes=annotation.object_count)
            continue
        for reason, count in annotation.left_out.items():
            losses.add(reason, label_file, count=count)
        if annotation.polygon_count:
            polygons[label_file] = annotation.polygon_count
        class_ids = [parsed.class_id(name) for name in annotation.names]
        parsed.keep("label_file")
        parsed.add_match(match, label_file)
        parsed.add_image(match.file, annotation.size, annotation.boxes, class_ids, label_file, None)
        image_of[label_file] = match.file
    if polygons:
        parsed.add_finding(
            "warning",
            "label.polygon",
            parsed.root,
            "{file}: objects that have a polygon and no box: {count} ({names}); the box around it is used.",
            count=sum(polygons.values()),
            names=join_names(list(polygons)[:MAX_NAMES]),
        )
    return image_of


def _read(label_file: str, tree: FileTree, losses: _Losses) -> Annotation | None:
    try:
        annotation = parse_annotation(read_regular_file(tree.path(label_file), MAX_XML_BYTES))
    except DefusedXmlException:
        losses.add("unsafe", label_file)
    except ParseError as error:
        losses.add("not_xml", label_file, reason=str(error))
    except OSError as error:
        losses.add("refused", label_file, reason=error_reason(error))
    else:
        if annotation is None:
            losses.add("other_xml", label_file)
        return annotation
    return None


def _exclude_masks(parsed: ParsedLabels) -> None:
    """The masks of VOC's segmentation are images that need no label."""
    masks = [file for file in parsed.tree.images if _MASK_FOLDER in f"/{file.rpartition('/')[0].lower()}"]
    for file in masks:
        parsed.exclude_image(file)
    if masks:
        parsed.add_finding(
            "info",
            "image.masks",
            parsed.root,
            "{file}: masks for segmentation: {count}; detection does not need them.",
            count=len(masks),
        )
