"""`Drawing`: a picture that can be read, saved and shown."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import graphviz

from ..errors import DrawError, TinygradRNNError
from ..support.files import write_whole
from . import dot, engine
from .geometry import Picture, Text

SUFFIXES = {".svg": "svg", ".png": "png", ".dot": "dot", ".gv": "dot"}
WIDEST_PNG = 16000  # pixels; beyond it engines shrink a picture until it cannot be read, or run out of memory
_SHOWN_AS_TEXT = 400


class Drawing(graphviz.Source):  # type: ignore[misc]  # the package graphviz has no types
    """A picture of a graph, displayed by notebooks, and otherwise used as any object of the package `graphviz`.

    What that package does through a ``dot`` on the PATH goes through our own seam to Graphviz instead, which
    has a time limit and an embedded ``dot`` to fall back on.

    Attributes:
        source: the DOT text: the same bytes for the same graph.
        format: the format of `render`, where its file name does not say.
        picture: what is drawn, as geometry.
        time_limit: how long Graphviz may take, in seconds.
    """

    def __init__(
        self,
        source: str,
        picture: Picture,
        *,
        format: str = "svg",
        time_limit: float = 60.0,
        size: tuple[float, float] | None = None,
        narrower: Callable[[float], Drawing] | None = None,
        description: str = "graph",
    ) -> None:
        super().__init__(source, format=_known(format, "format"))
        self.picture = picture
        self.time_limit = time_limit
        self._size = size
        self._narrower = narrower
        self._description = description
        self._svg: str | None = None

    def svg(self) -> str:
        """The picture as SVG. Its ids begin with a prefix of their own, so that several fit into one page.

        Raises:
            DrawError: Graphviz failed, or took too long.
        """
        if self._svg is None:
            svg = engine.run(self.source, "svg", self.time_limit).decode()
            prefix = "g" + hashlib.sha256(self.source.encode()).hexdigest()[:8]
            self._svg = re.sub(r'(<[a-z]+ id=")', rf"\g<1>{prefix}-", svg)
        return self._svg

    def add(self, text: Text) -> None:
        """Write a line of text into the picture."""
        self.picture.texts.append(text)
        self._source = dot.write(self.picture)
        self._svg = None

    def png(self, dpi: float = 96.0) -> bytes:
        """The picture as PNG.

        Args:
            dpi: pixels per inch.

        Raises:
            DrawError: it would be too wide to be read; or Graphviz failed, or took too long.
        """
        drawing = self
        if self._size is not None:
            widest = WIDEST_PNG * 72.0 / dpi
            if self._size[0] > widest and self._narrower is not None:
                drawing = self._narrower(widest)
            if drawing._size is not None and max(drawing._size) > widest:
                raise DrawError(
                    f"a PNG of {drawing._size[0] * dpi / 72:,.0f} × {drawing._size[1] * dpi / 72:,.0f} pixels"
                    " could not be read",
                    remedy="Save it as .svg, draw fewer steps (max_steps=20), or use view='folded'",
                )
        source = drawing.source.replace("graph [", f"graph [dpi={dpi:g} ", 1)
        return engine.run(source, "png", self.time_limit)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture to a file, as its suffix says: .svg, .png or .dot. The file is written whole or not at all.

        Raises:
            DrawError: the suffix is unknown, the file cannot be written, or Graphviz failed.
        """
        target = Path(path)
        if target.suffix.lower() not in SUFFIXES:
            raise DrawError(f"unknown kind of picture {target.name!r}", remedy=f"Known suffixes: {', '.join(SUFFIXES)}")
        content = self.pipe(SUFFIXES[target.suffix.lower()])
        try:
            write_whole(target, content)
        except OSError as error:
            reason = error.strerror or error
            raise DrawError(f"cannot write {str(target)!r}: {reason}", remedy="Choose another place") from error
        return target

    # ---- as graphviz.Digraph ------------------------------------------------------------------------------

    def pipe(self, format: str | None = None) -> bytes:
        """The picture in a format."""
        known = _known(format or self.format, "format")
        return self.png() if known == "png" else self.svg().encode() if known == "svg" else self.source.encode()

    def render(
        self, filename: str | os.PathLike[str] = "graph", format: str | None = None, view: bool = False, **_: Any
    ) -> str:
        """Write ``filename.format`` and return its name; ``view`` opens it."""
        known = _known(format or self.format, "format")
        target = self.save(f"{os.fspath(filename)}.{known}")
        if view:
            import webbrowser

            webbrowser.open(target.resolve().as_uri())
        return str(target)

    def view(self, filename: str | os.PathLike[str] = "graph") -> str:
        """Write the picture and open it."""
        return self.render(filename, view=True)

    # ---- display ------------------------------------------------------------------------------------------

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> dict[str, str]:
        """SVG and text for a notebook; text alone where nothing can draw."""
        bundle = {"text/plain": repr(self)}
        with contextlib.suppress(TinygradRNNError):
            bundle["image/svg+xml"] = self.svg()
        return bundle

    def __repr__(self) -> str:
        return f"Drawing({self._description})"


def _known(format: str, what: str) -> str:
    known = SUFFIXES.get(f".{format.lower()}")
    if known is None:
        raise DrawError(f"unknown {what} {format!r}", remedy="Known ones: svg, png, dot")
    return known
