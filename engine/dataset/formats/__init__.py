"""Opening a data set, whatever its format on disk."""

from engine.dataset.formats.open_dataset import open_dataset

__all__ = ["open_dataset"]
