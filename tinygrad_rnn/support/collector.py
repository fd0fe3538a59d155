"""Python's cyclic garbage collector, paused while a graph grows."""

from __future__ import annotations

import gc
from contextlib import AbstractContextManager, nullcontext

from .uninterrupted import Uninterrupted


class Paused(Uninterrupted):
    """A context in which the cyclic garbage collector is off. It must be on before."""

    begin, close = gc.disable, gc.enable


def collector_paused() -> AbstractContextManager[object]:
    """A context in which the cyclic garbage collector is off. A graph has no cycles, and searching for some again and
    again while it grows takes as long as building it.
    """
    return Paused() if gc.isenabled() else nullcontext()
