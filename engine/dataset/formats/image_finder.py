"""Where the image is that a label names: beside the label, in a folder of a usual name, or anywhere below the root."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qs, unquote, urlsplit

from engine.dataset.formats.file_tree import FileTree, Match, same_name, stem_of
from engine.dataset.formats.label_studio import without_upload_prefix
from engine.dataset.image_files import IMAGE_SUFFIXES

_IMAGE_FOLDERS = ("images", "data", "imgs", "img", "image", "JPEGImages", "Images")


class ImageFinder:
    """Finds images for the label files of one folder."""

    def __init__(self, tree: FileTree, label_folder: str, split_folders: Iterable[str] = ()) -> None:
        """`label_folder` is relative to the root of the tree; `split_folders` are names of the folder of the split that the labels are for."""
        self._tree = tree
        existing = {""}
        for folder in tree.folders:
            parts = folder.split("/")
            existing.update("/".join(parts[:length]) for length in range(1, len(parts) + 1))
        self._folders = [
            folder
            for folder in dict.fromkeys(_places(label_folder, list(dict.fromkeys(split_folders))))
            if folder in existing
        ]

    def find(self, name: str) -> Match:
        """The image that a label calls `name`: a path, a URL, or a name of Label Studio."""
        for form in _forms(name):
            match = self._tree.find(form, self._folders)
            if match.file:
                return match
        return self._tree.find(name, self._folders)


class ImageStems:
    """Images by their names without suffix."""

    def __init__(self, tree: FileTree) -> None:
        self._beside: defaultdict[str, list[str]] = defaultdict(list)
        self._anywhere: defaultdict[str, list[str]] = defaultdict(list)
        for image in tree.images:
            folder, _slash, _name = image.rpartition("/")
            stem = same_name(stem_of(image))
            self._beside[f"{folder}/{stem}"].append(image)
            self._anywhere[stem].append(image)

    def beside(self, file: str) -> str | None:
        """The only image in the folder of `file` with its name."""
        folder, _slash, _name = file.rpartition("/")
        return _only(self._beside.get(f"{folder}/{same_name(stem_of(file))}", []))

    def anywhere(self, file: str) -> str | None:
        """The only image of the tree with the name of `file`."""
        return _only(self._anywhere.get(same_name(stem_of(file)), []))


def is_image_name(file: str) -> bool:
    """Whether the name of a file says that it is an image that can be read."""
    dot = file.rfind(".")
    return dot > file.rfind("/") and file[dot:].lower() in IMAGE_SUFFIXES


def _places(label_folder: str, split_folders: list[str]) -> Iterator[str]:
    yield label_folder
    bases = list(dict.fromkeys((label_folder, label_folder.rpartition("/")[0], "")))
    for base in bases:
        for split in split_folders:
            yield _join(base, split)
            for folder in _IMAGE_FOLDERS:
                yield _join(base, folder, split)
                yield _join(base, split, folder)
    for base in bases:
        yield base
        for folder in _IMAGE_FOLDERS:
            yield _join(base, folder)


def _join(*parts: str) -> str:
    return "/".join(part for part in parts if part)


def _forms(name: str) -> Iterator[str]:
    """The forms in which a name may be that of a file, the likeliest first."""
    yield name
    if "://" in name or "?" in name:
        try:
            url = urlsplit(name)
        except ValueError:  # brackets that are no address
            return
        # Label Studio serves local files at /data/local-files/?d=folder/a.jpg.
        name = (parse_qs(url.query).get("d") or [""])[0] or unquote(url.path)
        yield name
    elif "%" in name:
        yield unquote(name)
    folder, slash, last = name.replace("\\", "/").rpartition("/")
    if (shorter := without_upload_prefix(last)) != last:
        yield folder + slash + shorter


def _only(files: list[str]) -> str | None:
    return files[0] if len(files) == 1 else None
