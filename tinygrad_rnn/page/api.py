"""`explore`."""

from __future__ import annotations

from collections.abc import Sequence

from ..bptt import Unrolled
from ..bptt.problem import Problem
from ..compile.javascript import Program
from ..engine.value import Value
from ..errors import ArgumentError
from ..pictures import text
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
        others: further problems over the same sequence, whose cells can be chosen on the page.

    Raises:
        ArgumentError: a loss is missing, or was given besides a problem; another problem has another sequence.
        CompileError: the time step or the loss cannot be a program, or the time steps have different shapes; the
            error names op and node.
    """
    if isinstance(unrolled, Problem):
        if loss is not None:
            raise ArgumentError("a loss besides a problem, which has one", remedy="Give the problem alone")
        return page_of(
            from_problem(unrolled), unrolled.unrolled, title, names, alphabet, list(map(from_problem, others))
        )
    if loss is None:
        raise ArgumentError("there is no loss", remedy="Give explore(unrolled, loss), or a problem")
    source = from_graph(unrolled, loss, losses)
    return page_of(source, unrolled, title, names, alphabet, list(map(from_problem, others)))


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
    made = [cell_of_page(source, unrolled), *map(cell_of_page, others)]
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
