"""The face of freezetui: the command line and the wizard. It knows no tensor."""
