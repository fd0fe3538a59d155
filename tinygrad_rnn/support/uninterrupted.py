"""Contexts that Ctrl-C cannot leave half-way."""

from __future__ import annotations

import io
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING


class Uninterrupted(io.IOBase):
    """A context that begins and ends with a call of a function in C, where no interrupt falls.

    An ``__enter__`` or ``__exit__`` in Python may be interrupted at its first instruction, whatever is written in it.
    Here a ``with`` statement finds ``begin`` instead of the one, and that of `io.IOBase` instead of the other. It is C
    code, calls ``close``, and passes an exception on if the result is false. So does the end of the object.

    Attributes:
        begin: a function in C without arguments.
        close: another, which undoes it. It is called once more than needed.
    """

    begin: Callable[[], object]
    close: Callable[[], object]  # type: ignore[assignment]

    if TYPE_CHECKING:

        def __enter__(self) -> object: ...  # type: ignore[override]

    else:
        __enter__ = property(attrgetter("begin"))
