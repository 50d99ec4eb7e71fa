"""Text files that list the images of a split, one path a line, as Darknet, CVAT and Ultralytics write them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from engine.dataset.formats.file_tree import Absence, FileTree, Match, posix_name, stem_of, suffix_of
from engine.dataset.formats.parsed_labels import ParsedLabels
from engine.dataset.formats.reading_log import MAX_NAMES
from engine.dataset.image_files import IMAGE_SUFFIXES
from engine.dataset.splits import split_in_name
from engine.files import read_decoded, read_lines, text_lines
from engine.messages import BadInput, gettext_noop, join_names

_SAMPLED_LINES = 50
_DARKNET_SPLITS = {"train": "train", "valid": "val", "test": "test"}
_MAX_SETTINGS_BYTES = 1 << 16


def find_image_lists(tree: FileTree) -> dict[str, str]:
    """The lists below the root that are named after a split or that a Darknet `.data` file names, each with its split."""
    stems = {image.rpartition(".")[0] for image in tree.images}
    named = {
        file: split
        for file in tree.with_suffix(".txt")
        if file[:-4] not in stems and (split := split_in_name(stem_of(file))) is not None and is_image_list(tree, file)
    }
    for file in tree.with_suffix(".data"):
        for key, value in _settings(tree, file):
            listed = tree.find(value, (file.rpartition("/")[0], "")).file
            if key in _DARKNET_SPLITS and suffix_of(listed) == ".txt" and is_image_list(tree, listed):
                named[listed] = _DARKNET_SPLITS[key]
    return named


def _settings(tree: FileTree, file: str) -> Iterator[tuple[str, str]]:
    """The lines `key = value` of a Darknet `.data` file; none if it is something else."""
    try:
        if tree.path(file).stat().st_size > _MAX_SETTINGS_BYTES:
            return
        lines = read_lines(tree.path(file))
    except (OSError, BadInput):
        return
    for line in lines:
        key, _, value = line.partition("=")
        yield key.strip(), value.strip()


def is_image_list(tree: FileTree, file: str) -> bool:
    """Whether most lines of a text file are paths of images and nothing else."""
    try:
        lines = read_lines(tree.path(file))[:_SAMPLED_LINES]
    except BadInput:
        return False
    return bool(lines) and 2 * sum(suffix_of(line.replace("\\", "/")) in IMAGE_SUFFIXES for line in lines) > len(lines)


def listed_images(file: str, folders: Sequence[str], parsed: ParsedLabels) -> list[str]:
    """The images that a list names; lines that lead to none are reported.

    Args:
        file: the list, relative to the root.
        folders: what the paths may be relative to, besides the folder of the list and the root.
        parsed: gets the findings.
    """
    try:
        decoded = read_decoded(parsed.tree.path(file))
    except BadInput as error:
        parsed.add_finding(
            "error", "label.unreadable", parsed.tree.path(file), "{file}: {reason}", reason=error.as_one_message()
        )
        return []
    parsed.add_encoding(decoded, parsed.tree.path(file))
    images = []
    lost: dict[str, list[str]] = {"missing": [], "ambiguous": [], "outside": []}
    places = list(dict.fromkeys((file.rpartition("/")[0], *folders, "")))
    for line in text_lines(decoded.text):
        parsed.see("line")
        match = parsed.tree.find(line, places)
        if suffix_of(match.file) in IMAGE_SUFFIXES:
            parsed.keep("line")
            parsed.add_match(match, file)
            images.append(match.file)
        else:
            lost[absence_of(match, line)].append(posix_name(line))
    report_lost_lines(file, lost, parsed)
    return images


_LOST_LINES: Mapping[Absence, tuple[str, str]] = {
    "missing": (
        "image.missing",
        gettext_noop("{file}: lines whose image does not exist: {count} ({names}); left out."),
    ),
    "ambiguous": (
        "image.ambiguous",
        gettext_noop(
            "{file}: lines whose image is not there, while several images elsewhere have its name: {count} ({names}); left out."
        ),
    ),
    "outside": (
        "label.outside_dataset",
        gettext_noop("{file}: lines whose path leads out of the data set: {count} ({names}); left out."),
    ),
}
"""The finding about lines whose image is not used, by the reason: its code and template."""


def absence_of(match: Match, name: str) -> Absence:
    """Why the image that a list calls `name` is not used. A whole path of another machine leads nowhere, not outside."""
    if match.absence == "outside" and posix_name(name).startswith("/"):
        return "missing"
    return match.absence or "missing"


def report_lost_lines(
    file: str, lost: dict[str, list[str]], parsed: ParsedLabels, boxes: dict[str, int] | None = None
) -> None:
    """Report the lines of a list whose images are not used.

    Args:
        file: the list, relative to the root.
        lost: the names in the lines by the reason: "missing", "ambiguous" or "outside".
        parsed: gets the findings.
        boxes: the number of boxes in those lines, by the same reasons.
    """
    for reason, (code, template) in _LOST_LINES.items():
        if names := lost[reason]:
            parsed.leave_out(
                "line",
                "error",
                code,
                parsed.tree.path(file),
                template,
                count=len(names),
                boxes=None if boxes is None else boxes[reason],
                names=join_names(names[:MAX_NAMES]),
            )
