"""Positions: one time step is laid out by Graphviz, and stamped wherever a time step has the same shape.

Laid out as a whole, an unrolled graph takes Graphviz minutes. Step by step it takes time linear in T, the
steps look alike, and the picture is the same for any cell.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..errors import DrawError
from ..support.sums import add_up
from . import engine
from .geometry import Curve, Point

POINTS_PER_INCH = 72.0


@dataclass(frozen=True)
class Shape:
    """The key of the layout of one time step.

    Attributes:
        sizes: (width, height) of every node.
        leaves: whether nothing in this graph computed the node.
        edges: (parent, child) within the step.
        entries: for every value that comes from another step, the nodes that use it.
        exits: the nodes that other steps use.
        straight: (entry, node) that the carried state should join in one straight line; the first is at y = 0.
        roomy: whether edges need room for a label.
        early: nodes that stand as early as what they are computed from allows.
    """

    sizes: tuple[tuple[float, float], ...]
    leaves: tuple[bool, ...]
    edges: tuple[tuple[int, int], ...]
    entries: tuple[tuple[int, ...], ...]
    exits: tuple[int, ...]
    straight: tuple[tuple[int, int], ...]
    roomy: bool
    early: tuple[int, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The layout of one time step, its left edge at x = 0 and the first straight line at y = 0.

    Attributes:
        centres: of the nodes.
        inner: the course of every edge of the shape.
        entering: per entry, the course from the left edge to each of its uses.
        leaving: per exit, the course from the node to the right edge.
        width: from the left edge to the right edge.
        bottom, top: the lowest and highest y.
    """

    centres: tuple[tuple[float, float], ...]
    inner: tuple[Curve, ...]
    entering: tuple[tuple[Curve, ...], ...]
    leaving: tuple[Curve, ...]
    width: float
    bottom: float
    top: float


def plan(shape: Shape, time_limit: float) -> Plan:
    """Lay out one time step.

    Raises:
        DrawError: Graphviz failed, or took longer than the time limit.
    """
    drawn = json.loads(engine.run(_source(shape), "json0", time_limit))
    centres = {item["name"]: points(item["pos"])[0] for item in drawn["objects"] if "pos" in item}
    curves = {item["id"]: points(item["pos"]) for item in drawn.get("edges", ()) if "pos" in item}
    try:
        nodes = [centres[f"n{i}"] for i in range(len(shape.sizes))]
        inner = [_directed(curves[f"e{i}"], nodes[tail]) for i, (tail, _) in enumerate(shape.edges)]
        entering = [[curves[f"i{i}.{j}"] for j in range(len(uses))] for i, uses in enumerate(shape.entries)]
        leaving = [curves[f"o{i}"] for i in range(len(shape.exits))]
        doors = [centres[name] for name in centres if name[0] in "io"]
    except KeyError as missing:
        raise DrawError(f"Graphviz left {missing} of a time step without a position") from None
    left = min([x for x, _ in doors] + [x - w / 2 - 10 for (x, _), (w, _) in zip(nodes, shape.sizes)])
    right = max([x for x, _ in doors] + [x + w / 2 + 10 for (x, _), (w, _) in zip(nodes, shape.sizes)])
    anchors = [node for _, node in shape.straight] or list(shape.exits)
    level = nodes[anchors[0]][1] if anchors else add_up(y for _, y in nodes) / len(nodes)

    def placed(curve: Sequence[Point]) -> Curve:
        # Turned upside down, which brings parameters above and inputs below the state.
        return [(round(x - left, 2), round(level - y, 2)) for x, y in curve]

    def entering_(curve: Curve) -> Curve:
        x, y = curve[0]
        return placed([(left, y), (left, y), (x, y), *curve] if x > left else curve)

    def leaving_(curve: Curve) -> Curve:
        x, y = curve[-1]
        return placed([*curve, (x, y), (right, y), (right, y)] if x < right else curve)

    edges_of_cards = [y + side * h / 2 for (_, y), (_, h) in zip(nodes, shape.sizes) for side in (-1, 1)]
    heights = edges_of_cards + [y for curves_ in (inner, *entering, leaving) for curve in curves_ for _, y in curve]
    return Plan(
        centres=tuple(placed(nodes)),
        inner=tuple(map(placed, inner)),
        entering=tuple(tuple(map(entering_, uses)) for uses in entering),
        leaving=tuple(map(leaving_, leaving)),
        width=round(right - left, 2),
        bottom=round(level - max(heights), 2),
        top=round(level - min(heights), 2),
    )


def _source(shape: Shape) -> str:
    """The DOT of one time step.

    Data flow from left to right. A leaf that is used once stands above or below its use, which keeps the
    step narrow: an edge within a rank makes its tail come before its head, so one leaf is attached by an edge
    that is turned round for the purpose of the layout.
    """
    beside = beside_their_use(shape)
    straight = _straight_edges(shape)

    def weight(tail: str, head: str) -> int:
        return 30 if (tail, head) in straight else 1

    gap, rank_gap = (0.32, 0.62) if shape.roomy else (0.13, 0.22)
    out = [
        "digraph {",
        f"graph [rankdir=LR nodesep={gap} ranksep={rank_gap}]",
        'node [shape=box fixedsize=true label=""]',
        "edge [dir=none]",
    ]
    for i, (width, height) in enumerate(shape.sizes):
        out.append(f"n{i} [width={width / POINTS_PER_INCH:.4f} height={height / POINTS_PER_INCH:.4f}]")
    door = "[shape=point width=0.01 height=0.01]"
    for kind, count, rank in (("i", len(shape.entries), "source"), ("o", len(shape.exits), "sink")):
        if count:
            out.append(f"{{rank={rank}; " + " ".join(f"{kind}{i} {door};" for i in range(count)) + "}")
    for i, uses in enumerate(shape.entries):
        for j, use in enumerate(uses):
            out.append(f'i{i} -> n{use} [id="i{i}.{j}" weight={weight(f"i{i}", f"n{use}")}]')
    for i, (tail, head) in enumerate(shape.edges):
        if tail in beside and beside[tail][0] == head:
            turned = beside[tail][1]
            ends = f"n{head} -> n{tail}" if turned else f"n{tail} -> n{head}"
            out.append(f'{{rank=same; n{tail}; n{head}}} {ends} [id="e{i}"]')
        else:
            ends = f"n{tail} -> n{head}"
            out.append(f'{ends} [id="e{i}" weight={weight(f"n{tail}", f"n{head}")}]')
    for i, node in enumerate(shape.exits):
        out.append(f'n{node} -> o{i} [id="o{i}" weight={weight(f"n{node}", f"o{i}")}]')
    return "\n".join([*out, "}"])


def beside_their_use(shape: Shape) -> dict[int, tuple[int, bool]]:
    """Leaf → (its one use, whether it comes after it): at most one leaf on either side."""
    uses: dict[int, list[int]] = {}
    for tail, head in shape.edges:
        uses.setdefault(tail, []).append(head)
    beside: dict[int, tuple[int, bool]] = {}
    guests: dict[int, int] = {}
    for tail, heads in uses.items():
        if shape.leaves[tail] and len(heads) == 1 and tail not in shape.exits and guests.get(heads[0], 0) < 2:
            beside[tail] = heads[0], not guests.get(heads[0], 0)
            guests[heads[0]] = guests.get(heads[0], 0) + 1
    return beside


def _straight_edges(shape: Shape) -> set[tuple[str, str]]:
    """The edges that are to lie in a straight line, by the names of their ends."""
    edges: set[tuple[str, str]] = set()
    for entry, goal in shape.straight:
        way = shortest_way(shape, shape.entries[entry], goal)
        if way:
            doors = [f"o{i}" for i, node in enumerate(shape.exits) if node == goal]
            names = [f"i{entry}", *(f"n{node}" for node in way), *doors]
            edges.update(pairwise(names))
    return edges


def shortest_way(shape: Shape, starts: Sequence[int], goal: int) -> list[int]:
    """Nodes from one of the starts to the goal; none if there is no way."""
    following: dict[int, list[int]] = {}
    for tail, head in shape.edges:
        following.setdefault(tail, []).append(head)
    came_from: dict[int, int | None] = dict.fromkeys(starts)
    to_visit = deque(came_from)
    while to_visit and goal not in came_from:
        node = to_visit.popleft()
        for head in following.get(node, ()):
            if head not in came_from:
                came_from[head] = node
                to_visit.append(head)
    way: list[int] = []
    node_or_none: int | None = goal if goal in came_from else None
    while node_or_none is not None:
        way.append(node_or_none)
        node_or_none = came_from[node_or_none]
    return way[::-1]


def points(pos: str) -> Curve:
    """The points of a ``pos`` of Graphviz, whether it marks one as the tip of an arrow or not."""
    return [(float(x), float(y)) for x, y in (pair.split(",")[-2:] for pair in pos.split())]


def _directed(curve: Curve, start: tuple[float, float]) -> Curve:
    """The curve, turned round if it ends where it should start."""

    def distance(end: tuple[float, float]) -> float:
        return (end[0] - start[0]) ** 2 + (end[1] - start[1]) ** 2

    return curve if distance(curve[0]) <= distance(curve[-1]) else curve[::-1]
