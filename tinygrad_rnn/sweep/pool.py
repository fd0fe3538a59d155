"""`ProcessPool`: processes that end when they are no longer waited for."""

from __future__ import annotations

import _thread
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any


class ProcessPool(ProcessPoolExecutor):
    """Processes on this machine, which leave Ctrl-C to this one, and end with it even if it is killed.

    If a ``with`` block is left by an exception, what they are at is interrupted, and what they have not begun is
    forgotten. They are new processes on every platform: a script must make them below ``if __name__ ==
    "__main__":``.

    Args:
        workers: how many.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        # Nothing is ever sent: the workers notice that the other end is closed, as it is, too, when its process ends.
        far_end, self._end = context.Pipe(duplex=False)
        super().__init__(self.workers, context, _begin, (far_end,))

    def restart(self) -> None:
        """After a worker died, which breaks the pool and fails all that it was given: begin anew, with new workers."""
        self.shutdown()
        self._end.close()
        self._start()

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        # Workers begin in here, and inherit what is blocked: from their first moment on, Ctrl-C does not reach them.
        if not hasattr(signal, "pthread_sigmask"):
            return super().submit(_work, function, *args, **kwargs)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return super().submit(_work, function, *args, **kwargs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._end.close()
        self.shutdown(cancel_futures=kind is not None)


# ---- in a worker ------------------------------------------------------------------------------------------------

_running = _stopped = False


def _begin(end: Connection) -> None:
    signal.signal(signal.SIGINT, _interrupt)
    threading.Thread(target=_watch, args=(end,), daemon=True).start()


def _work(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    global _running
    if _stopped:
        raise KeyboardInterrupt
    _running = True
    try:
        return function(*args, **kwargs)
    finally:
        _running = False


def _watch(end: Connection) -> None:
    global _stopped
    with suppress(EOFError, OSError):
        end.recv()
    _stopped = True
    _thread.interrupt_main()  # as if there was a SIGINT; unlike a real one, it is not blocked
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _interrupt(*_: object) -> None:
    if _running:
        raise KeyboardInterrupt
