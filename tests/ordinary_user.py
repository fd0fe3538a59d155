"""An ordinary user, whom the system refuses what it refuses nobody else: tests may run as root."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OTHER = 65534  # "nobody", who owns no files
IS_ROOT = os.name == "posix" and os.geteuid() == 0


@contextmanager
def ordinary_user() -> Iterator[Path]:
    """Run as an ordinary user, in an empty folder of theirs. pytest's own folders are closed to others."""
    folder, before = Path(tempfile.mkdtemp()).resolve(), Path.cwd()
    try:
        if IS_ROOT:
            os.chown(folder, OTHER, OTHER)
            os.setegid(OTHER)
            os.seteuid(OTHER)
        os.chdir(folder)
        yield folder
    finally:
        if IS_ROOT:
            os.seteuid(0)
            os.setegid(0)
        os.chdir(before)
        for path in [folder, *folder.rglob("*")]:
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o700)
        shutil.rmtree(folder)


@contextmanager
def as_root() -> Iterator[None]:
    """Within `ordinary_user`, run as root once more, to prepare what belongs to somebody else."""
    os.seteuid(0)
    try:
        yield
    finally:
        os.seteuid(OTHER)
