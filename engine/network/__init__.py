"""The networks: the table of all of them, and their torch modules."""

from engine.hardware import avoid_broken_amx

avoid_broken_amx()  # before torch computes anything
