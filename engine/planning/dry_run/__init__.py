"""The first steps of both stages before a run starts, to measure memory and seconds."""
