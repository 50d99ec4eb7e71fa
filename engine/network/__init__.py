"""YOLOv4 and YOLOv4-tiny, their weights and where those come from."""
