"""Reading a data set from disk, whatever its format."""

from engine.dataset.formats.open_dataset import open_dataset

__all__ = ["open_dataset"]
