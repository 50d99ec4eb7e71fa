"""Opening a data set, whatever its format on disk."""

from engine.dataset.formats.opening import open_dataset

__all__ = ["open_dataset"]
