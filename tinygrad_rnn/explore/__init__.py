"""The interactive page: the unrolled graph, the decay of the gradient, and where it came from, in one HTML file."""

import sys
from types import ModuleType

from .api import explore
from .page import Page

__all__ = ["Page", "explore"]


class _Callable(ModuleType):
    """This package, so that ``from tinygrad_rnn import explore`` gives something to call, as the name promises."""

    __call__ = staticmethod(explore)


sys.modules[__name__].__class__ = _Callable
