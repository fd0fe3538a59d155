"""Facts about programs, written as JavaScript: what repeats is said once."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, product, takewhile
from typing import Any

#: The longest group of entries that may repeat.
_LONGEST = 64

_NUMBER = re.compile(r"(?<![\d.])(0|[1-9]\d{0,8})(?![\d.])")  # a whole one


def facts_as_text(facts: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]] = ()) -> str:
    """Facts as an expression of JavaScript, which needs the prelude.

    Args:
        facts: those of a program.
        earlier: those of earlier programs, which are ``PROGRAMS[0].facts``, …: what is long is taken from there.
    """
    edges = {
        unit: _sharing(f"edges.{unit}", own, [each["edges"].get(unit, []) for each in earlier])
        for unit, own in facts["edges"].items()
    }
    long = {
        "parameters": f"[{', '.join(_names(facts['parameters']))}]",
        "nodes": _sharing("nodes", facts["nodes"], [each["nodes"] for each in earlier]),
        "products": f"[{','.join(_entries(facts['products']))}]",
        "edges": f"{{ {', '.join(f'{unit}: {text}' for unit, text in edges.items())} }}",
    }
    short = ", ".join(f"{name}: {_as_text(fact)}" for name, fact in facts.items() if name not in long)
    lines = [short, *(f"{name}: {text}" for name, text in long.items())]
    return "{\n" + "".join(f"  {line},\n" for line in lines) + "}"


def _as_text(data: object) -> str:
    """Data as JavaScript. Nothing in it may end the script element around it, or be taken for something else."""
    return _plain(json.dumps(data, ensure_ascii=False, separators=(",", ":")))


def _plain(text: str) -> str:
    return "".join(sign if sign.isprintable() and sign != "<" else _escaped(sign) for sign in text)


def _escaped(sign: str) -> str:
    return "\\u003c" if sign == "<" else json.dumps(sign)[1:-1]


def _names(names: Sequence[str]) -> list[str]:
    """The names; those of all entries of an array, row by row, by the array's name and its shape."""
    found: list[str] = []
    for array, group in groupby(names, lambda name: name.partition("[")[0]):
        own = list(group)
        shape = [int(last) + 1 for last in re.findall(r"\d+", own[-1].removeprefix(array))]
        if shape and own == [f"{array}[{','.join(map(str, index))}]" for index in product(*map(range, shape))]:
            found.append(f"...grid({', '.join([_as_text(array), *map(str, shape)])})")
        else:
            found += map(_as_text, own)
    return found


def _sharing(name: str, own: Sequence[object], earlier: Sequence[Sequence[object]]) -> str:
    """A list; stretches that the earlier list which is most like it has in the same places are taken from there."""
    alike = [[a == b for a, b in zip(own, other)] for other in earlier]
    best = max(range(len(alike)), key=lambda i: alike[i].count(True), default=-1)
    pieces: list[str] = []
    for same, stretch in groupby(range(len(own)), lambda i: best >= 0 and i < len(alike[best]) and alike[best][i]):
        places = list(stretch)
        entries = own[places[0] : places[-1] + 1]
        taken = f"...PROGRAMS[{best}].facts.{name}.slice({places[0]}, {places[-1] + 1})"
        pieces += [taken] if same and len(taken) < len(_as_text(entries)) else _entries(entries)
    return f"[{','.join(pieces)}]"


# ---- what repeats ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Count:
    """A whole number that may grow: first + step · i."""

    first: int
    step: int

    def at(self, i: int) -> int:
        return self.first + self.step * i

    def __str__(self) -> str:
        if not self.step:
            return str(self.first)
        size = abs(self.step)
        grown = f"{size} * i" if size > 1 else "i"
        if self.step < 0:
            return f"{self.first} - {grown}"
        return f"{self.first} + {grown}" if self.first else grown


@dataclass(frozen=True)
class _Text:
    """A text with numbers that may grow."""

    pieces: tuple[str | _Count, ...]

    def at(self, i: int) -> str:
        return "".join(piece if isinstance(piece, str) else str(piece.at(i)) for piece in self.pieces)

    def __str__(self) -> str:
        if all(isinstance(piece, str) or not piece.step for piece in self.pieces):
            return _as_text(self.at(0))
        return f"`{''.join(_as_text(each)[1:-1] if isinstance(each, str) else _in_text(each) for each in self.pieces)}`"


def _in_text(count: _Count) -> str:
    return f"${{{count}}}" if count.step else str(count.first)


@dataclass(frozen=True)
class _List:
    """A list of such."""

    entries: tuple[_Count | _Text | _List, ...]

    def at(self, i: int) -> list[object]:
        return [entry.at(i) for entry in self.entries]

    def __str__(self) -> str:
        return f"[{','.join(map(str, self.entries))}]"


def _pattern(a: object, b: object) -> _Count | _Text | _List | None:
    """What has these two as its first entries, if anything."""
    if isinstance(a, int) and isinstance(b, int):
        return _Count(a, b - a)
    if isinstance(a, str) and isinstance(b, str):
        pieces, others = _NUMBER.split(a), _NUMBER.split(b)
        if pieces[::2] != others[::2] or re.search(r"[`$\\]", a):
            return None
        pairs = enumerate(zip(pieces, others))
        return _Text(tuple(_Count(int(one), int(other) - int(one)) if i % 2 else one for i, (one, other) in pairs))
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        entries = [_pattern(*pair) for pair in zip(a, b)]
        found = tuple(entry for entry in entries if entry is not None)
        return _List(found) if len(found) == len(entries) else None
    return None


def _entries(entries: Sequence[object]) -> list[str]:
    """The entries; a group of them that repeats, with numbers that grow evenly, is written once."""
    plain = list(map(_as_text, entries))
    kinds = [_NUMBER.sub("0", text) for text in plain]
    written: list[str] = []
    at = 0
    while at < len(entries):
        sizes = [n for n in range(1, _LONGEST + 1) if _is_thrice(kinds, at, n)]
        found = [_repeated(entries, at, size) for size in sizes]
        group, times = max(found, key=lambda each: len(each[0]) * (each[1] - 1), default=([], 1))
        end = at + len(group) * times
        repeated = f"...rows({times}, (i) => [{','.join(map(str, group))}])"
        if times > 1 and len(repeated) < len(",".join(plain[at:end])):
            written.append(repeated)
            at = end
        else:
            written.append(_entry(entries[at]))
            at += 1
    return written


def _is_thrice(kinds: Sequence[str], at: int, n: int) -> bool:
    return kinds[at : at + n] == kinds[at + n : at + 2 * n] == kinds[at + 2 * n : at + 3 * n]


def _entry(entry: object) -> str:
    return f"[{','.join(_entries(entry))}]" if isinstance(entry, list) else _as_text(entry)


def _repeated(entries: Sequence[object], at: int, size: int) -> tuple[list[_Count | _Text | _List], int]:
    """The pattern of a group of entries, and how often it repeats."""
    pairs = zip(entries[at : at + size], entries[at + size : at + 2 * size])
    found = takewhile(lambda pattern: pattern is not None, (_pattern(*pair) for pair in pairs))
    group = [pattern for pattern in found if pattern is not None]
    times = 2 if len(group) == size else 1
    while times > 1 and entries[at + times * size : at + (times + 1) * size] == [each.at(times) for each in group]:
        times += 1
    return group, times
