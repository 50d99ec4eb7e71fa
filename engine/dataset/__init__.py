"""From a folder of labelled images to batches of pixels and boxes."""
