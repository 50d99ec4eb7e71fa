"""The sentence about an option whose value is no number, or none in its range."""

from __future__ import annotations

import math

from engine.messages import BadInput, Message, bad_input, phrase


def wrong_number(option: str, text: str, *, is_whole: bool, least: float | None, largest: float | None) -> BadInput:
    """The error about `text` as the value of `option`, with the nearest valid number where `text` is a number at all.

    Args:
        option: as it is typed, such as --port.
        text: what was typed for it.
        is_whole: whether the option takes whole numbers only.
        least: the smallest number that it takes; None: any.
        largest: the largest one.
    """
    return bad_input(
        "command.number",
        "{option} {value}: {needed}{hint}",
        option=option,
        value=text,
        needed=_needed(is_whole, least, largest),
        hint=_hint(text, is_whole, least, largest),
    )


def _needed(is_whole: bool, least: float | None, largest: float | None) -> Message:
    if least is not None and largest is not None:
        if is_whole:
            return phrase("it needs a whole number from {least} to {largest}", least=least, largest=largest)
        return phrase("it needs a number from {least} to {largest}", least=least, largest=largest)
    if least is not None:
        if is_whole:
            return phrase("it needs a whole number, {least} or more", least=least)
        return phrase("it needs a number, {least} or more", least=least)
    return phrase("it needs a whole number") if is_whole else phrase("it needs a number")


def _hint(text: str, is_whole: bool, least: float | None, largest: float | None) -> Message:
    try:
        number = float(text)
    except ValueError:
        return phrase(".")
    if math.isnan(number):
        return phrase(".")
    nearest = min(max(number, -math.inf if least is None else least), math.inf if largest is None else largest)
    if math.isinf(nearest):
        return phrase(".")
    return phrase("; the nearest is {nearest}.", nearest=round(nearest) if is_whole else nearest)
