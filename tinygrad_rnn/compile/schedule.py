"""From a tape to sections: straight pieces of code, each a native function, that pass numbers on through memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .memory import Place
from .symbol import CONDITIONS, SOURCES, Symbol

#: The most instructions in a section. LLVM's time grows faster than the length of a function, so short functions keep
#: the time for a whole program linear in its nodes.
SECTION_LENGTH = 4000


class Store(NamedTuple):
    """A number to store in memory; or, in the region `ALARM`, a condition to report."""

    place: Place
    value: Symbol


class Pass(NamedTuple):
    """A forward or a backward pass: its name, and everything that it stores."""

    name: str
    stores: Sequence[Store]


@dataclass(eq=False)
class Section:
    """The contents of one native function.

    Attributes:
        name: name of the function.
        symbols: its instructions, in order of the tape.
        stores: its stores into memory.
        shared: the symbols that later sections read.
    """

    name: str
    symbols: list[Symbol]
    stores: list[Store] = field(default_factory=list)
    shared: set[Symbol] = field(default_factory=set)


def schedule(passes: Sequence[Pass], length: int = SECTION_LENGTH) -> list[list[Section]]:
    """Cut each pass into sections. Instructions that no store needs are left out."""
    home: dict[Symbol, Section] = {}
    result: list[list[Section]] = []
    for each in passes:
        needed = sorted(_needed((store.value for store in each.stores), home), key=lambda symbol: symbol.index)
        pieces = [needed[i : i + length] for i in range(0, len(needed), length)] or [[]]
        sections = [Section(f"{each.name}.{i}", piece) for i, piece in enumerate(pieces)]
        for section in sections:
            home.update(dict.fromkeys(section.symbols, section))
        for store in each.stores:
            section = home.get(store.value, sections[-1])
            (section if section in sections else sections[-1]).stores.append(store)
        result.append(sections)
    for section in (section for sections in result for section in sections):
        _connect(section, home)
    return result


def _needed(roots: Iterable[Symbol], home: dict[Symbol, Section]) -> set[Symbol]:
    """The symbols from which the roots are computed, except those that an earlier pass computes."""
    needed: set[Symbol] = set()
    to_visit = list(roots)
    while to_visit:
        symbol = to_visit.pop()
        if symbol.op not in SOURCES and symbol not in home and symbol not in needed:
            needed.add(symbol)
            to_visit += symbol.args
    return needed


def _connect(section: Section, home: dict[Symbol, Section]) -> None:
    """Mark what the section reads from earlier ones as shared. Conditions are computed again instead."""
    own = set(section.symbols)
    to_visit = [store.value for store in section.stores] + [arg for symbol in own for arg in symbol.args]
    while to_visit:
        symbol = to_visit.pop()
        if symbol.op in CONDITIONS and symbol not in own:
            own.add(symbol)
            to_visit += symbol.args
        elif symbol.op not in SOURCES and symbol not in own:
            home[symbol].shared.add(symbol)
    section.symbols = sorted(own, key=lambda symbol: symbol.index)
