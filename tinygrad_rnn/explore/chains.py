"""The chain from each loss back to every state: its factors, one per time step, and their product.

Between two neighbouring time steps a chain hops from one state entry to another. A hop looks the same in
every chain that takes it, so that hops are told once, and a chain is the list of entries that it visits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..backward import topological_order
from ..bptt import Unrolled
from ..draw import chain as paths
from ..draw import graph, text
from ..gradcheck import gradients
from ..value import Value
from .graph import Numbering

Roots = Sequence[tuple[int | None, Value]]

MOST_CHAINS = 20_000  # (loss, state entry) pairs told in the page


def chains(
    unrolled: Unrolled, loss: Value, roots: Roots, numbers: Numbering, steps: Mapping[Value, int | None]
) -> dict[str, Any]:
    """The chains from the losses to the states.

    Args:
        unrolled: what the losses were computed from.
        loss: the whole loss L.
        roots: the losses that L is made of, with their time steps, each reached from L along one path.
        numbers, steps: of every Value.

    Returns:
        ``entries``: every state entry, as Value and time step. ``hops``: per (later, earlier) Value, the edges
        (child, position), the factor by name, by number, and its product. ``roots``: per loss, its first
        part from L to the last state, and per entry that it reaches the entry visited before it, the product
        along the chain, and, where that is not all, the whole gradient of L through this loss.
    """
    states = graph.states_of(unrolled)
    entries = [(value, t) for t in sorted(states) for _, _, value in states[t]]
    told = max(1, min(len(roots), MOST_CHAINS // max(1, len(entries))))
    from_loss = paths._best(topological_order(loss), {loss: (0.0, None)})
    hops: dict[tuple[int, int], list[Any]] = {}
    found = [
        _chains_from(root, t, loss, from_loss, states, entries, numbers, steps, hops) for t, root in roots[-told:]
    ]
    return {
        "entries": [[numbers[value], t] for value, t in entries],
        "hops": [[later, earlier, *hop] for (later, earlier), hop in hops.items()],
        "roots": [one for one in found if one],
        "left_out": len(roots) - told,
    }


def _chains_from(
    root: Value,
    t: int | None,
    loss: Value,
    from_loss: Mapping[Value, Any],
    states: Mapping[int, Sequence[tuple[str, int, Value]]],
    entries: Sequence[tuple[Value, int]],
    numbers: Numbering,
    steps: Mapping[Value, int | None],
    hops: dict[tuple[int, int], list[Any]],
) -> dict[str, Any] | None:
    order = topological_order(root)
    begin = paths._path(from_loss, root)
    weight = 1.0
    for link in begin:
        weight *= link.local_gradient
    from_root = paths._best(order, {root: (0.0, None)})
    reached = [step for step, own in states.items() if any(value in from_root for _, _, value in own)]
    if not reached:
        return None
    last = max(reached)
    starts = {value: (from_root[value][0], None) for _, _, value in states[last] if value in from_root}
    best = paths._best(order, starts)
    entered = [value for value, step in entries if step <= last and value in best]
    of_entry = set(entered)
    whole = dict(zip(entered, (weight * g for g in gradients(root, entered))))
    heads: dict[Value, paths.Factor] = {}
    products: dict[Value, tuple[float, float]] = {}  # log10 of the size, and the sign
    rows = []
    for value in reversed(entered):  # later time steps first
        if value in starts:
            heads[value] = paths._factor(None, [*begin, *paths._path(from_root, value)], steps)
            products[value] = paths._log10(heads[value].product), _sign(heads[value].product)
            later = None
        else:
            links = [best[value][1]]
            while links[0].child not in of_entry:
                links.insert(0, best[links[0].child][1])
            later = links[0].child
            key = numbers[later], numbers[value]
            factor = paths._factor(steps[later], links, steps)
            if key not in hops:
                hops[key] = _told(factor, links, numbers)
            log10, sign = products[later]
            products[value] = log10 + paths._log10(factor.product), sign * _sign(factor.product)
        product, gradient = text.power_of_ten(*products[value][::-1]), text.number(whole[value])
        row = [numbers[value], numbers[later] if later is not None else -1, product]
        rows.append(row if product == gradient else [*row, gradient])
    return {
        "t": t,
        "root": numbers[root],
        "last": last,
        "heads": [
            [numbers[value], [[numbers[link.child], link.position] for link in
                              [*begin, *paths._path(from_root, value)]], text.number(factor.product)]
            for value, factor in heads.items()
        ],
        "rows": rows,
    }


def _told(factor: paths.Factor, links: Sequence[paths.Link], numbers: Numbering) -> list[Any]:
    return [
        [[numbers[link.child], link.position] for link in links],
        " · ".join(name for name, _, _ in factor.terms) or "1",
        " · ".join(text.number(x) for _, x, _ in factor.terms),
        text.number(factor.product),
    ]


def _sign(x: float) -> float:
    return (x > 0) - (x < 0)



