"""`ProcessPool`: processes of this machine, as an executor that survives the death of a worker."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from functools import partial
from itertools import starmap
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.reduction import ForkingPickler
from typing import Any, ParamSpec, TypeVar
from weakref import WeakSet

from ..support.checks import whole_number
from ..support.uninterrupted import Uninterrupted

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE = 5.0  # seconds, for processes to end


class ProcessPool(Executor):
    """Processes on this machine. They ignore Ctrl-C, and end with the process that started them, even if it is killed.

    They are those of a `pebble.ProcessPool`: a run that kills its process fails alone, with
    `pebble.ProcessExpired`, and another process takes its place. If a ``with`` block is left by an exception, all
    processes are ended at once. They are spawned on every platform, so a script must create the pool below
    ``if __name__ == "__main__":``.

    Args:
        workers: number of processes.
    """

    def __init__(self, workers: int) -> None:
        import pebble

        self._pool = pebble.ProcessPool(whole_number("workers", workers), initializer=_begin, context=_Context())
        self._futures: WeakSet[Future[Any]] = WeakSet()

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Return a future of ``function(*args, **kwargs)``; cancelling it ends the process that computes it.

        Raises:
            RuntimeError: the pool is shut down, or its processes cannot even begin.
        """
        # The first call starts the processes and the threads that will replace them. All of them inherit what is
        # blocked, so that Ctrl-C does not reach a process that has not yet come to ignore it.
        if not hasattr(signal, "pthread_sigmask"):
            return self._schedule(function, args, kwargs)
        resource_tracker.ensure_running()  # else it starts in between, and unblocks what it has blocked itself
        with _Blocked():
            return self._schedule(function, args, kwargs)

    def _schedule(
        self, function: Callable[..., T], args: tuple[object, ...], kwargs: Mapping[str, object]
    ) -> Future[T]:
        future: Future[T]
        try:
            task = bytes(ForkingPickler.dumps((function, args, kwargs)))
        except Exception as error:
            future = Future()
            future.set_exception(error)
            return future
        future = self._pool.schedule(_unpacked, (task,))
        self._futures.add(future)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept no more work.

        Args:
            wait: whether to return only when everything has been done.
            cancel_futures: whether to drop the runs that have not begun, and end the processes.
        """
        if not cancel_futures:
            self._pool.close()  # type: ignore[no-untyped-call]
            if wait:
                self._pool.join()
            return
        self._pool.stop()  # type: ignore[no-untyped-call]
        for future in tuple(self._futures):
            future.cancel()
        # A Ctrl-C may have come while this thread held a lock of a future: then waiting for the pool would never end.
        # Its processes end with this one at the latest.
        ending = threading.Thread(target=self._pool.join, daemon=True)
        ending.start()
        ending.join(PATIENCE)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.shutdown(cancel_futures=kind is not None)


def _unpacked(task: bytes) -> Any:
    """Call a function in a process. It is unpacked only here, since one that the process does not find, as it was
    defined below ``if __name__ == "__main__":``, would end the process, and perhaps another in its place for ever.
    """
    function, args, kwargs = pickle.loads(task)
    return function(*args, **kwargs)


class _Blocked(Uninterrupted):
    """A context in which no Ctrl-C reaches this thread and what it starts."""

    def __init__(self) -> None:
        from _signal import pthread_sigmask  # type: ignore[import-not-found]  # C; that of `signal` is Python

        before = pthread_sigmask(signal.SIG_BLOCK, ())
        self.begin = partial(pthread_sigmask, signal.SIG_BLOCK, {signal.SIGINT})
        # It sets the mask once, and returns None: a true result would swallow exceptions.
        self.close = partial(deque[object](maxlen=0).extend, starmap(pthread_sigmask, [(signal.SIG_SETMASK, before)]))


class _Worker(SpawnProcess):
    """A process whose end is always noticed: pebble waits for ever for the run of one that ends with status 0."""

    ENDED = 256  # no status that the system knows

    @property
    def exitcode(self) -> int | None:
        status = super().exitcode
        return self.ENDED if status == 0 else status


class _Context(SpawnContext):
    Process = _Worker


def _begin() -> None:
    """End this process with the one that started it, even if that is killed. Called in every worker."""
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
