"""Numbers and names as they are written into a picture."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from ..support.sums import add_up
from .widths import BOLD, REGULAR

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_LOWERED = str.maketrans("-+0123456789", "₋₊₀₁₂₃₄₅₆₇₈₉")


def number(x: float, digits: int = 3) -> str:
    """A number with that many significant digits, and a power of ten where zeros would hide the size: −1.23×10⁻⁵.

    Zeros at the end mean rounding: 0.5 is one half, 0.500 is near it.
    """
    if math.isnan(x):
        return "NaN"
    if math.isinf(x):
        return "∞" if x > 0 else "−∞"
    if x == 0.0:
        return "0"
    mantissa, exponent = f"{abs(x):.{digits - 1}e}".split("e")
    exact = math.isclose(float(f"{mantissa}e{exponent}"), abs(x), rel_tol=1e-12)
    return _written("−" if x < 0 else "", mantissa, int(exponent), digits, exact)


def fitted(x: float, room: float, size: float, bold: bool = False, before: str = "") -> str:
    """The number with as many of three digits as fit into that room, in points; the nearest power of ten if none fits.

    Args:
        x: the number.
        room: how wide it may be.
        size: of the font.
        bold: whether the font is bold.
        before: what is written before it, such as "×".
    """
    for digits in (3, 2, 1):
        written = before + number(x, digits)
        if width(written, size, bold) <= room:
            return written
    if not x or not math.isfinite(x):
        return written
    return f"{before}{'−' if x < 0 else ''}{raised(round(math.log10(abs(x))))}"


def product(x: float, room: float, size: float, bold: bool = False, before: str = "") -> str:
    """A product of many factors like `fitted`, except that 0 may be one that is too small for a double."""
    return "≈ 0" if x == 0.0 else fitted(x, room, size, bold, before)


def power_of_ten(sign: float, log10: float, digits: int = 3) -> str:
    """``sign · 10^log10`` like `number`, also where a double has no room for it."""
    if math.isnan(log10):
        return "NaN"
    if log10 == -math.inf or sign == 0:
        return "0"
    if log10 == math.inf:
        return number(math.copysign(math.inf, sign))
    if abs(log10) < 300:
        return number(math.copysign(10.0**log10, sign), digits)
    exponent = math.floor(log10)
    mantissa = f"{10.0 ** (log10 - exponent):.{digits - 1}f}"
    if mantissa.startswith("10"):
        mantissa, exponent = f"{1.0:.{digits - 1}f}", exponent + 1
    return _written("−" if sign < 0 else "", mantissa, exponent, digits, exact=False)


def _written(sign: str, mantissa: str, exponent: int, digits: int = 3, exact: bool = True) -> str:
    if -3 <= exponent <= 3:
        plain = f"{float(mantissa) * 10.0**exponent:.{max(0, digits - 1 - exponent)}f}"
        return sign + (plain.rstrip("0").rstrip(".") if exact and "." in plain else plain)
    if exact and "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    ten = raised(exponent)
    return f"{sign}{ten}" if exact and mantissa == "1" else f"{sign}{mantissa}×{ten}"


def raised(exponent: int) -> str:
    """10 to a whole power: 10⁻⁵."""
    return f"10{superscript(exponent)}"


def power(x: float, exponent: int) -> str:
    """A power of a number: 0.9¹², (−3)¹², (1.5×10⁻⁵)¹². What is not digits alone needs parentheses."""
    base = number(x)
    return f"{base if base.isascii() else f'({base})'}{superscript(exponent)}"


def decade(exponent: int) -> str:
    """A power of ten at an axis: 10⁻², 1, 10³."""
    return "1" if exponent == 0 else raised(exponent)


def superscript(exponent: int) -> str:
    """A whole number in raised digits."""
    return str(exponent).translate(_RAISED)


def subscript(index: int) -> str:
    """A whole number in lowered digits."""
    return str(index).translate(_LOWERED)


def indexed(name: str, index: int) -> str:
    """A name with a time step: h₁₂; h1_12 for a name that ends in a digit, which would run into the index."""
    return f"{name}_{index}" if name[-1:].isdigit() else name + subscript(index)


def width(text: str, size: float, bold: bool = False) -> float:
    """The width of a text in Helvetica, or in the widest font that stands in for it, in points."""
    widths = BOLD if bold else REGULAR
    return size * add_up(map(widths.__getitem__, text))


def printable(text: str) -> str:
    """The text without control characters, which would make an SVG, which is XML, unreadable. Line ends stay."""
    return re.sub(r"[\x00-\x09\x0b-\x1f\x7f\ufffe\uffff\ud800-\udfff]", " ", text)


def clipped(text: str, length: int) -> str:
    """The text on one line, cut short with "…" where it is longer than that many characters."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


def squeezed(text: str, room: float, size: float, bold: bool = False, front: bool = False) -> str:
    """The text on one line, cut short with "…" at its end or front where it is wider than the room, in points."""
    line = " ".join(text.split())
    if width(line, size, bold) <= room:
        return line
    while line and width(line + "…", size, bold) > room:
        line = line[1:] if front else line[:-1]
    return f"…{line}" if front else f"{line}…"


def squeezed_apart(names: Sequence[str], room: float, size: float) -> list[str]:
    """Each name, `squeezed` at that side at which more of them stay different: dates at their front."""
    ends, fronts = ([squeezed(name, room, size, front=front) for name in names] for front in (False, True))
    return fronts if len(set(fronts)) > len(set(ends)) else ends
