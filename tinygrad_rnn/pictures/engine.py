"""The one seam to Graphviz: a ``dot`` program is found, fed and watched here and nowhere else.

A ``dot`` on the PATH comes first. Where there is none, the one embedded in the package graphviz-pure draws, which is
installed along with this package wherever it has wheels.
"""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from importlib import metadata
from pathlib import Path

from ..errors import DrawError

EMBEDDED = "graphviz-pure"


def programs() -> list[str]:
    """The ``dot`` programs of this machine, the one to prefer first."""
    return [program for program in (shutil.which("dot"), _embedded()) if program]


def run(source: str, format: str, time_limit: float) -> bytes:
    """The picture that Graphviz makes of a DOT text.

    Args:
        source: the DOT text.
        format: the name of an output format of Graphviz, such as ``"svg"``.
        time_limit: in seconds.

    Raises:
        DrawError: there is no Graphviz, it failed, or it took longer.
    """
    complaint = ""
    for program in programs():
        try:
            done = subprocess.run(
                [program, f"-T{format}"], input=source.encode(), capture_output=True, timeout=time_limit, check=False
            )
        except subprocess.TimeoutExpired:
            raise DrawError(
                f"Graphviz did not finish within {time_limit:g} s",
                remedy="Draw less (draw(rnn) draws states alone), or allow more (time_limit=600)",
            ) from None
        except OSError as error:
            complaint = str(error)
            continue
        if done.returncode == 0 and done.stdout:
            return done.stdout
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        complaint = lines[-1] if lines else f"{program} ended with code {done.returncode}"
    if not complaint:
        raise DrawError(
            "there is no Graphviz to draw with",
            remedy="Install Graphviz from your system, so that its program dot is on the PATH; "
            f"on 64-bit Linux, macOS and Windows, pip install {EMBEDDED} will do",
        )
    raise DrawError(f"Graphviz could not draw this: {complaint[:200]}")


def _embedded() -> str | None:
    """The program that the package graphviz-pure installed, wherever that is."""
    try:
        files = metadata.distribution(EMBEDDED).files or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.stem == EMBEDDED and file.suffix in ("", ".exe"):
            path = Path(str(file.locate()))
            if path.is_file():
                return str(path.resolve())
    return shutil.which(EMBEDDED, path=sysconfig.get_path("scripts")) or shutil.which(EMBEDDED)
