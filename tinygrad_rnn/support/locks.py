"""A lock on an open file, which ends with the process that holds it, however that ends."""

from __future__ import annotations

import errno
import os
import sys
from typing import IO, Any
from weakref import WeakSet

if sys.platform == "win32":
    import msvcrt

    LOCKED = 2**31 - 2  # the byte that is locked: as far behind all content as possible, since nobody else can read it

    def _try(file: int) -> None:
        os.lseek(file, LOCKED, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

    def _end(file: int) -> None:
        os.lseek(file, LOCKED, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    # Not lockf: such a lock is of the whole process, so a second thread has it too, and it is gone once anything
    # else in the process has opened and closed the file.
    def _try(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _end(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)


_locked: WeakSet[IO[Any]] = WeakSet()


def lock(file: IO[Any]) -> bool:
    """Lock an open file against every other lock on it, in this process or another, until `unlock` or the end of
    the process.

    Returns:
        whether it is locked now; also True on a file system that has no locks.
    """
    try:
        _try(file.fileno())
    except OSError as error:
        return error.errno not in (errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK)
    _locked.add(file)
    return True


def unlock(file: IO[Any]) -> None:
    """End the lock, as closing the file may not: a process that is just being started shares it for a moment."""
    if file in _locked:
        _locked.discard(file)
        _end(file.fileno())


def _let_go() -> None:
    """In a forked process: it shares the lock, and would hold it for as long as it lives."""
    for file in tuple(_locked):
        file.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
