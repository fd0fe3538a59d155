"""Numbers and names as they are written into a picture."""

from __future__ import annotations

import math

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_GROUPS = (
    ("iIjlftr.,:;|!'()[]{}·-′ ", 0.39),
    ("⁰¹²³⁴⁵⁶⁷⁸⁹", 0.41),
    ("_⁻∂", 0.53),
    ("+−=×≈<>", 0.84),
    ("mwMW@%∏…—", 1.0),
)


class _Widths(dict[str, float]):
    """How wide a character is, about, at size 1: in DejaVu Sans, the widest of the fonts that stand in for Helvetica
    where there is none, as on most Linux machines."""

    def __missing__(self, character: str) -> float:
        of_group = (width for group, width in _GROUPS if character in group)
        width = next(of_group, 0.75 if character.isupper() else 0.64 if ord(character) < 0x1100 else 1.0)
        self[character] = width
        return width


_width_of = _Widths()


def number(x: float) -> str:
    """Three significant digits, and a power of ten where zeros would hide the size: −1.23×10⁻⁵.

    Zeros at the end mean rounding: 0.5 is one half, 0.500 is near it.
    """
    if math.isnan(x):
        return "NaN"
    if math.isinf(x):
        return "∞" if x > 0 else "−∞"
    if x == 0.0:
        return "0"
    mantissa, exponent = f"{abs(x):.2e}".split("e")
    exact = math.isclose(float(f"{mantissa}e{exponent}"), abs(x), rel_tol=1e-12)
    return _written("−" if x < 0 else "", mantissa, int(exponent), exact)


def power_of_ten(sign: float, log10: float) -> str:
    """``sign · 10^log10`` like `number`, also where a double has no room for it."""
    if math.isnan(log10):
        return "NaN"
    if log10 == -math.inf or sign == 0:
        return "0"
    if log10 == math.inf:
        return number(math.copysign(math.inf, sign))
    if abs(log10) < 300:
        return number(math.copysign(10.0**log10, sign))
    exponent = math.floor(log10)
    mantissa = f"{10.0 ** (log10 - exponent):.2f}"
    if mantissa == "10.00":
        mantissa, exponent = "1.00", exponent + 1
    return _written("−" if sign < 0 else "", mantissa, exponent, exact=False)


def _written(sign: str, mantissa: str, exponent: int, exact: bool = True) -> str:
    if -3 <= exponent <= 3:
        plain = f"{float(mantissa) * 10.0**exponent:.{max(0, 2 - exponent)}f}"
        return sign + (plain.rstrip("0").rstrip(".") if exact and "." in plain else plain)
    if exact:
        mantissa = mantissa.rstrip("0").rstrip(".")
    ten = raised(exponent)
    return f"{sign}{ten}" if mantissa == "1" else f"{sign}{mantissa}×{ten}"


def raised(exponent: int) -> str:
    """10 to a whole power: 10⁻⁵."""
    return f"10{superscript(exponent)}"


def superscript(exponent: int) -> str:
    """A whole number in raised digits."""
    return str(exponent).translate(_RAISED)


def width(text: str, size: float, mono: bool = False) -> float:
    """About how wide a text in Helvetica, or what stands in for it, is, or in Courier New, in points; rather too much
    than too little."""
    if mono:
        return 0.62 * size * len(text)
    return size * sum(map(_width_of.__getitem__, text))


def clipped(text: str, length: int) -> str:
    """The text on one line, cut short with "…" where it is longer than that many characters."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"
