"""A picture written as TikZ. Its nodes have the ids of the picture, ``h_3``, so that authors can draw on top of it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import chain

from ..errors import DrawError
from ..support.colours import FRAME, FRAME_LINE
from .geometry import Box, Curve, Frame, Line, Picture, Text

MOST_NODES = 500  # TeX needs seconds for so many

_PREAMBLE = r"""\documentclass[tikz,border=0pt]{standalone}
\usepackage[T1]{fontenc}
\usepackage[scaled]{helvet}
\usepackage{amsmath}
\renewcommand{\familydefault}{\sfdefault}
"""
_SIGNS = {
    "−": "-", "×": r"\times ", "·": r"\cdot ", "∂": r"\partial ", "∏": r"\prod ", "Π": r"\Pi ", "‖": r"\|", "′": "'",
    "≤": r"\leq ", "≥": r"\geq ", "≈": r"\approx ", "→": r"\rightarrow ", "∞": r"\infty ", "σ": r"\sigma ",
    "…": r"\dots ", "⋯": r"\cdots ", "|": "|", "∇": r"\nabla ", "λ": r"\lambda ", "Σ": r"\Sigma ", "⊙": r"\odot ",
}  # fmt: skip
_ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "“": "``", "”": "''", "’": "'", "–": "--", "—": "---",
}  # fmt: skip
_LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₖₜₙᵢⱼ", "0123456789+-()ktnij"))
_RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿᵏ", "0123456789+-()nk"))


def write(picture: Picture, standalone: bool = True) -> str:
    """The TikZ of a picture.

    Args:
        picture: what to write; all of it has a place.
        standalone: whether to write a whole document, for ``pdflatex``; otherwise the ``tikzpicture`` alone, for
            ``\\input`` in a document that loads ``tikz`` and ``amsmath``.

    Raises:
        DrawError: it has too many nodes for TeX.
    """
    count = sum(1 for _ in picture.every_box())
    if count > MOST_NODES:
        raise DrawError(
            f"{count:,} nodes are too many for TikZ, which takes {MOST_NODES}",
            remedy="Draw fewer time steps (max_steps, only), or less of each (detail='states'); or save it as .pdf",
        )
    colours = _Colours()
    body = [*_body(picture, colours)]
    lines = [
        r"\begin{tikzpicture}[x=1pt, y=1pt, inner sep=0pt, outer sep=0pt, line cap=butt, >=latex]",
        *colours.definitions(),
        rf"\useasboundingbox (0,0) rectangle ({picture.width:g},{picture.height:g});",
        *body,
        r"\end{tikzpicture}",
    ]
    text = "\n".join(lines) + "\n"
    return f"{_PREAMBLE}\\begin{{document}}\n{text}\\end{{document}}\n" if standalone else text


class _Colours:
    """The colours of a picture, each with a name."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}

    def __getitem__(self, colour: str) -> str:
        return self.names.setdefault(colour, f"tgr{len(self.names)}")

    def definitions(self) -> list[str]:
        """The definitions of the colours."""
        return [rf"\definecolor{{{name}}}{{HTML}}{{{c[1:].upper()}}}" for c, name in self.names.items()]


def _body(picture: Picture, colours: _Colours) -> Iterator[str]:
    drawn: Iterator[Iterable[str]] = picture.back_to_front(
        lambda frame: _frame(frame, colours),
        lambda line: [_line(line, colours)],
        lambda box: _box(box, colours),
        lambda text: [_text(text, colours)],
    )
    return chain.from_iterable(drawn)


def _frame(frame: Frame, colours: _Colours) -> Iterator[str]:
    options = f"draw={colours[FRAME_LINE]}, fill={colours[FRAME]}, rounded corners=6pt, line width=0.8pt"
    yield rf"\draw[{options}] ({_at(frame.left, frame.bottom)}) rectangle ({_at(frame.right, frame.top)});"
    if frame.title:
        yield _text(frame.heading, colours, named=False)


def _box(box: Box, colours: _Colours) -> Iterator[str]:
    x, y = box.centre or (0.0, 0.0)
    options = [f"minimum width={box.width:.2f}pt", f"minimum height={box.height:.2f}pt", f"fill={colours[box.fill]}"]
    if box.pen:
        options += [f"draw={colours[box.stroke]}", f"line width={box.pen:g}pt"]
    if box.shape == "card":
        options.append("rounded corners=6pt")
    if box.dashed:
        options.append("dashed")
    yield rf"\node[{', '.join(options)}] ({box.id}) at ({_at(x, y)}) {{}};"
    for _, text in box.laid_out():
        if text.text:
            yield _text(text, colours, named=False)


def _line(line: Line, colours: _Colours) -> str:
    options = [f"draw={colours[line.stroke]}", f"line width={line.pen:.3g}pt"]
    if line.arrow:
        options.append("->")
    if line.dashed:
        options.append("dashed")
    label = f" node[midway, above, font={_font(8.0)}] {{{tex(line.label)}}}" if line.label else ""
    return rf"\draw[{', '.join(options)}] {_course(line.curve)}{label};"


def _course(curve: Curve) -> str:
    out = [f"({_at(*curve[0])})"]
    for i in range(1, len(curve) - 2, 3):
        a, b, c = curve[i : i + 3]
        out.append(f".. controls ({_at(*a)}) and ({_at(*b)}) .. ({_at(*c)})")
    return " ".join(out)


def _text(text: Text, colours: _Colours, named: bool = True) -> str:
    anchor = {"start": "west", "middle": "center", "end": "east"}[text.anchor]
    # The middle of the letters stands where the text does, whatever letters they are.
    x, y = text.place[0], text.place[1] - 0.35 * text.size
    anchor = {"west": "base west", "center": "base", "east": "base east"}[anchor]
    options = f"anchor={anchor}, text={colours[text.ink]}, font={_font(text.size, text.bold)}"
    name = f" ({text.id})" if named and text.id else ""
    return rf"\node[{options}]{name} at ({_at(x, y)}) {{{tex(text.text, text.bold)}}};"


def _font(size: float, bold: bool = False) -> str:
    return rf"\fontsize{{{size:.3g}}}{{{1.2 * size:.3g}}}\selectfont" + (r"\bfseries" if bold else "")


def _at(x: float, y: float) -> str:
    return f"{x:.2f},{y:.2f}"


def tex(text: str, bold: bool = False) -> str:
    """A text as TeX: indices and signs in mathematics, no commands, and "?" for letters that pdfTeX does not have."""
    math_signs = re.escape("".join(_SIGNS)) + "".join(_LOWERED) + "".join(_RAISED)
    out = []
    for part in re.findall(f"[{math_signs}]+|[^{math_signs}]+", text):
        if part[0] in _SIGNS or part[0] in _LOWERED or part[0] in _RAISED:
            out.append(
                rf"$\mathsf{{{_formula(part)}}}$" if not bold else rf"$\boldsymbol{{\mathsf{{{_formula(part)}}}}}$"
            )
        else:
            out.append("".join(_ESCAPES.get(c, c if _is_known(c) else "?") for c in part))
    return "".join(out)


def _is_known(character: str) -> bool:
    """Whether pdfTeX has it in its fonts."""
    return (character.isascii() and character.isprintable()) or unicodedata.name(character, "").startswith("LATIN")


def _formula(part: str) -> str:
    out = ""
    for piece in re.findall(f"[{''.join(_LOWERED)}]+|[{''.join(_RAISED)}]+|.", part):
        if piece[0] in _LOWERED:
            out += "_{" + "".join(map(_LOWERED.__getitem__, piece)) + "}"
        elif piece[0] in _RAISED:
            out += "^{" + "".join(map(_RAISED.__getitem__, piece)) + "}"
        else:
            out += _SIGNS[piece]
    return out
