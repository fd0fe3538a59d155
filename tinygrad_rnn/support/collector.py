"""Python's cyclic garbage collector, paused while a graph grows."""

from __future__ import annotations

import gc
import io
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import ClassVar


class Paused(io.IOBase):
    """A context that is C code: ``__enter__`` is `gc.disable`, and ``__exit__`` calls ``close``, as does its end.

    So no Ctrl-C falls in between, and the collector never stays off. It must be on before.
    """

    __enter__: ClassVar[Callable[..., None]] = gc.disable  # type: ignore[assignment]
    close = gc.enable


def collector_paused() -> AbstractContextManager[object]:
    """A context in which the cyclic garbage collector is off. A graph has no cycles, and searching for some again and
    again while it grows takes as long as building it.
    """
    return Paused() if gc.isenabled() else nullcontext()
