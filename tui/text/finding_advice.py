"""What to do about each kind of finding in a data set, and about what stops the wizard there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tui.text.translate import N_

ADVICE: Final[Mapping[str, str]] = {
    "image.unreadable": N_("Open it in a picture viewer; save it anew as .jpg or .png, or delete it with its label."),
    "image.truncated": N_("Copy the picture again from where it came, or delete it with its label."),
    "image.missing": N_("Put the picture back, or delete its label; training goes on without it."),
    "image.turned": N_("Nothing to do, if the boxes sit right in the picture above."),
    "image.size_differs": N_("Look at the picture above: if its boxes are off, label it again at this size."),
    "image.twin": N_(
        "Keep one of the two; in both training and validation it makes the result look better than it is."
    ),
    "image.background": N_("Nothing to do, if there really is nothing to find in them; otherwise label them."),
    "image.unlabelled": N_("Nothing to do, if there is nothing to find in them; otherwise label them."),
    "class.empty": N_("Label some objects of it, or take the name out of the classes file."),
    "class.few": N_("Label more pictures that show it; it is learned all the same."),
    "class.rare": N_("More pictures that show it would help; it is learned all the same."),
    "class.unnamed": N_("F6 gives the classes names, from a file or one by one."),
    "class.unknown": N_("F6 says which name of the labels is which name of the classes file."),
    "class.beside": N_("F6 uses that file's names, or leaves them as they are."),
    "split.no_validation": N_("List some pictures for validation, or take the lists away: the split is then drawn."),
    "split.missing": N_("Correct the path in data.yaml, or put the folder there."),
    "split.twice": N_("Nothing to do; take it off one of the lists to be sure which it is."),
    "label.tiny": N_("A larger input_shape in the step Tune finds more of them, and needs more memory."),
    "label.not_a_number": N_("Draw these boxes again in your labelling program; the others are used."),
    "label.zero_size": N_("Draw these boxes again or delete them; the others are used."),
    "label.outside_image": N_("Nothing to do, if they look right in the picture above; otherwise draw them again."),
    "label.duplicate": N_("Nothing to do: each is counted once."),
    "label.outside_dataset": N_("Move the pictures into the data set's folder, or name the folder that holds both."),
    "label.unreadable": N_("Save this file again in your labelling program, or delete it."),
    "label.class_out_of_range": N_("Correct the numbers, or add the missing names to data.yaml or the classes file."),
    "label.difficult": N_("Nothing to do: they would teach little."),
    "label.missing": N_("Take the name off the list, or add its label."),
    "label.unsafe_xml": N_("Save this file again in your labelling program; such files can be an attack."),
    "label.no_class": N_("Give the object a class in your labelling program; the others are used."),
    "label.crowd": N_("Nothing to do: a box around a crowd teaches nothing about one object."),
    "dataset.no_boxes": N_("F6 says which name of the labels is which name of the classes file."),
    "dataset.mapping": N_("F6 shows the names that there are."),
    "dataset.classes_file": N_("F6 chooses another classes file, or none."),
    "dataset.missing": N_("Type on, or choose the folder with F3."),
    "dataset.unrecognised": N_(
        "Name the folder that holds both pictures and labels; without labels, label them first (labelImg, LabelMe, CVAT)."
    ),
    "dataset.empty": N_("Mend what the reason above names, name another folder, or let F7 read it as another format."),
    "dataset.too_few": N_("Label more pictures; a hundred are a good beginning."),
}
"""By the code of the message, in English, marked for translation."""
