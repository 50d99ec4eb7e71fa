"""From settings to a Recipe, or to one sentence for each wrong setting, with the nearest valid value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from engine.messages import BadInput, Message, gettext_noop, nearest, phrase
from engine.recipe.model import Recipe, apply_method_defaults, is_read_by
from engine.recipe.rules import Problem, broken_rules

_OTHER_WORDS: Mapping[str, str] = {
    "gpu": "cuda",
    "nvidia": "cuda",
    "metal": "mps",
    "processor": "cpu",
    "half": "fp16",
    "float16": "fp16",
    "bfloat16": "bf16",
    "float32": "fp32",
    "full": "fp32",
}
"""What other programs call a value of ours that is spelled differently."""

_UNSUITED: Mapping[str, tuple[str, ...]] = {"cpu": ("dp",), "mps": ("dp", "ddp")}
"""Values of `parallel` that a device refuses; they are not suggested for it."""


def make_recipe(
    settings: Mapping[str, Any], source: str = "--set", overrides: Mapping[str, Any] | None = None
) -> Recipe:
    """The Recipe of `settings` with `overrides` laid over them. Every Recipe is made here.

    Raises:
        BadInput: one message for every wrong setting and every broken rule. Each opens with the source of the setting:
            `source`, or `--set` for one in `overrides`. A broken rule between several settings opens with `--set` if
            `overrides` has one of them.
    """
    overrides = overrides or {}
    given = {**settings, **overrides}
    problems = list(_unread_settings(given))
    wrong: dict[str, Message] = {}
    try:
        recipe = Recipe.model_validate(apply_method_defaults(given))
    except ValidationError as error:
        wrong = _wrong_settings(error, given)
        # The rules between the other settings are checked as well, so that every mistake is reported at once.
        valid = {key: value for key, value in given.items() if key not in wrong}
        recipe = Recipe.model_validate(apply_method_defaults(valid))
    problems += [((key,), message) for key, message in wrong.items()]
    problems += broken_rules(recipe, ignoring=wrong.keys())
    if problems:
        raise BadInput(
            *(
                _with_source(message, source if overrides.keys().isdisjoint(keys) else "--set")
                for keys, message in problems
            )
        )
    return recipe


def _with_source(problem: Message, source: str) -> Message:
    return Message(problem.code, "{source}: {problem}", {"source": source, "problem": problem})


def _unread_settings(given: Mapping[str, Any]) -> Iterator[Problem]:
    method = given.get("method", "modern")
    if method not in ("modern", "tutorial"):
        return
    for key in given:
        if key in Recipe.model_fields and not is_read_by(key, method):
            message = Message(
                "recipe.unread",
                "{key}: the {method} method does not read it; leave it out, or set method={other}.",
                {"key": key, "method": method, "other": "tutorial" if method == "modern" else "modern"},
            )
            yield (key,), message


def _wrong_settings(error: ValidationError, given: Mapping[str, Any]) -> dict[str, Message]:
    """One message for each setting in `given` that pydantic refuses; not for a default derived from one."""
    wrong: dict[str, Message] = {}
    for detail in error.errors(include_url=False):
        key = str(detail["loc"][0])
        # A list that may also be a word is refused as both; what is wrong in the list says more.
        if key in given and not (detail["type"] == "literal_error" and isinstance(given[key], list | tuple)):
            wrong.setdefault(key, _message_of(key, detail, given))
    return wrong


def _message_of(key: str, detail: ErrorDetails, given: Mapping[str, Any]) -> Message:
    if detail["type"] == "extra_forbidden":
        close = nearest(key, Recipe.model_fields)
        if close is None:
            return Message("recipe.unknown_key", "{key}: there is no such setting.", {"key": key})
        return Message(
            "recipe.unknown_key",
            "{key}: there is no such setting; did you mean {nearest}?",
            {"key": key, "nearest": close},
        )
    return Message(
        "recipe.wrong_value",
        "{key}: {value} is not possible ({reason}){hint}",
        {
            "key": key,
            "value": _shortened(detail["input"]),
            "reason": _reason(key, detail),
            "hint": _hint(key, detail, given),
        },
    )


_REASONS = {
    "int_parsing": gettext_noop("it needs a whole number"),
    "int_type": gettext_noop("it needs a whole number"),
    "int_from_float": gettext_noop("it needs a whole number"),
    "float_parsing": gettext_noop("it needs a number"),
    "float_type": gettext_noop("it needs a number"),
    "bool_parsing": gettext_noop("it is true or false"),
    "bool_type": gettext_noop("it is true or false"),
    "tuple_type": gettext_noop("it needs a list, for example {example}"),
    "too_long": gettext_noop("it needs fewer values, for example {example}"),
    "missing": gettext_noop("it needs more values, for example {example}"),
    "greater_than": gettext_noop("it must be more than {gt}"),
    "greater_than_equal": gettext_noop("it must be {ge} or more"),
    "less_than": gettext_noop("it must be less than {lt}"),
    "less_than_equal": gettext_noop("it must be {le} or less"),
    "multiple_of": gettext_noop("it must be a multiple of {multiple_of}"),
    "literal_error": gettext_noop("possible are {expected}"),
    "finite_number": gettext_noop("it must be a finite number"),
    "string_type": gettext_noop("it needs a word"),
}
"""Reasons that can be translated, by pydantic's error type; for other types the reason is pydantic's own English text."""


_EXAMPLES = {"devices": "[0, 1]", "input_shape": "[416, 416]", "anchors": "[[10, 14], [23, 27], ...]"}
"""A list that the setting takes."""


def _reason(key: str, detail: ErrorDetails) -> Message | str:
    template = _REASONS.get(detail["type"])
    if template is None:
        return detail["msg"].lower()
    values = {name: _without_fraction(value) for name, value in detail.get("ctx", {}).items()}
    values["example"] = _EXAMPLES.get(key, "[1, 2]")
    if detail["type"] == "literal_error":
        values["expected"] = ", ".join(_choices(detail))
    return Message("", template, values)


def _choices(detail: ErrorDetails) -> list[str]:
    """The possible values: pydantic lists them as English text, "'a', 'b' or 'c'"."""
    expected = str(detail.get("ctx", {}).get("expected", ""))
    return [choice.strip(" '") for choice in expected.replace(" or ", ",").split(",")]


def _without_fraction(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _hint(key: str, detail: ErrorDetails, given: Mapping[str, Any]) -> Message:
    """The nearest valid value, if there is one."""
    value, bounds = detail["input"], detail.get("ctx", {})
    if detail["type"] == "multiple_of" and isinstance(value, int):
        step = int(bounds["multiple_of"])
        return phrase("; the nearest is {nearest}.", nearest=max(step, round(value / step) * step))
    for bound in ("ge", "le", "gt", "lt"):
        if bound in bounds and "batch_size" in key:
            return phrase("; the smallest is {least}, since batch norm cannot train on 1.", least=bounds[bound])
        if bound in ("ge", "le") and bound in bounds:
            return phrase("; the nearest is {nearest}.", nearest=bounds[bound])
    choices = _choices(detail) if detail["type"] == "literal_error" and isinstance(value, str) else []
    if key == "parallel":
        choices = [choice for choice in choices if choice not in _UNSUITED.get(str(given.get("device")), ())]
    close = _OTHER_WORDS.get(str(value).casefold())
    if (close := close if close in choices else nearest(str(value), choices)) is not None:
        return phrase("; did you mean {nearest}?", nearest=close)
    return phrase(".")


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
