"""Lists of whole numbers as ranges."""

from __future__ import annotations

from collections.abc import Iterable


def ranges(numbers: Iterable[int]) -> list[list[int]]:
    """The numbers as ranges [first, end), in their order."""
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][1] == number:
            found[-1][1] += 1
        else:
            found.append([number, number + 1])
    return found


def spread(pairs: Iterable[Iterable[int]]) -> list[int]:
    """The numbers in ranges [first, end)."""
    return [number for pair in pairs for number in range(*pair)]
