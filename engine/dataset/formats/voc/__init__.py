"""Pascal VOC: an XML file for each image, lists of names for the splits."""

from engine.dataset.formats.voc.reader import read_voc

__all__ = ["read_voc"]
