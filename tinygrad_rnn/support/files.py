"""Files are written whole or not at all, and JSON is strict."""

from __future__ import annotations

import errno
import glob
import json
import math
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import ArgumentError, DataError
from .checks import in_short
from .locks import lock, unlock

try:
    import fcntl
except ImportError:  # Windows has no such locks: there, what a killed process leaves behind stays
    fcntl = None  # type: ignore[assignment]

_PIECE = 2**20
_UNFINISHED = ".unfinished"
_LONGEST_NAME = 200  # bytes of the target's name in that of its temporary file; most file systems allow 255 in all
_REASONS = {
    errno.EACCES: "permission denied",
    errno.ENOENT: "there is no such folder",
    errno.ENOTDIR: "there is no such folder",
    errno.ENAMETOOLONG: "its name is too long",
    errno.EISDIR: "it is a folder",
    errno.ENOSPC: "there is no space left",
    errno.EFBIG: "it would be larger than a file may be",
}
_PEEK = os.O_WRONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)


def file_name(path: str | bytes | os.PathLike[Any]) -> str:
    """Return the path of a file as text.

    Raises:
        ArgumentError: it is not a path, or no file can have it.
    """
    try:
        name = os.fsdecode(path)
        if b"\0" not in os.fsencode(name):
            return name
    except (TypeError, UnicodeError):
        pass
    raise ArgumentError(
        f"{in_short(path)} is not the name of a file",
        remedy="Give a str or a Path, without NUL or half a surrogate pair",
    )


def write_whole(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write a file so that a reader, or an interruption, finds the old content or the new, never a part.

    The content goes to a temporary file beside the target, which then takes the target's place; on return, content and
    entry are on the disk. A process that is killed meanwhile leaves the temporary file there; the next one that writes
    the same target removes it. Mode, owner and group stay as they are: a file is not written if it is write-protected,
    has hard links, is mounted by itself, or has an owner or a group that the new one could not have. Anything other
    than a regular file, such as a pipe, is written to directly.

    Args:
        path: the file; a symbolic link is followed.
        content: text, written as UTF-8, or bytes.

    Raises:
        ArgumentError: no file can have this name.
        OSError: the file cannot be written.
    """
    path = file_name(path)
    data = content.encode() if isinstance(content, str) else content
    try:
        if is_special(path):
            Path(path).write_bytes(data)
        else:
            _replace(_target(path), data)
    except OSError as error:  # it names the temporary file, or none
        raise OSError(error.errno, error.strerror or str(error), path) from error


def check_writable(path: str | os.PathLike[str], *, again: bool = False, size: int = 4096) -> None:
    """Check that `write_whole` could write this file now, so that a long computation does not end in a failed write.

    Args:
        path: the file.
        again: whether it will be written more than once, which only a regular file allows.
        size: the bytes that will be written, as far as they are known; this many are written on trial.

    Raises:
        ArgumentError: no file can have this name.
        DataError: it could not; the error says why.
    """
    path = file_name(path)
    try:
        if is_special(path):
            _probe_special(path, again)
        else:
            target = _target(path)
            _check_replaceable(target)
            _remove_unfinished(target)
            with _begin(target) as file:
                try:
                    _keep_owner(file.fileno(), target)
                    missing = size  # a full disk still makes files, and writes of the last bytes what there is room for
                    while missing > 0:
                        missing -= os.write(file.fileno(), bytes(missing))
                finally:
                    if fcntl is None:
                        file.close()
                    os.unlink(file.name)
    except OSError as error:
        raise _not_writable(path, error) from error


def read_bounded(path: str | os.PathLike[str], most: int) -> bytearray:
    """Return the bytes of a file; of one that has more than ``most``, as a device without end has, some more than that.

    Raises:
        ArgumentError: no file can have this name.
        OSError: it cannot be read.
    """
    content = bytearray()
    with open(file_name(path), "rb") as file:
        while len(content) <= most and (piece := file.read(_PIECE)):
            content += piece
    return content


@contextmanager
def sole_writer(path: str | os.PathLike[str]) -> Iterator[None]:
    """Keep every other process and thread that uses this function away from a file, until the context ends.

    The file need not exist yet, and may be replaced meanwhile: what is locked is a file beside it, ``.NAME.lock``. That
    is removed at the end or, after a kill, by the next process that locks it. A device is not locked.

    Raises:
        ArgumentError: no file can have this name.
        DataError: another process or thread has locked it.
        OSError: the lock file cannot be created.
    """
    path = file_name(path)
    if is_special(path):
        yield
        return
    target = _target(path)
    name = target.parent / f"{_stem(target)}lock"
    with ExitStack() as opened:
        while True:
            file = opened.enter_context(open(name, "ab"))
            if not lock(file):
                raise DataError(
                    f"another process or thread is writing {path!r}",
                    remedy="Wait for it, or give another file",
                )
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), os.stat(name)):
                    break
            opened.close()  # before it was locked, its earlier holder removed it
        try:
            yield
        finally:
            with suppress(OSError):  # Windows does not remove what is open
                name.unlink()
            unlock(file)


def check_appendable(path: str | os.PathLike[str]) -> None:
    """Check that this file could be opened now to add to it. Raises: as `check_writable`."""
    path = file_name(path)
    if not os.path.exists(path):
        check_writable(path)
        return
    try:
        os.close(os.open(path, _PEEK))
    except OSError as error:
        raise _not_writable(path, error) from error


def _not_writable(path: str, error: OSError) -> DataError:
    reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
    return DataError(f"cannot write {path!r}: {reason}", remedy="Choose another place")


def same_file(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Whether two paths name the same file, or would if it existed. Raises: as `file_name`."""
    one, other = file_name(one), file_name(other)
    if is_special(one) or is_special(other):
        return False  # what is written to a device or a pipe is not lost when more follows
    return os.path.realpath(one) == os.path.realpath(other)


def is_special(path: str) -> bool:
    """Whether something is there that is neither a regular file nor a folder."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _probe_special(path: str, again: bool) -> None:
    mode = os.stat(path).st_mode
    if not stat.S_ISCHR(mode):
        if again:
            raise OSError(errno.ESPIPE, "only a regular file can be written again and again")
        if not os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return  # to open a pipe that nobody reads would wait for a reader
    descriptor = os.open(path, _PEEK)
    try:
        os.write(descriptor, b"")  # of /dev/full, this is an error already
    finally:
        os.close(descriptor)


def _target(path: str) -> Path:
    """The regular file, or none yet, to which symbolic links lead."""
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise OSError(errno.ELOOP, "its links lead in a circle")
    if target.is_dir() or not os.path.basename(path):  # "x/", where there is no x yet
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return target


def _replace(target: Path, data: bytes) -> None:
    _check_replaceable(target)
    _remove_unfinished(target)
    file = _begin(target)
    try:
        with file:
            _keep_owner(file.fileno(), target)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            if fcntl is None:
                file.close()  # Windows does not rename what is open; elsewhere it stays locked to the end
            os.replace(file.name, target)
    except BaseException:
        Path(file.name).unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _check_replaceable(target: Path) -> None:
    """Check that the user may write to the target, which a rename does not check, and that it can be replaced."""
    try:
        os.close(os.open(target, _PEEK))
    except FileNotFoundError:
        return
    except PermissionError as error:
        raise PermissionError(errno.EPERM, "it is write-protected") from error
    links = os.stat(target).st_nlink
    if links > 1:
        raise OSError(errno.EMLINK, f"it has {links} hard links, which writing it would part")
    if _is_mounted(target):
        raise OSError(errno.EBUSY, "it is mounted as a single file, which cannot be replaced")


def _is_mounted(target: Path) -> bool:
    """Whether a file is a mount point, as in containers. `os.path.ismount` only knows folders; Linux lists all."""
    try:
        mounts = Path("/proc/self/mountinfo").read_bytes().splitlines()
    except OSError:
        return False
    written = re.sub(rb"[\t\n\\ ]", lambda sign: b"\\%03o" % ord(sign[0]), os.fsencode(target))
    return any(mount.split()[4] == written for mount in mounts)


def _keep_owner(descriptor: int, target: Path) -> None:
    """Give a temporary file the owner, the group, the mode and the access lists of the target, if there is one."""
    try:
        now = os.stat(target)
    except FileNotFoundError:
        return
    made = os.fstat(descriptor)
    if (made.st_uid, made.st_gid) != (now.st_uid, now.st_gid):
        try:
            os.fchown(descriptor, now.st_uid, now.st_gid)
        except OSError as error:
            what = "owner" if made.st_uid != now.st_uid else "group"
            raise PermissionError(errno.EPERM, f"it has another {what}, which writing it would change") from error
    if hasattr(os, "fchmod"):
        os.fchmod(descriptor, stat.S_IMODE(now.st_mode))
    for name in _attributes(target):
        with suppress(OSError):  # one that the system sets by itself
            os.setxattr(descriptor, name, os.getxattr(target, name))


def _attributes(target: Path) -> list[str]:
    """The names of extended attributes, among them access lists."""
    try:
        return os.listxattr(target)
    except (AttributeError, OSError):  # a system, or a file system, without them
        return []


def _sync_folder(folder: Path) -> None:
    """Write the entries of a folder to the disk, so that a crash of the machine does not undo a rename."""
    with suppress(OSError):  # a folder that may not be read; Windows
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _stem(target: Path) -> str:
    """The target's name as its temporary files have it: of a very long one, a digest."""
    name = os.fsencode(target.name)
    return f".{target.name if len(name) <= _LONGEST_NAME else sha256(name).hexdigest()}."


def _begin(target: Path) -> BinaryIO:
    """A new file beside the target, open and locked. Wherever Ctrl-C falls, Python closes it, which ends the lock."""
    while True:
        name = os.path.join(target.parent, f"{_stem(target)}{secrets.token_hex(4)}{_UNFINISHED}")
        try:
            file = open(name, "xb")  # noqa: SIM115
        except FileExistsError:
            continue
        if fcntl is not None:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)
        if os.path.exists(name):
            return file
        file.close()  # before it was locked, someone took it for left behind


def _remove_unfinished(target: Path) -> None:
    """Remove the temporary files of processes that were killed while they wrote the target: those without a lock."""
    if fcntl is None:
        return
    for left in target.parent.glob(f"{glob.escape(_stem(target))}????????{_UNFINISHED}"):
        with suppress(OSError), open(left, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink()


def json_text(data: object) -> str:
    """Data as JSON; numbers that JSON lacks become the strings ``"inf"``, ``"-inf"`` and ``"nan"``."""
    return json.dumps(_strict(data), indent=2, ensure_ascii=True, allow_nan=False)


def _strict(data: object) -> object:
    if isinstance(data, float) and not math.isfinite(data):
        return str(data)
    if isinstance(data, dict):
        return {key: _strict(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_strict(value) for value in data]
    return data
