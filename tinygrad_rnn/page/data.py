"""The data that the page reads: its JSON. The scripts in `assets` know it by the same names."""

from __future__ import annotations

from typing import TypedDict, final


class Group(TypedDict):
    """Parameters of one name.

    Attributes:
        name: what they are called.
        shape: of the array that they fill; empty for a single one.
        places: their places among the parameters, row by row, as ranges [first, end).
    """

    name: str
    shape: list[int]
    places: list[list[int]]


class CellData(TypedDict):
    """The numbers of a cell, and what they are.

    Attributes:
        name: the cell in a few words.
        nonlinearity: the key of the program that it has at first.
        p, h0: the numbers of the parameters and of the initial state.
        trained: places of the parameters that an update changes, as ranges.
        groups: the parameters by name.
        recurrent: the matrices by which the state before is multiplied, rows of places.
        forget: places of the bias of the forget gate.
        straight: the part of the state along which there is a straight path, and the quantity it is multiplied by; or
            null.
    """

    name: str
    nonlinearity: str
    p: list[float]
    h0: list[float]
    trained: list[list[int]]
    groups: list[Group]
    recurrent: list[list[list[int]]]
    forget: list[int]
    straight: list[str] | None


class CellWithPrograms(CellData):
    """The same with the numbers of its programs, by nonlinearity."""

    programs: dict[str, int]


@final
class Rows(TypedDict):
    """Inputs as rows of numbers."""

    rows: list[list[float]]


@final
class OneHots(TypedDict):
    """One-hot inputs: the places of their ones, and their size."""

    hot: list[int]
    size: int


class Layout(TypedDict):
    """The places of the cards of a graph.

    Attributes:
        x, y: the upper left corner of every card.
        way: for every edge, how high it is in the layers that it passes, from left to right.
        height: of the whole.
    """

    x: list[int]
    y: list[int]
    way: list[list[int]]
    height: int


class ValueGraph(TypedDict):
    """The graph of a time step, Value by Value.

    Attributes:
        says: what it shows.
        layout: the number of its layout.
        of: the slot whose computation it shows; null for all.
    """

    says: str
    layout: int
    of: int | None


class QuantityGraph(TypedDict):
    """The graph of a time step with a card for all entries of a quantity.

    Attributes:
        says: what it shows.
        layout: the number of its layout.
        places: for every card, those that have their numbers on it, as ranges.
        others: others that belong to it, as ranges.
        small: whether constants and parameters stand below the cards.
    """

    says: str
    layout: int
    places: list[list[list[int]]]
    others: list[list[list[int]]]
    small: bool


class PageData(TypedDict):
    """Everything that a page is made of, except its programs.

    Attributes:
        title: what the sequence is.
        first: the number of the first time step.
        at: where there are losses: ``"last"`` or ``"every"``.
        mean: whether the loss over time is the mean of those of the time steps; else it is their sum.
        names: what x_1 … x_T are called.
        alphabet: the symbols of a text.
        x, target: inputs and targets by time step; null where there is no target.
        cells: those that can be chosen, the first at first.
        card: the size of a card, ``wide`` and ``high``.
        graphs: different ones of the programs: the time step at each level of detail.
        graph_of: for every program, which of them is its own.
        layouts: those of the graphs.
    """

    title: str
    first: int
    at: str
    mean: bool
    names: list[str]
    alphabet: str
    x: Rows | OneHots
    target: list[list[float] | None]
    cells: list[CellWithPrograms]
    card: dict[str, int]
    graphs: list[list[ValueGraph | QuantityGraph]]
    graph_of: list[int]
    layouts: list[Layout]
