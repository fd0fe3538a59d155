"""Plots: everything that needs matplotlib. `plot` makes the figures, `figure` shows one in a notebook."""
