"""The engine of freezetui: data sets, networks, training and evaluation. It knows no screen."""
