"""`Drawing`: a picture that can be read, saved and shown."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import re
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import graphviz

from ..engine.arithmetic import number
from ..errors import ArgumentError, DrawError, TinygradRNNError
from ..support.files import file_name, write_whole
from . import animation, convert, dot, engine, mermaid, places, plain, svg, tikz
from .geometry import Picture, Text

#: The formats, by the suffix of a file.
SUFFIXES = {
    ".svg": "svg",
    ".png": "png",
    ".pdf": "pdf",
    ".gif": "gif",
    ".tex": "tex",
    ".tikz": "tikz",
    ".mmd": "mmd",
    ".txt": "txt",
    ".dot": "dot",
    ".gv": "dot",
}
WIDEST_PNG = 16000  # pixels; beyond it engines shrink a picture until it cannot be read, or run out of memory
GIF_SCALE = 4 / 3  # pixels per point: 1920 × 1080 of them for a slide


class Drawing:
    """A picture of a graph, displayed by notebooks.

    `save` writes it in the format of the file's suffix. `render`, `pipe` and `view` have the arguments of the package
    `graphviz` and do what they do there. Only Graphviz itself is called in our own way: with a time limit, and with an
    embedded ``dot`` where there is none on the PATH.

    Attributes:
        dot: the DOT text as an object of the package `graphviz`.
        picture: what is drawn, as geometry.
        time_limit: how long Graphviz may take, in seconds.
        animate: whether the SVG plays.
    """

    def __init__(
        self,
        picture: Picture,
        *,
        graph: str = "layout=nop2",
        format: str = "svg",
        time_limit: float = 60.0,
        description: str = "graph",
        animate: bool = False,
    ) -> None:
        self._graph = graph
        self.dot = graphviz.Source(dot.write(picture, graph), format=_known(format, "format"))
        self.picture = picture
        self.time_limit = time_limit
        self.animate = animate
        self._description = description
        self._svg: str | None = None
        if animate:
            _ = self._film  # raises if there is nothing that moves

    @property
    def source(self) -> str:
        """The DOT text: the same bytes for the same graph."""
        return str(self.dot.source)

    @property
    def format(self) -> str:
        """The format of `render` and `pipe`, where they are not given one."""
        return str(self.dot.format)

    @format.setter
    def format(self, format: str) -> None:
        self.dot.format = _known(format, "format")

    def svg(self) -> str:
        """The picture as SVG. Its ids begin with a prefix of their own, so that several fit into one page.

        Graphviz draws it. Where there is no Graphviz, and for an animation, we do.

        Raises:
            DrawError: Graphviz failed, or took too long; or it is missing, and only it could find the places.
        """
        if self._svg is None:
            if self.animate:
                self._svg = self._film.svg()
            elif self.picture.width and not engine.programs():
                self._svg = svg.write(self.picture)
            else:
                drawn = engine.run(self.source, "svg", self.time_limit).decode()
                prefix = "g" + hashlib.sha256(self.source.encode()).hexdigest()[:8]
                self._svg = described(re.sub(r'(<[a-z]+ id=")', rf"\g<1>{prefix}-", drawn), self.picture, prefix)
        return self._svg

    @property
    def text(self) -> str:
        """The picture as text, for a terminal."""
        return plain.write(self.picture)

    @cached_property
    def _placed(self) -> Picture:
        """The picture with a place for everything in it."""
        return self.picture if self.picture.width else places.placed(self.picture, self.source, self.time_limit)

    @cached_property
    def _film(self) -> animation.Film:
        return animation.film(self._placed)

    def add(self, text: Text) -> None:
        """Write a line of text into the picture."""
        self.picture.texts.append(text)
        self.dot = graphviz.Source(dot.write(self.picture, self._graph), format=self.format)
        self._svg = None
        for cached in ("_placed", "_film"):
            self.__dict__.pop(cached, None)

    def png(self, dpi: float = 96.0) -> bytes:
        """The picture as PNG.

        Args:
            dpi: pixels per inch.

        Raises:
            ArgumentError: dpi is not a number above 0.
            DrawError: it would be too wide to be read; or Graphviz failed, or took too long.
            MissingDependencyError: there is neither Graphviz nor vl-convert.
        """
        dpi = number(dpi, "dpi")
        if not 0.0 < dpi < math.inf:
            raise ArgumentError(f"dpi is {dpi!r}", remedy="Give a number of pixels per inch above 0")
        widest = WIDEST_PNG * 72.0 / dpi
        if max(self.picture.width, self.picture.height) > widest:
            width, height = (round(side * dpi / 72.0) for side in (self.picture.width, self.picture.height))
            raise DrawError(
                f"a PNG of {width:,} × {height:,} pixels could not be read",
                remedy="Save it as .svg, or draw less of it (detail='states', max_steps=20)",
            )
        if self.picture.width and not engine.programs():
            return convert.png(svg.write(self.picture), dpi / 72.0)
        source = self.source.replace("graph [", f"graph [dpi={dpi:g} ", 1)
        return engine.run(source, "png", self.time_limit)

    def save(self, path: str | os.PathLike[str], directory: str | os.PathLike[str] | None = None) -> Path:
        """Write the picture to a file, as its suffix says (`SUFFIXES`), whole or not at all.

        ``.tex`` is a document for pdflatex, ``.tikz`` its picture alone, for ``\\input``; ``.mmd`` is Mermaid, which
        GitHub draws; ``.gif`` plays, as does an ``.svg`` of a drawing that is animated.

        Args:
            path: the file.
            directory: the folder that ``path`` is relative to; it is made if there is none.

        Raises:
            ArgumentError: no file can have this name.
            DrawError: the suffix is unknown, the file cannot be written, or Graphviz failed; or the picture is larger
                than TikZ or Mermaid draw, or has nothing that moves.
            MissingDependencyError: the format needs a package that is not installed.
        """
        target = Path(file_name(directory or ""), file_name(path))
        if target.suffix.lower() not in SUFFIXES:
            raise DrawError(f"unknown kind of picture {target.name!r}", remedy=f"Known suffixes: {', '.join(SUFFIXES)}")
        return self._write(target, SUFFIXES[target.suffix.lower()], make_folder=directory is not None)

    def _write(self, target: Path, format: str, make_folder: bool) -> Path:
        content = self.pipe(format)
        assert isinstance(content, bytes)
        try:
            if make_folder:
                target.parent.mkdir(parents=True, exist_ok=True)
            write_whole(target, content)
        except OSError as error:
            reason = error.strerror or error
            raise DrawError(f"cannot write {str(target)!r}: {reason}", remedy="Choose another place") from error
        return target

    # ---- as in the package graphviz -----------------------------------------------------------------------

    def pipe(self, format: str | None = None, *, encoding: str | None = None) -> bytes | str:
        """Return the picture in a format, decoded if an encoding is given."""
        known = _known(format or self.format, "format")
        content = self._content(known)
        return content.decode(encoding) if encoding else content

    def _content(self, format: str) -> bytes:
        makers: dict[str, Callable[[], str | bytes]] = {
            "svg": self.svg,
            "png": self.png,
            "pdf": lambda: convert.pdf(svg.write(self._placed)),
            "gif": lambda: convert.gif(self._film.frames(), GIF_SCALE),
            "tex": lambda: tikz.write(self._placed),
            "tikz": lambda: tikz.write(self._placed, standalone=False),
            "mmd": lambda: mermaid.write(self.picture),
            "txt": lambda: self.text,
            "dot": lambda: self.source,
        }
        made = makers[format]()
        return made.encode() if isinstance(made, str) else made

    def render(
        self,
        filename: str | os.PathLike[str] | None = None,
        directory: str | os.PathLike[str] | None = None,
        view: bool = False,
        cleanup: bool = False,
        format: str | None = None,
        *,
        outfile: str | os.PathLike[str] | None = None,
    ) -> str:
        """Write the DOT text to a file, and the picture to another one.

        Args:
            filename: the file of the DOT text; by default ``outfile`` with the suffix .gv, or else Source.gv.
            directory: the folder that the file of the DOT text is relative to.
            view: whether to open the picture.
            cleanup: whether to delete the DOT text afterwards.
            format: a value of `SUFFIXES`; by default the suffix of ``outfile``, or else `format`.
            outfile: the file of the picture; by default the file of the DOT text, with the format appended.

        Returns:
            the file of the picture.

        Raises:
            ArgumentError: no file can have this name.
            DrawError: the format is unknown, a file cannot be written, or Graphviz failed.
        """
        folder = file_name(directory or "")
        if outfile is None:
            known = _known(format or self.format, "format")
            text = Path(folder, file_name(filename or "Source.gv"))
            target = text.parent / f"{text.name}.{known}"
        else:
            target = Path(file_name(outfile))
            known = _known(format or target.suffix[1:] or self.format, "format")
            text = Path(folder, file_name(filename or target.with_suffix(".gv")))
        self._write(target, known, make_folder=True)
        if not cleanup and text != target:
            self._write(text, "dot", make_folder=True)
        if view:
            import webbrowser

            webbrowser.open(target.resolve().as_uri())
        return str(target)

    def view(
        self,
        filename: str | os.PathLike[str] | None = None,
        directory: str | os.PathLike[str] | None = None,
        cleanup: bool = False,
    ) -> str:
        """`render` the picture, and open it."""
        return self.render(filename, directory, view=True, cleanup=cleanup)

    # ---- display ------------------------------------------------------------------------------------------

    def _repr_mimebundle_(self, include: object = None, exclude: object = None, **_: object) -> dict[str, str]:
        """SVG and text for a notebook; text alone where nothing can draw."""
        bundle = {"text/plain": repr(self)}
        with contextlib.suppress(TinygradRNNError):
            bundle["image/svg+xml"] = _as_wide_as_its_place(self.svg())
        return bundle

    def __repr__(self) -> str:
        return f"Drawing({self._description})"


def described(drawn: str, picture: Picture, prefix: str) -> str:
    """The SVG as an image with a title and a description, for those who cannot see it."""
    if not picture.title:
        return drawn
    attributes, title, description = svg.named(picture, prefix)
    drawn = drawn.replace("<svg ", f"<svg {attributes} ", 1)
    end = drawn.index(">", drawn.index("<svg ")) + 1
    return f"{drawn[:end]}\n{title}{description}{drawn[end:]}"


def _as_wide_as_its_place(svg: str) -> str:
    """The SVG as wide as the cell of a notebook that it stands in, and at most as wide as it is by itself."""
    return re.sub(
        r'width="([\d.]+)pt" height="[\d.]+pt"',
        r'width="100%" style="max-width: \1pt; height: auto"',
        svg,
        count=1,
    )


def _known(format: str, what: str) -> str:
    known = SUFFIXES.get(f".{format.lower()}")
    if known is None:
        raise DrawError(
            f"unknown {what} {format!r}", remedy=f"Known ones: {', '.join(dict.fromkeys(SUFFIXES.values()))}"
        )
    return known
