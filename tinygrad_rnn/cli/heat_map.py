"""A heat map in plain text."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ..bptt.anatomy import Anatomy
from ..engine.notation import number
from .console import columns, say

SHADES = "█▓▒░."  # a power of ten each
CUT, UNKNOWN = "×", "?"
_TALLEST = 40  # rows


def print_heat_map(anatomy: Anatomy, keeps: Callable[[int, int], bool] | None = None) -> None:
    """Print a cell per use step (downwards) and loss step (to the right), shaded by magnitude.

    Where they do not fit, several steps share a cell, which shows the largest of them.

    Args:
        anatomy: a gradient split by use step and loss step.
        keeps: returns whether truncated BPTT keeps a (use step, loss step); what it cuts is marked.
    """
    sizes = {
        (k, t): abs(size)
        for k, row in zip(anatomy.use_steps, anatomy.table())
        for t, size in zip(anatomy.loss_steps, row)
        if k is not None and t is not None and k <= t
    }
    first, last = min(k for k, _ in sizes), max(t for _, t in sizes)
    margin = len(str(last)) + 3
    room = max(10, columns(80) - margin)
    together = -(-(last - first + 1) // min(room, _TALLEST))
    count = -(-(last - first + 1) // together)
    wide = 2 if 2 * count <= room else 1
    largest = max((size for size in sizes.values() if math.isfinite(size)), default=0.0)
    cells: dict[tuple[int, int], float] = {}
    lost: set[tuple[int, int]] = set()
    for (k, t), size in sizes.items():
        place = (k - first) // together, (t - first) // together
        if keeps is None or keeps(k, t):
            cells[place] = max(cells.get(place, 0.0), size, key=lambda size: (math.isnan(size), size))
        else:
            lost.add(place)
    for row in range(count):
        shades = "".join(
            (_shade(cells[row, column], largest) if (row, column) in cells else CUT if (row, column) in lost else " ")
            * wide
            for column in range(count)
        )
        print(f"{first + row * together:>{margin - 3}} | {shades}".rstrip())
    print(" " * (margin - 2) + "+" + "-" * (count * wide + 1))
    print(" " * margin + _scale([first + i * together for i in range(count)], wide))
    print()
    legend = " ".join(f"{shade}=1/{10 ** (i + 1)}" for i, shade in enumerate(SHADES[:-1]))
    say(
        f"Downwards use step k, to the right loss step t. Shades: at least this share of the largest, "
        f"{number(largest)}: {legend} {SHADES[-1]}=less{f' {CUT}=cut' if keeps else ''}"
        f"{f' {UNKNOWN}=NaN' if any(map(math.isnan, cells.values())) else ''}."
        + (f" A cell is {together} × {together} steps and shows the largest of them." if together > 1 else "")
    )


def _shade(size: float, largest: float) -> str:
    if math.isnan(size):
        return UNKNOWN
    if math.isinf(size):
        return SHADES[0]
    if size == 0.0:
        return SHADES[-1]
    decades = math.log10(largest) - math.log10(size)
    return SHADES[min(int(decades), len(SHADES) - 1)]


def _scale(steps: Sequence[int], wide: int) -> str:
    """The numbers of the columns, as many as fit."""
    line = ""
    for i, step in enumerate(steps):
        free = not line or len(line) < i * wide
        if free and i * wide + len(str(step)) <= len(steps) * wide:
            line = line.ljust(i * wide) + str(step)
    return line
