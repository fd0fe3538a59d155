"""`explore`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..bptt import Unrolled
from ..bptt.problem import Problem
from ..compile.javascript import Program
from ..engine.value import Value
from ..errors import ArgumentError, DataError
from ..pictures import text
from ..support.checks import in_short
from ..support.ranges import spread
from .cells import CellOfPage, cell_of_page, distinct
from .data import CellWithPrograms, OneHots, PageData, Rows
from .graphs import HIGH, WIDE, Graphs
from .page import Page
from .source import Source, from_graph, from_problem


def explore(
    unrolled: Unrolled | Problem,
    loss: Value | None = None,
    losses: Sequence[Value] | None = None,
    *,
    title: str = "",
    names: Sequence[str] = (),
    alphabet: str = "",
    others: Sequence[Problem] = (),
) -> Page:
    """An interactive page: the unrolled network, its gradients and the chain follow whatever one changes.

    The page holds the time step as a program, and computes every number itself. In a notebook it is a widget that
    shares what is set on it with Python: see `Page`.

    Args:
        unrolled: a problem, as `problem` poses it; or an unrolled cell, whose loss is read from the graph.
        loss: the loss, where an unrolled cell is given.
        losses: the losses of single time steps whose sum or mean it is. By default they are found in the graph.
        title: what the sequence is.
        names: what x_1 … x_T are called: years, characters.
        alphabet: the symbols of a text, in the order of their indices.
        others: further problems over the same sequence, with their losses at the same time steps, whose cells can be
            chosen on the page.

    Raises:
        ArgumentError: a loss is missing, or was given besides a problem; another problem has another sequence,
            or its losses elsewhere; an argument is something else.
        DataError: a parameter, the initial state, an input or a target is NaN or infinite.
        CompileError: the time step or the loss cannot be a program, or the time steps have different shapes; the
            error names op and node.
    """
    _check_kinds("others", others, Problem)
    _check_kinds("losses", losses or (), Value)
    if not isinstance(title, str):
        raise ArgumentError(f"title is {in_short(title)}", remedy="Give a text")
    if isinstance(unrolled, Problem):
        if loss is not None:
            raise ArgumentError("a loss besides a problem, which has one", remedy="Give the problem alone")
        return page_of(
            from_problem(unrolled), unrolled.unrolled, title, names, alphabet, list(map(from_problem, others))
        )
    if loss is None:
        raise ArgumentError("there is no loss", remedy="Give explore(unrolled, loss), or a problem")
    if not isinstance(unrolled, Unrolled):
        raise ArgumentError(
            f"a page of {in_short(unrolled)}", remedy="Give a problem(…), or what unroll(…) returns and its loss"
        )
    if not isinstance(loss, Value):
        raise ArgumentError(f"the loss is {in_short(loss)}", remedy="Give the Value that was computed from the states")
    source = from_graph(unrolled, loss, losses)
    return page_of(source, unrolled, title, names, alphabet, list(map(from_problem, others)))


def _check_kinds(name: str, given: object, kind: type) -> None:
    """Check that an argument is a list of such things."""
    if not isinstance(given, Sequence) or not all(isinstance(one, kind) for one in given):
        raise ArgumentError(f"{name} is {in_short(given)}", remedy=f"Give a list, each a {kind.__name__}")


def _check_finite(source: Source, cells: Sequence[CellOfPage]) -> None:
    """Check the numbers that the page begins with: from one that is not finite, nothing follows."""
    for cell in cells:
        for group in cell.facts["groups"]:
            for place in spread(group["places"]):
                if not math.isfinite(number := cell.facts["p"][place]):
                    raise DataError(
                        f"the parameter {group['name']} is {number}",
                        remedy="Give finite numbers: go back before the explosion",
                    )
        for number in cell.facts["h0"]:
            if not math.isfinite(number):
                raise DataError(f"the initial state is {number}", remedy="Give finite numbers")
    for name, rows in (("the input", source.inputs), ("the target", source.targets)):
        for t, row in enumerate(rows, start=source.first):
            for number in row or ():
                if not math.isfinite(number):
                    raise DataError(f"{name} is {number}", time_step=t, remedy="Give finite numbers")


def page_of(
    source: Source,
    unrolled: Unrolled | None = None,
    title: str = "",
    names: Sequence[str] = (),
    alphabet: str = "",
    others: Sequence[Source] = (),
) -> Page:
    """The page of a source; a graph, if there is one, is compared with it. Arguments and errors as of `explore`."""
    for other in others:
        if (other.inputs, other.targets) != (source.inputs, source.targets):
            raise ArgumentError(
                "another problem has another sequence", remedy="Give every problem the same inputs and targets"
            )
        if other.at != source.at or (source.at == "every" and other.mean != source.mean):
            kinds = [
                f"the {'mean' if each.mean else 'sum'} of those of its time steps"
                if each.at == "every"
                else "that of its last time step"
                for each in (other, source)
            ]
            raise ArgumentError(
                f"the loss of another problem is {kinds[0]}, and here it is {kinds[1]}",
                remedy="Pose both by problem(…) with the same at=",
            )
    made = [cell_of_page(source, unrolled), *map(cell_of_page, others)]
    _check_finite(source, made)
    programs: list[Program] = []
    cells = [_numbered(cell, programs) for cell in made]
    for cell, name in zip(cells, distinct([cell["name"] for cell in cells])):
        cell["name"] = name
    graphs = Graphs()
    of_programs = [graphs.of(program.facts) for program in programs]
    different = [graph for i, graph in enumerate(of_programs) if graph not in of_programs[:i]]
    T = len(source.inputs)
    about = f"{cells[0]['name']}, {T} time step{'s' * (T != 1)}"
    data: PageData = {
        "title": text.clipped(title, 160),
        "first": source.first,
        "at": source.at,
        "mean": source.mean,
        "names": [text.clipped(str(name), 24) for name in names],
        "alphabet": alphabet,
        "x": _rows(source.inputs),
        "target": source.targets,
        "cells": cells,
        "card": {"wide": WIDE, "high": HIGH},
        "graphs": different,
        "graph_of": [different.index(graph) for graph in of_programs],
        "layouts": graphs.layouts,
    }
    expressions = [program.sharing(programs[:i]) for i, program in enumerate(programs)]
    return Page(about, data, expressions, made)


def _numbered(cell: CellOfPage, programs: list[Program]) -> CellWithPrograms:
    """The facts of a cell, with the numbers of its programs; those that are not there yet are added to the others."""
    numbers = {}
    for name, program in cell.programs.items():
        alike = (i for i, each in enumerate(programs) if each.facts == program.facts and each.body == program.body)
        numbers[name] = next(alike, len(programs))
        programs += [program] * (numbers[name] == len(programs))
    return {**cell.facts, "programs": numbers}


def _rows(inputs: list[list[float]]) -> OneHots | Rows:
    """The inputs; of one-hot vectors the places of their ones."""
    size = len(inputs[0])
    if size > 1 and all(sorted(row) == [0.0] * (size - 1) + [1.0] for row in inputs):
        return {"hot": [row.index(1.0) for row in inputs], "size": size}
    return {"rows": inputs}
