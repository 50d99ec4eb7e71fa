"""The loss: assignment of cells and anchors to boxes, box losses, and the sum of all parts."""
