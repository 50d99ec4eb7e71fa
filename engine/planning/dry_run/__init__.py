"""The first steps of both stages before a run begins: memory and seconds measured."""
