"""`python -m tui` is `freezetui`."""

from tui.app import main

main()
