"""What to do about each kind of finding in a data set, and about errors in opening it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tui.text.translate import N_

ADVICE: Final[Mapping[str, str]] = {
    "image.unreadable": N_(
        "Open it in an image viewer and save it again as .jpg or .png, or delete it with its label."
    ),
    "image.truncated": N_("Copy the image again from its source, or delete it with its label."),
    "image.damaged": N_("Copy the image again from its source, or delete it with its label."),
    "image.stray_bytes": N_(
        "Look at it in an image viewer: if a part is grey or shifted, copy it again from its source."
    ),
    "image.depth": N_("Nothing to do if the image above is neither too dark nor too bright."),
    "image.too_large": N_("Make it smaller in an image editor, or delete it with its label."),
    "image.no_memory": N_("Close other programs and check again, or make the image smaller."),
    "image.near_duplicate": N_(
        "Put both into the same split: frames of one video, and copies of one image, belong together."
    ),
    "image.missing": N_("Restore the image, or delete its label; training works without it."),
    "image.turned": N_("Nothing to do if the boxes are right in the image above."),
    "image.size_differs": N_("Check the image above: if its boxes are wrong, label it again at this size."),
    "image.twin": N_(
        "Keep one of the two: in both training and validation, it makes the result look better than it is."
    ),
    "image.background": N_("Nothing to do if these images contain no objects; otherwise label them."),
    "image.unlabelled": N_("Nothing to do if the images contain no objects; otherwise label them."),
    "class.empty": N_("Label some objects of this class, or remove its name from the classes file."),
    "class.few": N_("Label more images that show it. Training works without, but may learn it badly."),
    "class.rare": N_("More images that show it would help. Training works without."),
    "class.absent": N_(
        "Move some images that show these classes into this split, or let the split be drawn at random."
    ),
    "class.imbalance": N_("More images that show the smaller class would help. Training works without."),
    "class.unnamed": N_("F6 names the classes, from a file or one by one."),
    "class.unknown": N_("F6 assigns each name in the labels to a name in the classes file."),
    "class.beside": N_("F6 takes the names from that file, or keeps them as they are."),
    "split.no_validation": N_(
        "List some images for validation, or delete the lists: the split is then drawn at random."
    ),
    "split.no_boxes": N_("Label its images, or let the split be drawn at random."),
    "split.missing": N_("Correct the path in data.yaml, or move the folder there."),
    "split.twice": N_("Nothing to do; remove it from one of the lists to decide the split yourself."),
    "label.tiny": N_("A larger input_shape (screen Tune) finds more of them, and needs more memory."),
    "label.extreme_aspect": N_("Nothing to do if the objects really are so long; the network will find few of them."),
    "label.overlap": N_("Delete one of the two boxes in your labelling tool if they are around the same object."),
    "label.two_classes": N_("Delete the box with the wrong class in your labelling tool."),
    "label.not_a_number": N_("Draw these boxes again in your labelling tool; the other boxes are used."),
    "label.zero_size": N_("Draw these boxes again or delete them; the other boxes are used."),
    "label.outside_image": N_("Nothing to do if they look right in the image above; otherwise draw them again."),
    "label.duplicate": N_("Nothing to do: each box is used once."),
    "label.outside_dataset": N_(
        "Move the images into the folder of the data set, or choose a folder that contains both."
    ),
    "label.unreadable": N_("Save this file again in your labelling tool, or delete it."),
    "label.class_out_of_range": N_(
        "Correct the class numbers, or add the missing names to data.yaml or the classes file."
    ),
    "label.difficult": N_("Nothing to do: difficult objects would help little."),
    "label.missing": N_("Remove the name from the list, or add its label."),
    "label.unsafe_xml": N_("Save this file again in your labelling tool: entities in XML can be an attack."),
    "label.no_class": N_("Give the object a class in your labelling tool; the other objects are used."),
    "label.crowd": N_("Nothing to do: a box around a crowd does not help to find single objects."),
    "label.no_image": N_(
        "Write the file again with the program that made it: images that these labels name are not in its list."
    ),
    "label.class_ambiguous": N_("Give each category an id of its own; the other labels are used."),
    "label.other_kind": N_(
        "Nothing to do if another file has the boxes of these images; otherwise export them for detection."
    ),
    "label.no_annotations": N_("Nothing to do if these images contain no objects; otherwise label them."),
    "label.from_polygon": N_("Nothing to do if the boxes in the image above look right."),
    "label.id_as_text": N_("Nothing to do."),
    "label.fractions": N_("Nothing to do if the boxes in the image above look right."),
    "label.corners": N_(
        "Look at the image above: if the boxes are too large, write the file again with x, y, width and height."
    ),
    "label.no_area": N_("Nothing to do if points and lines are no objects to find; otherwise draw rectangles."),
    "label.part": N_(
        "Nothing to do if they are parts of one object; otherwise give them different groups in your labelling tool."
    ),
    "image.ambiguous": N_("Give the images different names, or write their folders into the labels."),
    "image.same_id": N_("Write the file again with an id of its own for each image."),
    "image.no_id": N_("Write the file again with an id and a file_name for each image."),
    "image.several_label_files": N_(
        "Nothing to do if each file has other boxes; otherwise move the older file out of the folder."
    ),
    "dataset.other_format": N_("F7 selects the other format; to use both, convert one of them."),
    "dataset.no_boxes": N_("F6 assigns each name in the labels to a name in the classes file."),
    "dataset.mapping": N_("F6 shows the class names."),
    "dataset.classes_file": N_("F6 selects another classes file, or none."),
    "dataset.missing": N_("Complete the path, or choose the folder with F3."),
    "dataset.unrecognised": N_(
        "Choose the folder that contains both images and labels. If there are no labels, label the images first (labelImg, LabelMe, CVAT)."
    ),
    "dataset.empty": N_(
        "Correct what the reason above names, choose another folder, or read it as another format with F7."
    ),
    "dataset.too_few": N_("Label more images; a hundred are a good start."),
    "class.count": N_("Correct nc in the file, or the list of names, whichever is wrong."),
    "class.empty_line": N_(
        "Compare the names in the image above; if they are wrong, remove the empty lines from the file."
    ),
    "class.files_differ": N_(
        "Nothing to do if the names in the image above are right; otherwise F6 selects another classes file."
    ),
    "class.from_one": N_(
        "Compare the names in the image above; if they are wrong, write a first line into the classes file."
    ),
    "class.named_above": N_(
        "Nothing to do if the names in the image above are right; otherwise F6 selects another classes file."
    ),
    "class.repeated": N_("Nothing to do if they are one class; otherwise give each line a name of its own."),
    "class.similar": N_("If they are one class, F6 gives both the same name."),
    "dataset.ambiguous": N_("F7 selects the other format, if the boxes in the image above are wrong."),
    "dataset.format": N_("F7 selects a format."),
    "dataset.whole_disk": N_("Choose the folder of the data set with F3."),
    "image.elsewhere": N_("Nothing to do if the boxes in the image above are right."),
    "image.masks": N_("Nothing to do."),
    "image.not_listed": N_("Add them to a list of a split, or leave them out."),
    "image.size_wrong": N_(
        "Nothing to do if the boxes in the image above are right; otherwise label these images again."
    ),
    "image.unread_format": N_("Save them as .jpg or .png, and correct the names in the labels."),
    "image.unused": N_("Nothing to do if they need no label; otherwise label them."),
    "label.deleted": N_("Nothing to do: your labelling tool marks them as deleted."),
    "label.elsewhere": N_("Nothing to do if the boxes in the image above are right."),
    "label.not_fractions": N_(
        "Export the labels again as YOLO: x and width divided by the image's width, y and height by its height."
    ),
    "label.not_pixels": N_("Export the labels again in pixels."),
    "label.only_mask": N_("Export the labels again with boxes."),
    "label.other_xml": N_("Nothing to do if these files belong to another program."),
    "label.polygon": N_("Nothing to do if the boxes in the image above look right."),
    "label.pose": N_("Nothing to do if the boxes in the image above look right."),
    "label.rotated": N_("Export the labels again with upright boxes, or with the four corners of each box."),
    "label.scored": N_("Look at the boxes in the image above; label the images by hand where they are wrong."),
    "label.second": N_("Move the file that is not right out of the folder."),
    "label.shared": N_("Give the images different names if their objects differ."),
    "label.swapped": N_("Draw these boxes again in your labelling tool; the other boxes are used."),
    "label.unread_image": N_("Save the images as .jpg or .png under the same names."),
    "label.wholly_outside": N_("Draw these boxes again in your labelling tool; the other boxes are used."),
    "split.elsewhere": N_(
        "Nothing to do if the number of images above is right; otherwise correct the path in data.yaml."
    ),
    "split.empty": N_("Correct the path in data.yaml, or move the images there."),
    "split.none": N_("Add them to a list of a split, or delete the lists: the split is then drawn at random."),
    "split.other_list": N_("Nothing to do if these files are no lists of images."),
    "split.too_few": N_("Label more images, or repair those that cannot be read."),
    "split.two_places": N_(
        "Nothing to do if the number of images above is right; otherwise write the whole path into data.yaml."
    ),
    "split.unknown_key": N_("Correct the key in data.yaml: train, val or test."),
    "split.unreadable": N_("Repair these images, or put others into this split."),
    "text.encoding": N_("Nothing to do if the class names are right; otherwise save these files as UTF-8."),
    "yaml.backslash": N_("Write / instead of the backslash."),
    "yaml.repeated_key": N_("Remove the line that is not right."),
    "yaml.several": N_(
        "Nothing to do if the classes and images are right; otherwise choose the other file in the field above."
    ),
}
"""By the code of the message; in English, marked for translation."""
