"""Plots to write: the type of an option that names one, and a check that matplotlib is there."""

from __future__ import annotations

from ..plots.saving import FORMATS, require_matplotlib
from .options import file_ending_in

#: The type of an option that takes the name of a plot to write.
plot_file = file_ending_in(*FORMATS)


def check_plotting(*paths: str | None) -> None:
    """Check that matplotlib is installed, if any of these files is a plot.

    Raises:
        MissingDependencyError: it is not.
    """
    if any(path and path.lower().endswith(FORMATS) for path in paths):
        require_matplotlib()
