"""What to do on the command line about a finding or an error, by its code; for the wizard see `finding_advice`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from engine.messages import Message
from tui.text.joining import join_sentences
from tui.text.translate import N_, _, translate

COMMAND_ADVICE: Final[Mapping[str, str]] = {
    "class.similar": N_("--map OLD=NEW makes two classes one."),
    "class.unnamed": N_("--classes FILE names them."),
    "dataset.ambiguous": N_("--format selects another."),
    "dataset.empty": N_("If it has another format, name it with --format."),
    "dataset.mapping": N_("Correct the name in --map."),
    "dataset.no_boxes": N_("Rename them with --map, such as --map {old}={new}."),
    "dataset.other_format": N_("--format selects another."),
    "label.not_fractions": N_("Divide x and width by the width of the image, y and height by its height."),
}
"""In English, marked for translation; the values are those of the message."""


def command_advice(message: Message) -> str:
    """The option that helps, as a sentence; "" if there is none."""
    advice = COMMAND_ADVICE.get(message.code)
    return "" if advice is None else _(advice, **message.values)


def with_command_advice(message: Message) -> str:
    """The sentence of a message, and the option that helps, if there is one."""
    return join_sentences(translate(message), command_advice(message))
