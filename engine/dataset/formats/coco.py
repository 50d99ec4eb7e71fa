"""COCO: JSON files with images, annotations and categories, often one for each split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.dataset.formats.coco_boxes import usable_boxes
from engine.dataset.formats.coco_file import CocoFile, read_coco_file
from engine.dataset.formats.coco_images import add_images
from engine.dataset.formats.file_tree import suffix_of
from engine.dataset.formats.json_files import has_json_key, json_files_with, labels_root, split_of_file
from engine.dataset.formats.json_stream import BadJson, NotAnObject
from engine.dataset.formats.parsed_labels import ParsedLabels
from engine.dataset.formats.reading import Reading
from engine.dataset.formats.reading_log import MAX_NAMES
from engine.files import error_reason
from engine.messages import Message, join_names, phrase

_KEYS = ("images", "annotations")
_OTHER_KEYS = ("shapes", "_via_settings")
"""Of LabelMe and VIA, whose files may be many."""
_OTHER_KINDS = ("person_keypoints_", "captions_", "panoptic_", "stuff_", "image_info_")
"""COCO publishes these beside the files instances_*.json; their boxes are the same, or they have none."""


def read_coco(path: Path, reading: Reading) -> ParsedLabels | None:
    """The images and boxes of a COCO file, or of all COCO files below a folder; None if there are none.

    The name of a file or of one of its folders gives its split.
    """
    if path.is_file() and (suffix_of(path.name) != ".json" or not has_json_key(path, _KEYS)):
        return None
    root = labels_root(path, reading)
    tree = reading.tree(root)
    parsed = ParsedLabels(tree, "coco", "pixel", "info" if path.is_file() else "warning")
    files = [path.relative_to(root).as_posix()] if path.is_file() else list(json_files_with(tree, _KEYS, _OTHER_KEYS))
    others = _other_kinds(files)
    found = [_read_file(file, path.is_file(), parsed, reading) for file in files if file not in others]
    if not any(found):
        return None
    if others:
        parsed.see("label_file", len(others))
        parsed.leave_out(
            "label_file",
            "info",
            "label.other_kind",
            tree.root,
            "{file}: files that repeat the boxes of the files instances_*.json beside them, or have none: {count} ({names}); left out.",
            count=len(others),
            names=join_names(others[:MAX_NAMES]),
        )
    parsed.report_images_in_several_files()
    return parsed


def _other_kinds(files: Sequence[str]) -> list[str]:
    """Files of COCO that repeat the boxes of the files instances_*.json in the same folder, or have none."""
    with_instances = {
        file.rpartition("/")[0] for file in files if file.rpartition("/")[2].lower().startswith("instances_")
    }
    return [
        file
        for file in files
        if file.rpartition("/")[0] in with_instances and file.rpartition("/")[2].lower().startswith(_OTHER_KINDS)
    ]


def _read_file(file: str, is_named: bool, parsed: ParsedLabels, reading: Reading) -> bool:
    """Add the images and boxes of a file; False if it is no COCO.

    Args:
        file: relative to the root.
        is_named: whether the user names this file, not its folder.
        parsed: gets the images, boxes and findings.
        reading: is told how far the reading is.
    """
    try:
        content, decoded = read_coco_file(parsed.tree.path(file), lambda count: reading.report(count, 0))
    except NotAnObject:
        return False
    except BadJson as error:
        _leave_out_unreadable(file, phrase("not valid JSON ({reason})", reason=error.reason), parsed)
        return True
    except OSError as error:
        _leave_out_unreadable(file, phrase("cannot be read ({reason})", reason=error_reason(error)), parsed)
        return True
    if not content.is_coco():
        return False
    parsed.see("label_file")
    if (reason := _not_detection(content)) is not None:
        parsed.leave_out(
            "label_file",
            "warning",
            "label.other_kind",
            parsed.tree.path(file),
            "{file}: {reason}; left out.",
            reason=reason,
        )
        return True
    parsed.keep("label_file")
    if decoded is not None:
        parsed.add_encoding(decoded, parsed.tree.path(file))
    _report_content(content, file, parsed)
    boxes = usable_boxes(content, file, parsed)
    add_images(content, boxes, file, split_of_file(file, *([parsed.root.name] if is_named else [])), parsed)
    return True


def _leave_out_unreadable(file: str, reason: Message, parsed: ParsedLabels) -> None:
    parsed.see("label_file")
    parsed.leave_out(
        "label_file",
        "error",
        "label.unreadable",
        parsed.tree.path(file),
        "{file}: {reason}; left out.",
        reason=reason,
    )


def _not_detection(content: CocoFile) -> Message | None:
    """Why a file of COCO has nothing to learn detection from, or None."""
    count = len(content.entries)
    if "annotations" not in content.sections:
        return phrase("has no annotations for its {count} images", count=count)
    if content.other_kinds and content.other_kinds == content.annotation_count:
        return phrase("has captions or panoptic segments for its {count} images, no boxes", count=count)
    return None


def _report_content(content: CocoFile, file: str, parsed: ParsedLabels) -> None:
    """What can be said before ids are resolved."""
    path = parsed.tree.path(file)
    parsed.see("box", content.annotation_count)
    if count := content.only_masks:
        parsed.leave_out(
            "box",
            "error",
            "label.only_mask",
            path,
            "{file}: annotations with a mask (RLE) and without a readable bbox: {count}; left out. Export them with boxes.",
            count=count,
        )
    if count := content.annotation_count - content.box_count - content.only_masks:
        parsed.leave_out(
            "box",
            "error",
            "label.unreadable",
            path,
            "{file}: annotations without a readable bbox: {count}; left out.",
            count=count,
        )
    if content.from_polygons:
        parsed.add_finding(
            "warning",
            "label.from_polygon",
            path,
            "{file}: annotations without a readable bbox: {count}; the box around their segmentation is used.",
            count=content.from_polygons,
        )
    if not content.annotation_count:
        parsed.add_finding(
            "warning",
            "label.no_annotations",
            path,
            "{file}: has no annotation at all; its {count} images are used as images without objects.",
            count=len(content.entries),
        )
