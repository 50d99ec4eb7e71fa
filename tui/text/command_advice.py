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
    "disk.read_only": N_("Choose another --workspace."),
    "label.not_fractions": N_("Divide x and width by the width of the image, y and height by its height."),
    "resume.data_changed": N_("--accept-changes trains on with what is there now."),
    "resume.data_missing": N_("If it was moved, resume with: freezetui resume {run} --data FOLDER"),
    "resume.device": N_(
        "freezetui probe shows why. The new run: freezetui train --data FOLDER --set model_path={weights}"
    ),
    "resume.finished": N_("The option for it: --set unfreeze_epoch={more}"),
    "train.rehearsal_batch_size": N_("--on-oom retry lowers it automatically."),
}
"""In English, marked for translation; the values are those of the message."""


def command_advice(message: Message) -> str:
    """The option that helps, as a sentence; "" if there is none."""
    advice = COMMAND_ADVICE.get(message.code)
    return "" if advice is None else _(advice, **message.values)


def with_command_advice(message: Message) -> str:
    """The sentence of a message, and the option that helps, if there is one."""
    return join_sentences(translate(message), command_advice(message))
