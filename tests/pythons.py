"""Which Pythons there are on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 10)


def interpreters() -> dict[tuple[int, int], str]:
    """One Python of every version from 3.10 on that is on the PATH or under pyenv, oldest first."""
    found: dict[tuple[int, int], str] = {sys.version_info[:2]: sys.executable}
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    on_path = [shutil.which(f"python3.{minor}") for minor in range(OLDEST[1], 30)]
    for candidate in [*root.glob("versions/3.*/bin/python3"), *filter(None, on_path)]:
        asked = subprocess.run(
            [candidate, "-c", "import sys, venv; print(*sys.version_info[:2])"],
            capture_output=True,
            text=True,
        )
        if asked.returncode == 0:
            major, minor = map(int, asked.stdout.split())
            if (major, minor) >= OLDEST:
                found.setdefault((major, minor), str(candidate))
    return dict(sorted(found.items()))
