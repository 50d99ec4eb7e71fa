"""YAML as nodes, whose scalars are as they are written, and with the paths of Windows that YAML refuses."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from engine.dataset.splits import split_in_name
from engine.messages import BadInput, bad_input, phrase

_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_MAX_CHARACTERS = 16 * 2**20
_MAX_DEPTH = 20
_QUOTED = re.compile(r'"[^"\n]*"')
_ESCAPES = re.compile(r"(?:[^\\]|\\(?:\\|\"|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|x[0-9A-Fa-f]{2}))*")
"""A quoted text whose backslashes are escapes that programs write."""
_TAB = re.compile(r" *\t")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def parse_yaml(text: str, path: Path) -> tuple[yaml.MappingNode, tuple[int, ...]]:
    """The top level of a YAML text, and the lines whose backslashes had to be replaced for that.

    Args:
        text: the content of `path`.
        path: for messages.

    Raises:
        BadInput: it is no valid YAML, no mapping, too large or too deep.
    """
    if len(text) > _MAX_CHARACTERS:
        raise bad_input("dataset.yaml", "{path}: this file is too large for a data.yaml.", path=path)
    error: yaml.YAMLError | ValueError | None = None
    root: yaml.Node | None = None
    try:
        root = _compose(text)
    except (yaml.YAMLError, ValueError) as failure:
        error = failure
    if error is not None or _has_control_characters(root):
        repaired, lines = _without_backslashes(text)
        if lines:
            try:
                root, error = _compose(repaired), None
            except (yaml.YAMLError, ValueError) as failure:
                error, lines = error or failure, ()
    else:
        lines = ()
    if error is not None:
        raise _not_valid(path, text, error) from error
    if not isinstance(root, yaml.MappingNode):
        raise bad_input("dataset.yaml", "{path}: this file has no settings; it needs names and train.", path=path)
    return root, lines


def _not_valid(path: Path, text: str, error: yaml.YAMLError | ValueError) -> BadInput:
    if not isinstance(error, yaml.MarkedYAMLError):
        return bad_input("dataset.yaml", "{path}: this is not a valid YAML file ({reason}).", path=path, reason=error)
    mark = error.problem_mark or error.context_mark
    line = 0 if mark is None else mark.line
    is_tab = any(_TAB.match(content) for content in text.splitlines()[line : line + 1])
    return bad_input(
        "dataset.yaml",
        "{path}: line {line}: this is not valid YAML ({reason}).",
        path=path,
        line=line + 1,
        reason=phrase("it begins with a tab; YAML needs spaces") if is_tab else error.problem or error.context or "",
    )


def _compose(text: str) -> yaml.Node | None:
    """The nodes of a YAML text; aliases are not multiplied."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:  # the parser itself would recurse until the stack overflows
            raise ValueError(f"more than {_MAX_DEPTH} levels")
    return yaml.compose(text, Loader=_LOADER)


def _has_control_characters(root: yaml.Node | None) -> bool:
    """Whether a path in double quotes holds a line break or the like: its backslashes were taken for escapes."""
    if not isinstance(root, yaml.MappingNode):
        return False
    for key, value in root.value:
        if isinstance(key, yaml.ScalarNode) and (key.value == "path" or split_in_name(key.value)):
            nodes = value.value if isinstance(value, yaml.SequenceNode) else [value]
            if any(isinstance(n, yaml.ScalarNode) and n.style == '"' and _CONTROL.search(n.value) for n in nodes):
                return True
    return False


def _without_backslashes(text: str) -> tuple[str, tuple[int, ...]]:
    """The text with `/` for the backslashes of paths in double quotes, and the numbers of the changed lines."""
    changed = []
    lines = text.split("\n")
    for number, line in enumerate(lines):
        lines[number] = _QUOTED.sub(_with_slashes, line)
        if lines[number] != line:
            changed.append(number + 1)
    return "\n".join(lines), tuple(changed)


def _with_slashes(match: re.Match[str]) -> str:
    is_escaped = _ESCAPES.fullmatch(match[0]) is not None
    return match[0] if is_escaped else re.sub(r"\\+", "/", match[0])
