"""One run of a program at a time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ..errors import CompileError


class OneAtATime:
    """A lock for a ``with`` statement. Other threads wait for their turn; the thread that holds it must not.

    A ``with`` statement finds the methods of the lock inside, which are C code, where no Ctrl-C falls.

    Raises:
        CompileError: this thread holds it already, as in a signal handler: it would wait for itself, without end.
    """

    def __init__(self) -> None:
        self._lock: object = threading.RLock()

    if TYPE_CHECKING:

        def __enter__(self) -> object: ...
        def __exit__(self, *_: object) -> None: ...

    else:

        @property
        def __enter__(self) -> object:
            if self._lock._is_owned():  # as `threading.Condition` asks it
                raise CompileError(
                    "a compiled program was used while this thread runs it, as by a signal handler",
                    remedy="Note in the handler what is to be done, and do it after the run; or give it a program",
                )
            return self._lock.__enter__

        @property
        def __exit__(self) -> object:
            return self._lock.__exit__
