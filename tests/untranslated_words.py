"""What a text says that no catalogue knows: in the pseudo language every translated text stands in ⟦brackets⟧."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from engine.network.registry import NETWORKS
from engine.recipe import COCO, Recipe
from engine.recipe.presets import list_presets
from engine.weights.download.registry import KNOWN

UNITS = {"GiB", "MiB", "ms", "cuda"}
CHOICES = re.findall(r'"const": "([^"]+)"|"enum": \[([^]]*)\]', json.dumps(Recipe.model_json_schema()))
NAMES = {
    *("torch", "mAP", "mAP50", "TB", "English", "sample", COCO),
    *NETWORKS,
    *Recipe.model_fields,
    *(preset.name for preset in list_presets()),
    *KNOWN,
    *(f"F{number}" for number in range(1, 13)),
    *re.findall(r"[\w-]+", " ".join(" ".join(found) for found in CHOICES)),
}
"""Words that are the same in every language."""

_IN_BRACKETS = re.compile("⟦[^⟦⟧]*⟧")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*[A-Za-z0-9]")


def outside_brackets(text: str) -> str:
    """The text without what stands in brackets, which may stand in each other."""
    while (rest := _IN_BRACKETS.sub(" ", text)) != text:
        text = rest
    return text


def untranslated_words(text: str, *, data: Iterable[str | Path] = ()) -> list[str]:
    """Words of `text` outside of brackets. `data`: texts of the user that it may contain."""
    for known in map(str, data):
        text = text.replace(known, " ")
    return [word for word in _WORD.findall(outside_brackets(text)) if word not in UNITS | NAMES]
