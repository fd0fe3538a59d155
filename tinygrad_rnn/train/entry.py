"""`Entry`: JSON from a file, read entry by entry, each with its type and its range."""

from __future__ import annotations

import math
import reprlib
import sys
from collections.abc import Callable, Collection
from typing import TypeAlias, TypeVar

from ..errors import CheckpointError

Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"
T = TypeVar("T")
DEEPEST = 8  # lists within lists


class Entry:
    """An entry of JSON that was read from a file. Every method raises a CheckpointError that names the entry.

    Args:
        value: what JSON has there.
        path: the names that lead there, such as ``limits.steps``; empty for the whole.
    """

    def __init__(self, value: object, path: str = "") -> None:
        self.value = value
        self.path = path

    def refuse(self, expected: str) -> CheckpointError:
        """The error that this entry is not what was expected."""
        return CheckpointError(f"{self.path or 'the whole'} is {reprlib.repr(self.value)}, not {expected}")

    def fields(self, *required: str, optional: Collection[str] = ()) -> dict[str, Entry]:
        """The entries of an object that has these names and, of the optional ones, some."""
        named = self.named()
        for name in required:
            if name not in named:
                raise CheckpointError(f"{self._below(name)} is missing")
        for name, entry in named.items():
            if name not in required and name not in optional:
                raise CheckpointError(f"{reprlib.repr(entry.path)} is unknown")
        return named

    def named(self) -> dict[str, Entry]:
        """The entries of an object, whatever their names."""
        if not isinstance(self.value, dict):
            raise self.refuse("an object")
        return {name: Entry(entry, self._below(name)) for name, entry in self.value.items()}

    def entries(self) -> list[Entry]:
        """The entries of a list."""
        if not isinstance(self.value, list):
            raise self.refuse("a list")
        return [Entry(entry, f"{self.path}[{i}]") for i, entry in enumerate(self.value)]

    def whole(self, least: int = 0, most: int = sys.maxsize) -> int:
        """A whole number from ``least`` to ``most``."""
        if not isinstance(self.value, int) or isinstance(self.value, bool) or not least <= self.value <= most:
            raise self.refuse(f"a whole number from {least} to {most}")
        return self.value

    def number(self, least: float = -math.inf) -> float:
        """A number of at least ``least``; by default it may also be NaN. One that is written as an int stays one."""
        value = self.value
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            is_writable = isinstance(value, float) or abs(value) <= sys.float_info.max
            if is_writable and (least == -math.inf or value >= least):
                return value
        raise self.refuse("a number" if least == -math.inf else f"a number of at least {least:g}")

    def text(self, *known: str) -> str:
        """A text, one of those that are known if any are named."""
        if not isinstance(self.value, str) or (known and self.value not in known):
            raise self.refuse(f"one of {', '.join(map(repr, known))}" if known else "a text")
        return self.value

    def flag(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            raise self.refuse("true or false")
        return self.value

    def or_none(self, read: Callable[[Entry], T]) -> T | None:
        """The result of ``read``, or None where JSON has null."""
        return None if self.value is None else read(self)

    def plain(self, depth: int = 0) -> Plain:
        """Any number, text, true, false or null, or lists and objects of them."""
        if depth > DEEPEST:
            raise self.refuse(f"nested at most {DEEPEST} deep")
        if isinstance(self.value, dict):
            return {name: entry.plain(depth + 1) for name, entry in self.named().items()}
        if isinstance(self.value, list):
            return [entry.plain(depth + 1) for entry in self.entries()]
        if self.value is None or isinstance(self.value, (bool, str)):
            return self.value
        return self.whole(-sys.maxsize) if isinstance(self.value, int) else self.number()

    def plain_by_name(self) -> dict[str, Plain]:
        """An object of plain entries."""
        return {name: entry.plain() for name, entry in self.named().items()}

    def _below(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name
