"""The screens, one a file. `registry` lists them by name."""
