"""The graph of a time step: what stands on its cards, and where they stand, as in pictures. The page draws it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, TypeAlias

from ..compile.javascript.program import Facts, Parent
from ..pictures import layers
from ..pictures.geometry import Point
from ..pictures.layout import Shape
from ..support.ranges import ranges
from . import data

#: The most numbers of a time step that is drawn Value by Value.
_FEW = 30
#: The most cards of a level of quantities that have their parameters below them.
_FEW_CARDS = 7
#: The most cards of a graph: no one follows more, and each takes room in the page.
_MOST = 250

#: In pixels: the size of a card, the room for what stands below it, and that around the graph.
WIDE, HIGH = 118, 54
_BELOW, _AROUND = 18, 12

#: A level of detail; a slot: what one entry is computed from.
Level: TypeAlias = "int | Literal['all', 'quantities']"

_LABEL = re.compile(r"[^\s()·+−/√∂|^]{1,14}")  # of what a person has named, and not a formula


class Graphs:
    """The graphs of time steps, and their layouts, which graphs of the same shape share.

    Attributes:
        layouts: of every shape.
    """

    def __init__(self) -> None:
        self._layouts: dict[Shape, int] = {}
        self.layouts: list[data.Layout] = []

    def of(self, facts: Facts) -> list[data.ValueGraph | data.QuantityGraph]:
        """The graph of a time step at every level of detail.

        Args:
            facts: those of its program.
        """
        operands = _Operands(facts)
        found = []
        for level, says in _levels(facts):
            members = operands.reached(level)
            if level == "quantities" or len(members) <= _MOST:  # a card for every place, or for several
                graph = _Graph(operands, level, members)
                if len(graph.cards) <= _MOST:
                    found.append(self._as_data(says, level, graph))
        return found

    def _as_data(self, says: str, level: Level, graph: _Graph) -> data.ValueGraph | data.QuantityGraph:
        shape = graph.shape()
        if shape not in self._layouts:
            self._layouts[shape] = len(self.layouts)
            self.layouts.append(_laid_out(shape))
        layout, cards = self._layouts[shape], graph.cards.values()
        if level != "quantities":
            return {"says": says, "layout": layout, "of": level if isinstance(level, int) else None}
        places, others = [ranges(card.places) for card in cards], [ranges(card.others) for card in cards]
        return {"says": says, "layout": layout, "places": places, "others": others, "small": graph.has_small}


def _laid_out(shape: Shape) -> data.Layout:
    """A layout as plain data."""
    plan = layers.plan(shape)
    left, top = _AROUND - min((x for x, _ in plan.centres), default=0.0), _AROUND + plan.top
    return {
        "x": [round(left + x) for x, _ in plan.centres],
        "y": [round(top - y - high / 2) for (_, y), (_, high) in zip(plan.centres, shape.sizes)],
        "way": [[round(top - start[1]) for start, _ in _passages(curve)] for curve in plan.inner],
        "height": round(plan.top - plan.bottom) + 2 * _AROUND,
    }


def _passages(curve: Sequence[Point]) -> list[tuple[Point, Point]]:
    """The stretch, from and to, on which the course of an edge passes straight through a layer."""
    return list(pairwise(curve[::3]))[1::2]


def _levels(facts: Facts) -> list[tuple[Level, str]]:
    """The levels of detail, and what each shows.

    Every Value of a small time step; of a larger one its quantities, or what one entry is computed from: a slot.
    """
    if facts["width"] <= _FEW:
        return [("all", "every Value")]
    found: list[tuple[Level, str]] = [("quantities", "its quantities")]
    first = facts["first"]
    for name, (start, end) in facts["parts"].items():
        for i in range(start, end):
            index = f"[{i - start}]" if end - start > 1 else ""
            found.append((first + i, f"what {name}_t{index} is computed from"))
    return found if facts["loss"] is None else [*found, (facts["loss"], "all, to the loss")]


@dataclass
class _Card:
    """A card, for one place or for all entries of a quantity.

    Attributes:
        places, others: as in `data.QuantityGraph`, one by one.
        small: whether constants or parameters stand below it.
        before: the cards with operands of this one.
    """

    places: list[int] = field(default_factory=list)
    others: list[int] = field(default_factory=list)
    small: bool = False
    before: dict[tuple[object, int], object] = field(default_factory=dict)


class _Operands:
    """What every node of a time step is computed from.

    Attributes:
        facts: those of the program.
        rank: for each node, its place in the order of computation.
    """

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.of: dict[int, list[list[int]]] = {}  # the places of each operand
        self.rank: dict[int, int] = {}
        for edges in facts["edges"].values():
            self.rank |= {node: len(self.rank) + i for i, (node, *_) in enumerate(reversed(edges))}
            self.of |= {node: [self._places(parent) for parent in parents] for node, *parents in edges}
        self._computed = {place for start, end in facts["computed"]["cell"] for place in range(start, end)}

    def reached(self, level: Level) -> set[int]:
        """The places that are shown at a level; of too many to be drawn, some."""
        members: set[int] = set()
        to_visit = [level] if isinstance(level, int) and level in self.of else [*self.of]
        most = math.inf if level == "quantities" else _MOST
        while to_visit and len(members) <= most:
            place = to_visit.pop()
            if place not in members:
                members.add(place)
                to_visit += [each for each in self.parents(place) if not self._is_leaf(each)]
        return members

    def parents(self, place: int) -> list[int]:
        """The places of all operands of a node."""
        return [parent for places in self.of.get(place, ()) for parent in places]

    def is_given(self, place: int) -> bool:
        """Whether it is an input or a target."""
        return bool(0 <= place < self.facts["x"] + self.facts["target"])

    def _is_leaf(self, place: int) -> bool:
        """Whether it is a constant or a parameter, for which a line below the card will do."""
        if place >= self.facts["width"]:
            return True
        is_computed = place < 0 or place in self.of or place in self._computed
        return not is_computed and not self.is_given(place)

    def _places(self, parent: Parent) -> list[int]:
        """The places that a parent may have; of parameters that are looked up, the first."""
        if isinstance(parent, int):
            return [parent]
        first, *others = parent
        if others and isinstance(others[0], list):
            return [place for option in others[0] for place in self._places(option)]
        return [self.facts["width"] + (others[0] if others else first)]


class _Graph:
    """The cards of a time step at one level of detail, by what they stand for, and the edges between them."""

    def __init__(self, operands: _Operands, level: Level, members: set[int]) -> None:
        self.facts, self.operands, self.members = operands.facts, operands, members
        self.in_quantities = level == "quantities"
        order = sorted(self.members, key=lambda place: (operands.rank.get(place, -1), place))
        users: dict[int, list[int]] = {}
        for node in order:
            for parent in operands.parents(node):
                users.setdefault(parent, []).append(node)
        card_of: dict[int, object] = {}
        for place in reversed(order):  # what has no name belongs to the card of what is computed from it
            own = not self.in_quantities or place not in users or self._is_named(place)
            card_of[place] = self._key(place) if own else card_of[users[place][-1]]
        self.cards: dict[object, _Card] = {}
        for place in order:
            card = self.cards.setdefault(card_of[place], _Card())
            own = not self.in_quantities or place not in users or self._is_named(place)
            (card.places if own else card.others).append(place)
        self.has_small = not self.in_quantities or len(self.cards) <= _FEW_CARDS
        for node in order:
            self._join(node, card_of)

    def _name(self, place: int) -> str:
        name, formula = self.facts["nodes"][-1 - place if place < 0 else place]
        return str(name or formula)

    def _is_named(self, place: int) -> bool:
        return place < 0 or self.operands.is_given(place) or bool(_LABEL.fullmatch(self._name(place)))

    def _key(self, place: int) -> object:
        """The subject of the card of a place: the place, or the quantity, of this time step or of the one before."""
        return (place < 0, re.sub(r"\[\d+\]$", "", self._name(place))) if self.in_quantities else place

    def _join(self, node: int, card_of: dict[int, object]) -> None:
        own = card_of[node]
        for operand, places in enumerate(self.operands.of.get(node, ())):
            for place in places:
                if place not in self.members:
                    self.cards[own].small |= self.has_small
                    break
                if card_of[place] != own:
                    self.cards[own].before[card_of[place], 0 if self.in_quantities else operand] = card_of[place]

    def shape(self) -> Shape:
        """The key of a layout: the sizes of the cards, and the edges between them."""
        number = {key: i for i, key in enumerate(self.cards)}
        return Shape(
            sizes=tuple((float(WIDE), float(HIGH + _BELOW * card.small)) for card in self.cards.values()),
            leaves=(False,) * len(self.cards),
            edges=tuple(
                (number[tail], i) for i, card in enumerate(self.cards.values()) for tail in card.before.values()
            ),
            entries=(),
            exits=(),
            straight=(),
            roomy=False,
            early=tuple(number[key] for key, card in self.cards.items() if self._is_early(card.places[0])),
        )

    def _is_early(self, place: int) -> bool:
        """Whether a card stands as far to the left as it can: the state before, and what has a name, such as gates."""
        return place < 0 or (self._is_named(place) and not self.operands.is_given(place))
