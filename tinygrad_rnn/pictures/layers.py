"""Positions without Graphviz: one time step of a cell that we know, in layers (Sugiyama, Tagawa and Toda 1981).

Data flow from left to right, through one layer after the other. A leaf that is used once stands above or below its use.
What spans several layers passes through each of them at a place of its own, so that no line crosses a card. Within the
layers, everything moves towards what it is joined to until it is as straight as it can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ..support.sums import add_up
from . import geometry
from .geometry import Curve, Point
from .layout import Plan, Shape, beside_their_use, shortest_way

_GAP, _LEAF_GAP, _LAYER_GAP, _ROOMY_GAP = 8.0, 5.0, 26.0, 52.0  # points
_SWEEPS = 12


@dataclass(eq=False)
class _Item:
    """An item that takes a place in a layer: a node with the leaves beside it, or a line that passes through.

    Attributes:
        node: None for a line.
        above, below: the leaves.
        up, down: how far it reaches from its middle.
        before, after: the items that it is joined to, in the layers on either side.
        y: where its middle is, upwards.
    """

    node: int | None
    layer: int
    up: float = 2.0
    down: float = 2.0
    above: list[int] = field(default_factory=list)
    below: list[int] = field(default_factory=list)
    before: list[_Item] = field(default_factory=list)
    after: list[_Item] = field(default_factory=list)
    y: float = 0.0


def plan(shape: Shape) -> Plan:
    """Lay out one time step, the same way every time."""
    beside = {leaf: use for leaf, (use, _) in beside_their_use(shape).items()}
    layers = _layers(shape, beside)
    items = _items(shape, beside, layers)
    edges = [(tail, head) for tail, head in shape.edges if tail not in beside]
    last = max(layers.values(), default=0) + 1
    doors_in = [_Item(None, -1) for _ in shape.entries]
    doors_out = [_Item(None, last) for _ in shape.exits]
    passing = [_joined(items[tail], items[head]) for tail, head in edges]
    entering = [[_joined(door, items[use]) for use in uses] for door, uses in zip(doors_in, shape.entries)]
    leaving = [_joined(items[node], door) for node, door in zip(shape.exits, doors_out)]
    rows: list[list[_Item]] = [[] for _ in range(last + 2)]
    for item in (*doors_in, *items.values(), *doors_out):
        rows[item.layer + 1].append(item)
    for chain in (*passing, *(chain for chains in entering for chain in chains), *leaving):
        for item in chain[1:-1]:
            rows[item.layer + 1].append(item)
    _order(rows)
    ways = _straight(shape, items, edges, passing, entering, leaving)
    _settle(rows, ways)
    return _plan(shape, rows, items, passing, edges, entering, leaving, beside)


def _layers(shape: Shape, beside: dict[int, int]) -> dict[int, int]:
    """The layer of every node: as late as its uses allow, so that what is added late also stands late."""
    nodes = [node for node in range(len(shape.sizes)) if node not in beside]
    uses: dict[int, list[int]] = {node: [] for node in nodes}
    parents: dict[int, list[int]] = {node: [] for node in nodes}
    for tail, head in shape.edges:
        if tail not in beside:
            uses[tail].append(head)
            parents[head].append(tail)
    earliest: dict[int, int] = {}
    for node in _in_order(nodes, parents, uses):
        earliest[node] = max((earliest[parent] + 1 for parent in parents[node]), default=0)
    latest: dict[int, int] = {}
    entered, early = {use for group in shape.entries for use in group}, set(shape.early)
    for node in reversed(_in_order(nodes, parents, uses)):
        end = min((latest[use] - 1 for use in uses[node]), default=earliest[node])
        latest[node] = earliest[node] if node in shape.exits and not uses[node] else end
        if node in early or (node in entered and not parents[node] and len(uses[node]) != 1):
            latest[node] = earliest[node]
    first = min(latest.values(), default=0)
    return {node: layer - first for node, layer in latest.items()}


def _in_order(nodes: Sequence[int], parents: dict[int, list[int]], uses: dict[int, list[int]]) -> list[int]:
    """The nodes, each after its parents."""
    missing = {node: len(parents[node]) for node in nodes}
    ready = [node for node in nodes if not missing[node]]
    order = []
    while ready:
        node = ready.pop(0)
        order.append(node)
        for use in uses[node]:
            missing[use] -= 1
            if not missing[use]:
                ready.append(use)
    return order


def _items(shape: Shape, beside: dict[int, int], layers: dict[int, int]) -> dict[int, _Item]:
    items = {node: _Item(node, layer) for node, layer in layers.items()}
    for leaf, use in beside.items():
        (items[use].below if items[use].above else items[use].above).append(leaf)
    for node, item in items.items():
        half = shape.sizes[node][1] / 2
        item.up = half + add_up(shape.sizes[leaf][1] + _LEAF_GAP for leaf in item.above) + _GAP / 2
        item.down = half + add_up(shape.sizes[leaf][1] + _LEAF_GAP for leaf in item.below) + _GAP / 2
    return items


def _joined(start: _Item, end: _Item) -> list[_Item]:
    """The items from one to the other, a passing line in every layer between them."""
    chain = [start, *(_Item(None, layer) for layer in range(start.layer + 1, end.layer)), end]
    for one, other in pairwise(chain):
        one.after.append(other)
        other.before.append(one)
    return chain


def _straight(
    shape: Shape,
    items: dict[int, _Item],
    edges: list[tuple[int, int]],
    passing: list[list[_Item]],
    entering: list[list[list[_Item]]],
    leaving: list[list[_Item]],
) -> dict[_Item, int]:
    """The items that should lie in a straight line, with the number of that line; each is in one at most."""
    chains = dict(zip(edges, passing))
    lines: dict[_Item, int] = {}
    for number, (entry, goal) in enumerate(shape.straight):
        way = shortest_way(shape, shape.entries[entry], goal)
        if not way or any(node not in items for node in way):
            continue
        found = list(entering[entry][shape.entries[entry].index(way[0])])
        for pair in pairwise(way):
            found += chains[pair]
        found += [item for chain in leaving if chain[0] is items[goal] for item in chain]
        for item in found:
            lines.setdefault(item, number)
    return lines


def _order(rows: list[list[_Item]]) -> None:
    """Put the items of every layer in the order of what they are joined to, back and forth."""
    place: dict[_Item, float] = {}

    def number(row: list[_Item]) -> None:
        for i, item in enumerate(row):
            place[item] = (i + 0.5) / len(row)

    for row in rows:
        number(row)
    for sweep in range(_SWEEPS):
        forwards = sweep % 2 == 0
        for row in rows if forwards else reversed(rows):
            middles = {}
            for item in row:
                joined = item.before if forwards else item.after
                middles[item] = add_up(map(place.__getitem__, joined)) / len(joined) if joined else place[item]
            row.sort(key=middles.__getitem__)
            number(row)


def _settle(rows: list[list[_Item]], lines: dict[_Item, int]) -> None:
    """Find a height for every item: towards what it is joined to, in the order of its layer, without overlap.

    Items of a line that should be straight move towards each other alone.
    """
    for row in rows:
        y = 0.0
        for item in row:
            y -= item.up
            item.y = y
            y -= item.down
        middle = (row[0].y + row[-1].y) / 2 if row else 0.0
        for item in row:
            item.y -= middle
    for sweep in range(2 * _SWEEPS):
        forwards = sweep % 2 == 0
        for row in rows if forwards else reversed(rows):
            wanted = []
            for item in row:
                joined = (item.before if forwards else item.after) or item.before or item.after
                if item in lines:
                    own = [other for other in (*item.before, *item.after) if lines.get(other) == lines[item]]
                    joined = [other for other in joined if other in own] or own or joined
                wanted.append(add_up(other.y for other in joined) / len(joined) if joined else item.y)
            _pack(row, wanted, lines)


def _pack(row: list[_Item], wanted: Sequence[float], lines: dict[_Item, int]) -> None:
    """Move every item as near as possible to where it should be: blocks that would overlap move together."""
    blocks: list[tuple[list[int], float, float]] = []  # items, sum of weights, weighted sum of the wanted top
    offsets = []
    offset = 0.0
    for item in row:
        offset += item.up
        offsets.append(offset)
        offset += item.down
    for i, item in enumerate(row):
        weight = 1e6 if item in lines else 1.0  # what should be straight gives way to nothing else
        block = [i], weight, weight * (wanted[i] + offsets[i])
        while blocks and blocks[-1][2] / blocks[-1][1] < block[2] / block[1]:
            before = blocks.pop()
            block = before[0] + block[0], before[1] + block[1], before[2] + block[2]
        blocks.append(block)
    for members, weights, total in blocks:
        for i in members:
            row[i].y = total / weights - offsets[i]


def _plan(
    shape: Shape,
    rows: list[list[_Item]],
    items: dict[int, _Item],
    passing: list[list[_Item]],
    edges: list[tuple[int, int]],
    entering: list[list[list[_Item]]],
    leaving: list[list[_Item]],
    beside: dict[int, int],
) -> Plan:
    gap = _ROOMY_GAP if shape.roomy else _LAYER_GAP
    middles, widths = {}, {}
    x = 0.0
    for i, row in enumerate(rows):
        nodes = [node for item in row if item.node is not None for node in (item.node, *item.above, *item.below)]
        width = max((shape.sizes[node][0] for node in nodes), default=0.0)
        x += gap if 0 < i < len(rows) - 1 else gap / 2 if i else 0.0
        middles[i - 1], widths[i - 1] = x + width / 2, width
        x += width
    anchors = [node for _, node in shape.straight] or list(shape.exits)
    level = items[anchors[0]].y if anchors else 0.0
    centres: dict[int, Point] = {}
    for node, item in items.items():
        y, mx, half = item.y - level, middles[item.layer], shape.sizes[node][1] / 2
        centres[node] = mx, y
        for side, leaves in ((1, item.above), (-1, item.below)):
            edge = y + side * half
            for leaf in leaves:
                edge += side * (_LEAF_GAP + shape.sizes[leaf][1] / 2)
                centres[leaf] = mx, edge
                edge += side * shape.sizes[leaf][1] / 2

    def course(chain: Sequence[_Item]) -> Curve:
        points: list[Point] = []
        for i, item in enumerate(chain):
            y, half = item.y - level, widths[item.layer] / 2
            if item.node is not None:
                half = shape.sizes[item.node][0] / 2
            mx = middles[item.layer]
            points += [(mx - half, y)] if i else []
            points += [(mx + half, y)] if i < len(chain) - 1 else []
        pieces = [geometry.sweep(a, b) for a, b in pairwise(points)]
        return geometry.joined(*pieces)

    courses = iter([course(chain) for chain in passing])
    inner: list[Curve] = []
    for tail, head in shape.edges:
        if tail not in beside:
            inner.append(next(courses))
            continue
        (px, py), (_, qy) = centres[tail], centres[head]
        up = 1.0 if py > qy else -1.0
        start = py - up * shape.sizes[tail][1] / 2
        inner.append(geometry.straight((px, start), (px, qy + up * shape.sizes[head][1] / 2)))
    tops = [y + shape.sizes[node][1] / 2 for node, (_, y) in centres.items()]
    bottoms = [y - shape.sizes[node][1] / 2 for node, (_, y) in centres.items()]
    lines = [item.y - level for row in rows for item in row]
    return Plan(
        centres=tuple(_rounded([centres[node] for node in range(len(shape.sizes))])),
        inner=tuple(map(_rounded, inner)),
        entering=tuple(tuple(_rounded(course(chain)) for chain in chains) for chains in entering),
        leaving=tuple(_rounded(course(chain)) for chain in leaving),
        width=round(x, 2),
        bottom=round(min(bottoms + lines), 2),
        top=round(max(tops + lines), 2),
    )


def _rounded(points: Sequence[Point]) -> Curve:
    return [(round(x, 2), round(y, 2)) for x, y in points]
