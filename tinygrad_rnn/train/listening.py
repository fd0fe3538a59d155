"""`Listening`: signals that would end the program are noted instead."""

from __future__ import annotations

import signal
import sys
import threading
from _signal import getsignal  # type: ignore[import-not-found]  # C, which `Uninterrupted` needs: those of `signal` are Python
from _signal import signal as set_handler  # pyright: ignore[reportMissingImports]
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import repeat, starmap
from types import FrameType
from typing import Any

from ..support.uninterrupted import Uninterrupted


class Listening(Uninterrupted):
    """A context in which the first of these signals is noted. A second one of the same kind does what it always does:
    Ctrl-C raises KeyboardInterrupt, others end the process.

    Only the main thread can listen for signals; in any other, nothing changes. A signal that is ignored, as SIGHUP is
    after ``nohup``, stays so, and so does one other than Ctrl-C that the program itself listens for.

    Args:
        signals: the signals to listen for.
        received: what came is added here. A list needs no lock: a signal may come while another one is being noted, in
            the same thread, which would wait for itself.
        aloud: whether the first one writes a line to stderr.
    """

    def __init__(self, signals: Sequence[signal.Signals], received: list[int], aloud: bool) -> None:
        here = threading.current_thread() is threading.main_thread()
        earlier: dict[int, Any] = {int(signum): getsignal(signum) for signum in signals if here}
        usual = {signum: handler for signum, handler in earlier.items() if _is_usual(signum, handler)}
        self.begin = partial(deque, map(set_handler, usual, repeat(_noting(received, aloud))), 0)
        # Twice each: another Ctrl-C may be raised in place of one call. The others follow at the object's end.
        restored = [(signum, handler) for signum, handler in usual.items() for _ in range(2)]
        self.close = partial(deque[Any](maxlen=0).extend, starmap(set_handler, restored))


def _is_usual(signum: int, handler: object) -> bool:
    return handler not in (signal.SIG_IGN, None) if signum == signal.SIGINT else handler == signal.SIG_DFL


def _noting(received: list[int], aloud: bool) -> Callable[[int, FrameType | None], None]:
    """The handler. It does not hold the context, which therefore ends as soon as its frame."""

    def note(signum: int, frame: FrameType | None) -> None:
        received.append(signum)
        signal.signal(signum, signal.default_int_handler if signum == signal.SIGINT else signal.SIG_DFL)
        if aloud:
            # The signal may have come in the middle of another write; the terminal may be gone, or the file closed.
            with suppress(RuntimeError, OSError, ValueError):
                print("\nStopping after this update …", file=sys.stderr, flush=True)

    return note
