"""Words for people: counted nouns, names from outside, and lists of them."""

from __future__ import annotations

from collections.abc import Sequence


def count(number: int, noun: str, plural: str = "") -> str:
    """``1 sequence``, ``2 sequences``, ``1,000 sequences``; with ``plural``, ``2 entries``."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def magnitude(name: str, entries: int) -> str:
    """The size of a quantity in writing: ``|name|`` of a single number, ``‖name‖``, its norm, of several."""
    return f"|{name}|" if entries == 1 else f"‖{name}‖"


def printable(name: str, most: int | None = None) -> str:
    """A name in one line: characters that do not print are written as Python writes them.

    Args:
        name: the name.
        most: its longest length; the rest becomes "…".
    """
    if most is not None and len(name) > most:
        name = f"{name[: most - 1]}…"
    if name == " ":
        return "' '"
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in name)


def listed(names: Sequence[str], most: int = 10, longest: int = 40) -> str:
    """Names in quotes, as ``'a', 'b' and 7 more``; each is cut to ``longest`` characters."""
    shown = ", ".join(repr(name if len(name) <= longest else f"{name[:longest]}…") for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"
