"""Rows: instructions that do the same to different numbers, bundled into one vector instruction.

The scalar graph of a layer of 16 units holds 16 copies of the same formula. The copies are found from the graph
itself, consumers first: where a bundle of additions has been found, its left operands and its right operands
are bundles too, if they are alike. This is superword-level parallelism (Larsen and Amarasinghe 2000). Each
number is still computed by the same operations in the same order, so no bit changes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from .schedule import Section, Store
from .symbol import SOURCES, Symbol

Row = tuple[Symbol, ...]

#: The longest row.
LONGEST = 64


def bundle(section: Section) -> tuple[list[Row], list[list[Store]]]:
    """The section's instructions as rows, and its stores as runs of neighbouring slots."""
    kinds, heights = _kinds(section.symbols)
    runs = _runs(section.stores, kinds)
    levels: dict[int, list[Symbol]] = defaultdict(list)
    for symbol in section.symbols:
        levels[heights[symbol]].append(symbol)
    wanted: dict[int, list[Row]] = defaultdict(list)

    def propose(row: Row) -> None:
        computed_here = len(row) > 1 and all(symbol in heights for symbol in row)
        if computed_here and len(set(row)) == len(row) and len({kinds[symbol] for symbol in row}) == 1:
            wanted[heights[row[0]]].append(row)

    for run in runs:
        propose(tuple(store.value for store in run))
    rows: list[Row] = []
    for height in sorted(levels, reverse=True):  # alike means equally high, so no row waits for itself
        taken: set[Symbol] = set()
        chosen: list[Row] = []
        for row in sorted(wanted[height], key=len, reverse=True):
            if taken.isdisjoint(row):
                taken.update(row)
                chosen.append(row)
        alike: dict[int, list[Symbol]] = defaultdict(list)
        for symbol in levels[height]:
            if symbol not in taken:
                alike[kinds[symbol]].append(symbol)
        for symbols in alike.values():
            chosen += _regular(symbols)
        for row in chosen:
            for operands in zip(*(symbol.args for symbol in row)):
                propose(operands)
        rows += chosen
    return rows, runs


def _kinds(symbols: Sequence[Symbol]) -> tuple[dict[Symbol, int], dict[Symbol, int]]:
    """A number per symbol that is the same for those computed by the same formula, and the formula's height."""
    known: dict[Any, int] = {}
    kinds: dict[Symbol, int] = {}
    heights: dict[Symbol, int] = {}

    def kind(arg: Symbol) -> Any:
        if arg in kinds:
            return kinds[arg]
        return arg.op, arg.args[0] if arg.op in SOURCES else None

    for symbol in symbols:
        key = (symbol.op, *map(kind, symbol.args))
        kinds[symbol] = known.setdefault(key, len(known))
        heights[symbol] = 1 + max((heights.get(arg, 0) for arg in symbol.args), default=0)
    return kinds, heights


def _regular(symbols: Sequence[Symbol]) -> Iterable[Row]:
    """Cut symbols of one kind into rows whose operands are either all the same or all different."""
    row: list[Symbol] = []
    for symbol in symbols:
        if row and not _fits(row, symbol):
            yield tuple(row)
            row = []
        row.append(symbol)
    if row:
        yield tuple(row)


def _fits(row: Sequence[Symbol], symbol: Symbol) -> bool:
    return len(row) < LONGEST and (len(row) < 2 or _continues(row[0], row[1], symbol))


def _continues(first: Symbol, second: Symbol, next_one: Symbol, depth: int = 4) -> bool:
    """Whether the operands that the first two share are shared by the next one too, and no others."""
    if first.op in SOURCES or not first.op == second.op == next_one.op:
        return True
    return all(
        (a is b) == (a is c) and (a is b or not depth or _continues(a, b, c, depth - 1))
        for a, b, c in zip(first.args, second.args, next_one.args)
    )


def _runs(stores: Iterable[Store], kinds: dict[Symbol, int]) -> list[list[Store]]:
    """Stores into neighbouring slots of numbers computed alike."""
    runs: list[list[Store]] = []
    for store in sorted(stores, key=lambda store: store.place):
        last = runs[-1] if runs else []
        if (
            last
            and store.place == (last[-1].place.region, last[-1].place.slot + 1)
            and kinds.get(store.value) == kinds.get(last[-1].value)
            and store.value is not last[-1].value
            and _fits([each.value for each in last], store.value)
        ):
            last.append(store)
        else:
            runs.append([store])
    return runs
