"""YOLOv4 and YOLOv4-tiny, their weights and where those come from."""

from engine.hardware import avoid_broken_amx

avoid_broken_amx()
