"""Which Pythons there are on this machine."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

OLDEST = (3, 10)


def interpreters() -> dict[tuple[int, int], str]:
    """One Python of every version from 3.10 on that is on the PATH or under pyenv, oldest first.

    None is started, since every worker of the tests looks for them: the folders' names tell the version, and a Python
    without `venv` has not all of its standard library.
    """
    found: dict[tuple[int, int], str] = {sys.version_info[:2]: sys.executable}
    for candidate in _candidates():
        library = Path(candidate).resolve().parent.parent / "lib"
        for version in re.findall(r"3\.(\d+)", f"{candidate.parent.parent.name} {candidate.name}"):
            if int(version) >= OLDEST[1] and (library / f"python3.{version}" / "venv").is_dir():
                found.setdefault((3, int(version)), str(candidate))
    return dict(sorted(found.items()))


def _candidates() -> Iterator[Path]:
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from root.glob("versions/3.*/bin/python3")
    yield from map(Path, filter(None, (shutil.which(f"python3.{minor}") for minor in range(OLDEST[1], 30))))
