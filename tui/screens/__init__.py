"""The screens, one a file. `tui.app` knows them by the names of their places."""
