"""One self-contained HTML file, assembled from the files in ``assets`` and the programs of the cells.

What comes from the user stays data: it travels as JSON in which no character can end the script element, and
the page's code writes it with ``textContent`` alone. A content security policy lets the page run and look as
written here, and nothing else: no network, no other script, no other style. A worker may run, from text that the page
has itself.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import html
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..compile.javascript import PRELUDE, SEQUENCE
from ..engine.value import Value
from ..errors import DrawError, MissingDependencyError
from ..support.files import file_name, write_whole
from . import colours
from .cells import CellOfPage
from .data import PageData
from .settings import Settings
from .verdict import proportions_script, verdict_script
from .widget import make_widget

#: What computes, in the page and in its worker; and what the page shows.
ENGINE = ("computation", "kept", "jacobians", "places", "applications", "split", "law", "train")
VIEWS = (
    "dom",
    "model",
    "wiring",
    "story",
    "score",
    "film",
    "graph",
    "step",
    "controls",
    "training",
    "series",
    "worker",
    "where",
    "norms",
    "notebook",
    "start",
)

#: What ends a script element or a line, what no JSON parser takes, and what turns the direction of writing for
#: all that follows.
_UNSAFE = re.compile("[<>&\u2028\u2029\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069]")

#: Comments of a script that stand on lines of their own.
_COMMENTS = re.compile(r"^ *(?://[^\n]*|/\*\*.*?\*/)\n", flags=re.MULTILINE | re.DOTALL)

#: What can be said in a notebook without a widget.
_HINT = "To set this page from Python, and to read it: pip install 'tinygrad_rnn[notebook]'."


class Page:
    """The interactive page of one computation, displayed by notebooks.

    Whatever can be set on the page can be read and set here, by the name that it has there: ``page.w``, ``page.W_f``,
    ``page.x``, ``page.T``; as an item under every name, also of a single entry: ``page["W_f[0,1]"]``, ``page["x_3"]``.
    Arrays are nested tuples, to be set as a whole. In a notebook with the extra ``notebook`` this is a widget: the page
    that is shown follows what is set here, and what is dragged there can be read here. Everywhere else the page that is
    saved or shown next begins with what was set.

    Attributes:
        title: what the page is about.
        data: what it computes with, as plain data.
        programs: its programs, as expressions of JavaScript.
    """

    title: str
    data: PageData
    programs: tuple[str, ...]

    def __init__(self, title: str, data: PageData, programs: Sequence[str], cells: Sequence[CellOfPage]) -> None:
        vars(self).update(title=title, data=data, programs=tuple(programs))
        self._settings: Settings = Settings(json.loads(encoded(data)), [cell.limits for cell in cells])
        self._parameters: list[list[Value]] = [cell.parameters for cell in cells]
        self._html: tuple[str, str] = ("", "")  # with the link that it begins with
        self._widget: Any = None

    @property
    def names(self) -> list[str]:
        """The names of all that can be set, without those of single entries and time steps."""
        return self._settings.names

    @property
    def link(self) -> str:
        """The changes to the page since it was built, as the end of a link to it: ``"#w=1.2&step=57"``.

        It can also be set.
        """
        return self._settings.link

    def __contains__(self, name: object) -> bool:
        """Whether something of this name can be set."""
        return name in self._settings

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __getitem__(self, name: str) -> Any:
        return self._settings[name]

    def __setitem__(self, name: str, value: object) -> None:
        """Set something on the page. Numbers may be those of Values.

        Raises:
            ArgumentError: it cannot have this value.
            ShapeError: an array has another shape.
            UnknownNameError: nothing on the page has this name; the error names what has.
        """
        self._settings[name] = value
        self._show()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # what notebooks, `copy` and `pickle` look for
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return self[name]

    def __setattr__(self, name: str, value: object) -> None:
        if name == "link":
            self._settings.link = str(value)
            self._show()
        elif name.startswith("_"):
            super().__setattr__(name, value)
        else:
            self[name] = value

    def __getstate__(self) -> dict[str, object]:
        """The arguments for `copy` and `pickle`: a copy is set by itself, and shows itself anew."""
        return {**vars(self), "_settings": copy.copy(self._settings), "_widget": None}

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *filter(str.isidentifier, self.names)})

    def apply(self) -> None:
        """Write the weights of every cell into its Values, also those of the read-out and the loss.

        A Value that several cells have gets the number of the cell that the page shows. A graph that was recorded
        before has been computed with the old ones: unroll the cell again.
        """
        cells = list(zip(self._parameters, self._settings.numbers))
        for parameters, numbers in [*cells, cells[self._settings.cell]]:
            for parameter, number in zip(parameters, numbers):
                parameter.data = number

    def html(self) -> str:
        """The page as one HTML document; it begins with what was set."""
        if self._html[0] != self.link:
            begin = {} if self.link == "#" else {"link": self.link}
            self._html = self.link, assemble(self.title, {**self.data, **begin}, self.programs)
        return self._html[1]

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to a file, whole or not at all.

        Raises:
            ArgumentError: no file can have this name.
            DrawError: the name does not end as that of a page, or the file cannot be written.
        """
        path = file_name(path)
        check_ending(path)
        try:
            write_whole(path, self.html())
        except OSError as error:
            raise DrawError(
                f"cannot write {path!r}: {error.strerror or error}", remedy="Choose another place"
            ) from error
        return Path(path)

    @property
    def widget(self) -> Any:
        """The page as an anywidget, made once: for ``marimo.ui.anywidget`` and the layouts of ipywidgets.

        Raises:
            MissingDependencyError: anywidget is not installed.
        """
        if self._widget is None:
            self._widget = make_widget(script("widget"), self._frame(self.html()), self.link, self._hear)
        return self._widget

    def _frame(self, page: str) -> dict[str, str]:
        """The attributes of a frame that shows a page and keeps it to itself."""
        rights = {"sandbox": "allow-scripts allow-downloads", "allow": "fullscreen; clipboard-write"}
        return {"srcdoc": page, **rights, "title": self.title, "width": "100%", "height": "900", "style": "border:0"}

    def _hear(self, link: str) -> None:
        """Take what was set on the page that is shown."""
        self._settings.link = link

    def _show(self) -> None:
        """Have the page that is shown follow."""
        if self._widget is not None:
            self._widget.show(self.link)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None, **_: object) -> dict[str, object]:
        """The page as a widget; in a frame of its own where there are no widgets, and as a line of text."""
        attributes = (f'{name}="{html.escape(text)}"' for name, text in self._frame(self.html()).items())
        frame = f"<iframe {' '.join(attributes)}></iframe>"
        bundle = {"text/plain": repr(self), "text/html": frame}
        try:
            return {**self.widget._repr_mimebundle_()[0], **bundle}
        except MissingDependencyError:
            return {**bundle, "text/html": f"{frame}<p>{html.escape(_HINT)}</p>"}

    def __repr__(self) -> str:
        return f"Page({self.title!r})"


def check_ending(path: str | os.PathLike[str]) -> None:
    """Refuse a name by which no browser would know a page.

    Raises:
        DrawError: it ends neither in .html nor in .htm.
    """
    if Path(path).suffix.lower() not in (".html", ".htm"):
        raise DrawError(f"cannot write a page as {os.fspath(path)!r}", remedy="Let its name end in .html")


def assemble(title: str, data: Mapping[str, object], programs: Sequence[str]) -> str:
    """The HTML document."""
    style = colours.style() + asset("page.css")
    own = "\n".join(f"PROGRAMS.push({program});" for program in programs)  # a later one may name an earlier one
    engine = [PRELUDE, SEQUENCE, verdict_script(), f"const PROGRAMS = [];\n{own}", *map(script, ENGINE)]
    views = [proportions_script(), *map(script, VIEWS)]
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
    """A script in ``assets``, without the comments on lines of their own: they are an eighth of it."""
    return _COMMENTS.sub("", asset(f"{name}.js"))


def _hash(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"
