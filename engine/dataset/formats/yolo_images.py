"""The images that the entries of a data.yaml name, and their splits."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch

from engine.dataset.formats.file_tree import suffix_of
from engine.dataset.formats.image_lists import listed_images
from engine.dataset.formats.parsed_labels import ParsedLabels
from engine.dataset.formats.reading_log import MAX_NAMES
from engine.dataset.formats.yolo_sources import Source, Sources
from engine.dataset.formats.yolo_yaml import DataYaml
from engine.dataset.image_files import IMAGE_SUFFIXES
from engine.dataset.splits import SPLITS
from engine.messages import did_you_mean, join_names


def report_sources(data: DataYaml, sources: Sources, parsed: ParsedLabels) -> None:
    """Say which entries lead nowhere, and which lead elsewhere than they say."""
    for entry in sources.missing:
        parsed.add_finding(
            "error",
            "split.missing",
            data.path,
            "{file}: {key} names {entry}, which does not exist.",
            key=entry.key,
            entry=entry.text,
        )
    if elsewhere := [f"{source.entry.key}: {source.entry.text}" for source in sources.found if source.by_name]:
        parsed.add_finding(
            "info",
            "split.elsewhere",
            data.path,
            "{file}: places of images that do not exist, but the last part of their path does below this folder: {count} ({names}).",
            count=len(elsewhere),
            names=join_names(elsewhere[:MAX_NAMES]),
        )
    for source in sources.found:
        if source.rival is not None:
            parsed.add_finding(
                "info",
                "split.two_places",
                data.path,
                "{file}: {key} may mean {place} or {other}; {place} is used, since it is inside this folder.",
                key=source.entry.key,
                place=source.path,
                other=source.rival,
            )


def images_of_sources(sources: Sources, parsed: ParsedLabels) -> tuple[dict[str, list[str]], list[str]]:
    """The images that the entries name, each with its splits; and the lists among the entries, relative to the root."""
    images: dict[str, list[str]] = {}
    lists: list[str] = []
    folders = [folder for folder in parsed.tree.folders if folder.lower() in ("images", "data")]
    for source in sources.all:
        place = parsed.tree.relative(source.path)
        if place is None:
            _report_outside(source, parsed)
            continue
        is_list = place in parsed.tree and suffix_of(place) not in IMAGE_SUFFIXES
        if is_list:
            lists.append(place)
        named = listed_images(place, folders, parsed) if is_list else list(_images_below(place, source.pattern, parsed))
        for image in named:
            splits = images.setdefault(image, [])
            if source.entry.split is not None and source.entry.split not in splits:
                splits.append(source.entry.split)
        if source.entry.split is None and named:
            _report_unknown(source, len(named), parsed)
        elif not named and not is_list:
            _report_empty(source, parsed)
    return images, lists


def _images_below(place: str, pattern: str, parsed: ParsedLabels) -> Iterator[str]:
    """The images in a folder, those that match a pattern, or the image itself."""
    if suffix_of(place) in IMAGE_SUFFIXES and place in parsed.tree:
        yield place
        return
    prefix = place + "/" if place else ""
    for folder, files in parsed.tree.folders.items():
        if folder == place or folder.startswith(prefix):
            for file in files:
                if suffix_of(file) in IMAGE_SUFFIXES and (not pattern or fnmatch(file[len(prefix) :], pattern)):
                    yield file


def _report_outside(source: Source, parsed: ParsedLabels) -> None:
    parsed.add_finding(
        "error",
        "label.outside_dataset",
        source.path,
        "{file}: {key} names this place, which cannot be read together with the others; left out.",
        key=source.entry.key,
    )


def _report_unknown(source: Source, count: int, parsed: ParsedLabels) -> None:
    parsed.add_finding(
        "warning",
        "split.unknown_key",
        source.path,
        "{file}: the key {key} names {count} images, but is no split{hint} They are put into no split.",
        key=source.entry.key,
        count=count,
        hint=did_you_mean(source.entry.key, SPLITS),
    )


def _report_empty(source: Source, parsed: ParsedLabels) -> None:
    if source.entry.split is not None:
        parsed.add_finding(
            "warning",
            "split.empty",
            source.path,
            "{file}: {key} names this place, but there is no image.",
            key=source.entry.key,
        )
