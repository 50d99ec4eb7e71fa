"""`python -m tui` is `freezetui`."""

from tui.command_line import main

main()
