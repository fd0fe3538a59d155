"""Pictures of graphs: `draw` for an unrolled RNN, `draw_dot` for any graph."""

import sys
from types import ModuleType

from .api import draw, draw_dot
from .drawing import Drawing
from .graph import trace

__all__ = ["Drawing", "draw", "draw_dot", "trace"]


class _Callable(ModuleType):
    """This package, so that ``from tinygrad_rnn import draw`` gives something to call, as the name promises."""

    __call__ = staticmethod(draw)


sys.modules[__name__].__class__ = _Callable
