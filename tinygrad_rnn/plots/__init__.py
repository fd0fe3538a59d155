"""Plots: everything that needs matplotlib, one function per figure. Graphs are drawn in `pictures`.

    from tinygrad_rnn.plots.decay import decay_figure
    from tinygrad_rnn.plots.saving import save

A function draws what another room has measured, and returns a `matplotlib.figure.Figure`, which notebooks display and
`save` writes. matplotlib is imported when the first figure is made.

1. `saving`: create and save a figure (`figure` is the class that notebooks display).
2. `axes`: what the figures share: colours, and the logarithmic axis.

The figures can be read one by one: `decay` (several ‖W‖, several cells), `jacobians` (their products), `anatomy` (where
a gradient came from, and what truncation keeps), `straight` (the straight path), `training` (a history), and `sweep`
(many runs).
"""
