"""Pictures of graphs: `draw` for an unrolled RNN, `draw_dot` for any graph."""

from .api import draw, draw_dot
from .drawing import Drawing
from .graph import trace

__all__ = ["Drawing", "draw", "draw_dot", "trace"]
