"""data.yaml: class names, and where the images of each split are. Every scalar stays as it is written: `no` is a class name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from engine.dataset.classes_file import REPEATED_NAMES, repeated_names
from engine.dataset.formats.parsed_labels import MAX_CLASSES, ParsedLabels
from engine.dataset.formats.reading_log import MAX_NAMES
from engine.dataset.formats.yaml_nodes import parse_yaml
from engine.dataset.splits import NAMES_OF_SPLITS, split_in_name
from engine.files import read_decoded, read_text
from engine.messages import BadInput, bad_input, join_names
from engine.text_encoding import DecodedText

YAML_SUFFIXES = (".yaml", ".yml")

_NULLS = frozenset({"", "~", "null", "Null", "NULL", "None"})
_BOOLEANS = frozenset({"true", "false", "yes", "no", "on", "off"})
_OTHER_KEYS = frozenset(
    {
        "path",
        "names",
        "nc",
        "download",
        "kpt_shape",
        "flip_idx",
        "colors",
        "backup",
        "roboflow",
        "root",
        "license",
        "author",
        "url",
    }
)
"""Keys that name no images."""
_LABEL_WORD = re.compile(r"label|annot|mask", re.IGNORECASE)
_QUICK_LOOK = re.compile(r"""\A\s*\{|^["']?(?:names|train|val)["']?\s*:""", re.MULTILINE | re.IGNORECASE)
_SETTINGS = frozenset({"names", "nc", "path", "kpt_shape"})
"""Keys with a meaning of their own, in any letter case."""
_MAX_KEYPOINTS = 1000


@dataclass(frozen=True, slots=True)
class SplitEntry:
    """One place where images are."""

    key: str
    split: str | None
    """None: the key is not known, and only its value may tell that it is for images."""
    text: str
    """A folder, a list, a pattern or an image, as it is written."""


@dataclass(frozen=True, slots=True)
class DataYaml:
    """What a data.yaml says."""

    path: Path
    names: tuple[str, ...] | None
    """The index of a name is its class id; None if the file has none."""
    class_count: int | None
    """`nc`."""
    keypoints: tuple[int, int] | None
    """`kpt_shape`: the number of keypoints, and of the values of each (2 or 3)."""
    folder: str
    """`path`; "" if there is none."""
    entries: tuple[SplitEntry, ...]
    repeated_keys: tuple[str, ...]
    repaired_lines: tuple[int, ...]
    """Lines with backslashes in double quotes, which were read as parts of a path."""
    decoded: DecodedText


def may_be_data_yaml(path: Path) -> bool:
    """Whether the text of a file has the keys of a data.yaml."""
    try:
        return _QUICK_LOOK.search(read_text(path)) is not None
    except BadInput:
        return False


def read_data_yaml(path: Path) -> DataYaml:
    """Read a data.yaml.

    Raises:
        BadInput: it cannot be read, is no YAML or has neither class names nor images.
    """
    decoded = read_decoded(path)
    root, lines = parse_yaml(decoded.text, path)
    settings: dict[str, yaml.Node] = {}
    repeated = []
    for key_node, value in root.value:
        if isinstance(key_node, yaml.ScalarNode):
            key = key_node.value.lower() if key_node.value.lower() in _SETTINGS else key_node.value
            if key in settings:
                repeated.append(key)
            settings[key] = value
    nc = _class_id(settings.get("nc"))
    names = _names(settings.get("names"), nc, path)
    entries = tuple(_entries(settings))
    if names is None and not any(entry.split for entry in entries):
        raise bad_input("dataset.yaml", "{path}: this file has no settings; it needs names and train.", path=path)
    return DataYaml(
        path,
        names,
        nc,
        _keypoints(settings.get("kpt_shape")),
        _text(settings.get("path")) or "",
        entries,
        tuple(repeated),
        lines,
        decoded,
    )


def report_data_yaml(data: DataYaml, parsed: ParsedLabels) -> None:
    """Say what is odd about a data.yaml."""
    parsed.add_encoding(data.decoded, data.path)
    names = data.names or ()
    if data.repaired_lines:
        parsed.add_finding(
            "warning",
            "yaml.backslash",
            data.path,
            "{file}: line {lines}: in double quotes YAML takes a backslash for the start of a special character; it is read as part of a "
            "path. Write / or single quotes.",
            lines=", ".join(map(str, data.repaired_lines)),
        )
    if data.repeated_keys:
        parsed.add_finding(
            "warning",
            "yaml.repeated_key",
            data.path,
            "{file}: keys that are there more than once: {names}; the last is used.",
            names=join_names(dict.fromkeys(data.repeated_keys)),
        )
    if names and data.class_count is not None and data.class_count != len(names):
        parsed.add_finding(
            "warning",
            "class.count",
            data.path,
            "{file}: nc is {stated}, but there are {count} names; the names are used.",
            stated=data.class_count,
            count=len(names),
        )
    if repeated := repeated_names(names):
        parsed.add_finding(
            "warning",
            "class.repeated",
            data.path,
            REPEATED_NAMES,
            names=join_names(repeated[:MAX_NAMES]),
        )


def _names(node: yaml.Node | None, class_count: int | None, path: Path) -> tuple[str, ...] | None:
    if node is None or (isinstance(node, yaml.ScalarNode) and not node.style and node.value in _NULLS):
        return None
    by_id: dict[int, str] | None = None
    if isinstance(node, yaml.ScalarNode):
        by_id = dict(enumerate(_words(node.value, class_count, path)))
    elif isinstance(node, yaml.SequenceNode):
        by_id = _numbered(node.value)
    elif isinstance(node, yaml.MappingNode):
        by_id = _by_id(node.value)
    if by_id is None or not all(0 <= class_id < MAX_CLASSES for class_id in by_id):
        raise bad_input(
            "dataset.yaml", "{path}: names must be a list of class names, or class ids with their names.", path=path
        )
    return tuple(by_id.get(n) or f"class {n}" for n in range(max(by_id, default=-1) + 1)) or None


def _words(text: str, class_count: int | None, path: Path) -> list[str]:
    """Class names in one text: a file of names, names in lines or between commas, or words where `nc` counts as many."""
    file = path.parent / text.strip()
    try:
        if file.suffix.lower() in (".names", ".txt") and file.is_file():
            return [line.strip() for line in read_text(file).splitlines() if line.strip()]
    except OSError:
        pass
    for separator in ("\n", ",", ";"):
        if separator in text.strip():
            return [name.strip().strip("'\"") for name in text.split(separator) if name.strip()]
    words = text.split()
    return words if len(words) == class_count else [text]


def _numbered(nodes: list[yaml.Node]) -> dict[int, str] | None:
    """Names in a list; or `0: cat` and the like, one an item."""
    names: dict[int, str] = {}
    for index, node in enumerate(nodes):
        if isinstance(node, yaml.ScalarNode):
            names[index] = node.value
        elif isinstance(node, yaml.MappingNode) and node.value:
            named = {key.value: value.value for key, value in node.value if _are_scalars(key, value)}
            class_id = index if "name" in named else _class_id(node.value[0][0])
            if class_id is None:
                return None
            names[class_id] = named.get("name") or next(iter(named.values()), "")
        else:
            return None
    return names


def _by_id(pairs: list[tuple[yaml.Node, yaml.Node]]) -> dict[int, str] | None:
    """Names by their class ids, or class ids by their names."""
    if not all(_are_scalars(key, value) for key, value in pairs):
        return None
    for turned in (False, True):
        ids = {_class_id(value if turned else key): (key if turned else value).value for key, value in pairs}
        if None not in ids and len(ids) == len(pairs):
            return {class_id: str(name) for class_id, name in ids.items() if class_id is not None}
    return None


def _are_scalars(*nodes: yaml.Node) -> bool:
    return all(isinstance(node, yaml.ScalarNode) for node in nodes)


def _class_id(node: yaml.Node | None) -> int | None:
    text = node.value if isinstance(node, yaml.ScalarNode) else ""
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


def _keypoints(node: yaml.Node | None) -> tuple[int, int] | None:
    values = [_class_id(item) for item in node.value[:3]] if isinstance(node, yaml.SequenceNode) else []
    match values:
        case [int(count), int(size)] if 0 < count <= _MAX_KEYPOINTS and size in (2, 3):
            return count, size
    return None


def _entries(settings: dict[str, yaml.Node]) -> Iterator[SplitEntry]:
    for key, node in settings.items():
        if key.lower() in _OTHER_KEYS or _LABEL_WORD.search(key):
            continue
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        if isinstance(node, yaml.MappingNode):
            nodes = [value for _key, value in node.value]
        for item in nodes:
            if (text := _text(item)) is not None and text.lower() not in _BOOLEANS:
                yield SplitEntry(key, split_in_name(key), text)


def _text(node: yaml.Node | None) -> str | None:
    """A text that is not empty."""
    text = node.value.strip() if isinstance(node, yaml.ScalarNode) else ""
    return None if text in _NULLS else text


def is_split_key(key: str) -> bool:
    """Whether a key is exactly the name of a split."""
    return any(key.lower() in names for names in NAMES_OF_SPLITS.values())
