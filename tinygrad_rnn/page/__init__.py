"""The interactive page: the unrolled graph, the decay of the gradient, and where it came from, in one HTML file."""

from .api import explore
from .page import Page

__all__ = ["Page", "explore"]
