"""Writes a data set in Pascal VOC, YOLO or COCO form; one module per format."""
