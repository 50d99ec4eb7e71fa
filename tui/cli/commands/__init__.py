"""One file for each command. Each imports the engine when it runs, not before."""
