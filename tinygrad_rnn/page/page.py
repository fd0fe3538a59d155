"""One self-contained HTML file, assembled from the files in ``assets`` and the programs of the cells.

What comes from the user stays data: it travels as JSON in which no character can end the script element, and
the page's code writes it with ``textContent`` alone. A content security policy lets the page run and look as
written here, and nothing else: no network, no other script, no other style. A worker may run, from text that the page
has itself.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..compile.javascript import PRELUDE, SEQUENCE
from ..errors import DrawError
from ..support.files import write_whole
from . import colours
from .verdict import verdict_script

#: What computes, in the page and in its worker; and what the page shows.
ENGINE = ("computation", "kept", "jacobians", "applications", "split", "law", "train")
VIEWS = (
    "dom",
    "model",
    "story",
    "score",
    "film",
    "step",
    "controls",
    "training",
    "series",
    "worker",
    "where",
    "norms",
    "start",
)

#: What ends a script element or a line, what no JSON parser takes, and what turns the direction of writing for
#: all that follows.
_UNSAFE = re.compile("[<>&\u2028\u2029\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Page:
    """The interactive page of one computation, displayed by notebooks.

    Attributes:
        title: what the page is about.
        data: what it computes with, as plain data.
        programs: its programs, as expressions of JavaScript.
    """

    def __init__(self, title: str, data: dict[str, Any], programs: Sequence[str]) -> None:
        self.title, self.data, self.programs = title, data, tuple(programs)
        self._html: str | None = None

    def html(self) -> str:
        """The page as one HTML document."""
        if self._html is None:
            self._html = assemble(self.title, self.data, self.programs)
        return self._html

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to a file, whole or not at all.

        Raises:
            DrawError: the name does not end as that of a page, or the file cannot be written.
        """
        check_ending(path)
        try:
            write_whole(path, self.html())
        except OSError as error:
            raise DrawError(
                f"cannot write {os.fspath(path)!r}: {error.strerror or error}", remedy="Choose another place"
            ) from error
        return Path(path)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None, **_: object) -> dict[str, str]:
        """The page in a frame of its own, and a line of text where HTML is not shown."""
        frame = (
            f'<iframe srcdoc="{html.escape(self.html())}" sandbox="allow-scripts" title="{html.escape(self.title)}"'
            ' width="100%" height="900" style="border:0"></iframe>'
        )
        return {"text/plain": repr(self), "text/html": frame}

    def __repr__(self) -> str:
        return f"Page({self.title!r})"


def check_ending(path: str | os.PathLike[str]) -> None:
    """Refuse a name by which no browser would know a page.

    Raises:
        DrawError: it ends neither in .html nor in .htm.
    """
    if Path(path).suffix.lower() not in (".html", ".htm"):
        raise DrawError(f"cannot write a page as {os.fspath(path)!r}", remedy="Let its name end in .html")


def assemble(title: str, data: dict[str, Any], programs: Sequence[str]) -> str:
    """The HTML document."""
    style = colours.style() + asset("page.css")
    own = ",\n".join(programs)
    engine = [PRELUDE, SEQUENCE, verdict_script(), f"const PROGRAMS = [\n{own}\n];", *map(script, ENGINE)]
    views = [script(name) for name in VIEWS]
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; worker-src blob:; "
        f"style-src {_hash(style)}; script-src {' '.join(map(_hash, (*engine, *views)))}"
    )
    parts = {
        "policy": html.escape(policy),
        "title": html.escape(_UNSAFE.sub(lambda match: match[0] if match[0] in "<>&" else "\ufffd", title)),
        "style": f"<style>{style}</style>",
        "data": f'<script type="application/json" id="data">{encoded(data)}</script>',
        "scripts": "\n".join(
            [
                *(f"<script data-engine>{text}</script>" for text in engine),
                *(f"<script>{text}</script>" for text in views),
            ]
        ),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], asset("page.html"))


def encoded(data: object) -> str:
    """Data as JSON that is safe within a script element. Characters that turn the writing direction of what
    follows them are replaced; so is half a character.
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}" if match[0] in "<>&\u2028\u2029" else "\ufffd", text)


@cache
def asset(name: str) -> str:
    """The text of a file in ``assets``."""
    return (files("tinygrad_rnn.page") / "assets" / name).read_text(encoding="utf-8")


def script(name: str) -> str:
    """The text of a script in ``assets``."""
    return asset(f"{name}.js")


def _hash(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"
