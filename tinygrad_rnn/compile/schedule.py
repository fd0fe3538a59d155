"""From a tape to sections: straight pieces of code, each a native function, that hand on numbers through memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .symbol import COMPARISONS, Symbol, is_guarded

#: What is read where it is used, and so belongs to no section.
SOURCES = frozenset({"const", "load", "index"})

#: Instructions in one section. The time that LLVM takes grows faster than the length of a function, so that
#: short functions keep the time for a whole program linear in its nodes.
SECTION_LENGTH = 4000


class Place(NamedTuple):
    """Where a number lies in memory."""

    region: str
    slot: int


class Store(NamedTuple):
    """A number to be left in memory."""

    place: Place
    value: Symbol


@dataclass(eq=False)
class Section:
    """What one native function computes.

    Attributes:
        name: name of the function.
        symbols: the instructions it carries out, in order of the tape.
        stores: what it leaves in memory for others to see.
        guards: operations during which eager Python would have raised an error for some operands.
        handed_on: those of the symbols that later sections read.
    """

    name: str
    symbols: list[Symbol] = field(default_factory=list)
    stores: list[Store] = field(default_factory=list)
    guards: list[Symbol] = field(default_factory=list)
    handed_on: set[Symbol] = field(default_factory=set)


class Pass(NamedTuple):
    """One of the passes of a program: forward, or backward.

    Attributes:
        name: its name.
        symbols: the instructions that were written down during it, needed or not.
        stores: what it has to leave in memory.
    """

    name: str
    symbols: Sequence[Symbol]
    stores: Sequence[Store]


def watched_by_guard(symbol: Symbol) -> Symbol:
    """The number by which to tell that this operation went wrong: the result of pow, the operand of all others."""
    return symbol if symbol.op == "pow" else symbol.args[-1]


def schedule(passes: Sequence[Pass], length: int = SECTION_LENGTH) -> list[list[Section]]:
    """Cut each pass into sections. What no store and no guard needs is left out."""
    home: dict[Symbol, Section] = {}
    result = []
    for each in passes:
        guards = [symbol for symbol in each.symbols if is_guarded(symbol)]
        roots = [store.value for store in each.stores] + [watched_by_guard(guard) for guard in guards]
        needed = sorted(_needed(roots, home), key=lambda symbol: symbol.index)
        pieces = [needed[i : i + length] for i in range(0, len(needed), length)] or [[]]
        sections = [Section(f"{each.name}.{i}", piece) for i, piece in enumerate(pieces)]
        for section in sections:
            home.update(dict.fromkeys(section.symbols, section))
        for store in each.stores:
            _section_of(store.value, home, sections).stores.append(store)
        for guard in guards:
            _section_of(watched_by_guard(guard), home, sections).guards.append(guard)
        result.append(sections)
    for section in (section for sections in result for section in sections):
        _connect(section, home)
    return result


def _section_of(symbol: Symbol, home: dict[Symbol, Section], sections: list[Section]) -> Section:
    section = home.get(symbol)
    return section if section is not None and section in sections else sections[-1]


def _needed(roots: Iterable[Symbol], known: dict[Symbol, Section]) -> set[Symbol]:
    seen: set[Symbol] = set()
    to_visit = [root for root in roots if root.op not in SOURCES and root not in known]
    while to_visit:
        symbol = to_visit.pop()
        if symbol not in seen:
            seen.add(symbol)
            to_visit += [arg for arg in symbol.args if arg.op not in SOURCES and arg not in known]
    return seen


def _connect(section: Section, home: dict[Symbol, Section]) -> None:
    """Note what the section reads from earlier ones. Comparisons are made again rather than stored."""
    own = set(section.symbols)
    to_visit = list(section.symbols)
    reads = [store.value for store in section.stores] + [watched_by_guard(guard) for guard in section.guards]
    while to_visit or reads:
        for arg in reads or to_visit.pop().args:
            if arg.op in SOURCES or arg in own:
                continue
            if arg.op in COMPARISONS:
                own.add(arg)
                to_visit.append(arg)
            else:
                home[arg].handed_on.add(arg)
        reads = []
    section.symbols = sorted(own, key=lambda symbol: symbol.index)
