"""The chain from each loss back to every state: its factors, one per time step, and their product.

Between two neighbouring time steps a chain hops from one state entry to another. A hop looks the same in
every chain that takes it, so that hops are told once, and a chain is the list of entries that it visits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..bptt import Unrolled
from ..bptt.jacobian import recurrent_matrix
from ..engine.backward import gradients, topological_order
from ..engine.value import Value
from ..nn import ScalarRNNCell
from ..pictures import graph, text
from ..pictures.chain import Factor, Link, best_ways, factor_of, log10_of, path_to, sign_of
from .graph import Numbering, Shades
from .walkthrough import Tick, finite, nothing

Roots = Sequence[tuple[int | None, Value]]

MOST_CHAINS = 20_000  # (loss, state entry) pairs told in the page


def chains(
    unrolled: Unrolled,
    loss: Value,
    roots: Roots,
    numbers: Numbering,
    steps: Mapping[Value, int | None],
    shades: Shades,
    tick: Tick = nothing,
) -> dict[str, Any]:
    """The chains from the losses, the latest ones if they are many, to the states.

    Args:
        unrolled: what the losses were computed from.
        loss: the whole loss L.
        roots: the losses that L is made of, with their time steps.
        numbers, steps: of every Value.
        shades: the colour scale.
        tick: called after every loss.

    Returns:
        ``entries``: every state entry, as Value and time step. ``hops``: later and earlier Value, the edges
        (child, position) between them, the factor by name and by number, and its product. ``roots``: see
        `_Teller.chains_from`. ``left_out``: how many losses are not told.
    """
    states = graph.states_of(unrolled)
    entries = [(value, t) for t in sorted(states) for _, _, value in states[t]]
    told = told_roots(unrolled, roots)
    teller = _Teller(loss, entries, numbers, steps, shades)
    found = []
    for t, root in roots[-told:]:
        found.append(teller.chains_from(root, t))
        tick()
    return {
        "entries": [[numbers[value], t] for value, t in entries],
        "hops": [[*ends, *hop] for ends, hop in teller.hops.items()],
        "roots": [chain for chain in found if chain],
        "left_out": len(roots) - told,
    }


def told_roots(unrolled: Unrolled, roots: Roots) -> int:
    """From how many losses, the latest, chains are told."""
    entries = sum(map(len, graph.states_of(unrolled).values()))
    return max(1, min(len(roots), MOST_CHAINS // max(1, entries)))


def factor(cell: object) -> str:
    """What the gradient is multiplied by at every step, by name; empty where there is no short name for it."""
    if recurrent_matrix(cell) is None:
        return ""
    W = "w" if isinstance(cell, ScalarRNNCell) else "W"
    nonlinearity = getattr(cell, "nonlinearity", "")
    if nonlinearity == "identity":
        return W
    slope = f"{nonlinearity}′(z_t)"
    return f"w · {slope}" if W == "w" else f"diag({slope}) W"


class _Teller:
    """Tells chains, and collects the hops that they take."""

    def __init__(
        self,
        loss: Value,
        entries: Sequence[tuple[Value, int]],
        numbers: Numbering,
        steps: Mapping[Value, int | None],
        shades: Shades,
    ) -> None:
        self.entries = entries
        self.numbers = numbers
        self.steps = steps
        self.shades = shades
        self.from_loss = best_ways(topological_order(loss), {loss: (0.0, None)})
        self.hops: dict[tuple[int, int], list[Any]] = {}

    def chains_from(self, root: Value, t: int | None) -> dict[str, Any] | None:
        """The chains from L through one loss: ``last``, the time step of the latest state that it reaches;
        ``heads``, the part from L to each entry of that state, with its edges and its product; and ``rows``, for
        every entry that it reaches the entry visited before it, the product along the chain, as text and as a level
        of the colour scale, and, where that is not all, the whole gradient of L through this loss. None if it
        reaches no state.
        """
        order = topological_order(root)
        from_root = best_ways(order, {root: (0.0, None)})
        last = max((step for value, step in self.entries if value in from_root), default=None)
        if last is None:
            return None
        begin = path_to(self.from_loss, root)
        starts = [value for value, step in self.entries if step == last and value in from_root]
        best = best_ways(order, {value: (from_root[value][0], None) for value in starts})
        reached = [value for value, step in self.entries if step <= last and value in best]
        weight = 1.0
        for link in begin:
            weight *= link.local_gradient
        whole = dict(zip(reached, (weight * gradient for gradient in gradients(root, reached))))
        ways = {value: [*begin, *path_to(from_root, value)] for value in starts}
        heads = {value: factor_of(last, links, self.steps).product if links else 1.0 for value, links in ways.items()}
        sizes = {value: (log10_of(product), sign_of(product)) for value, product in heads.items()}
        rows = []
        among = set(reached)
        for value in sorted(reached, key=self.numbers.__getitem__, reverse=True):  # the one visited before it first
            later = None
            if value not in heads:
                links = self._links_to(value, best, among)
                later = links[0].child
                factor = self._hop(later, value, links)
                log10, sign = sizes[later]
                sizes[value] = log10 + log10_of(factor), sign * sign_of(factor)
            log10, sign = sizes[value]
            row = [
                self.numbers[value],
                -1 if later is None else self.numbers[later],
                text.power_of_ten(sign, log10),
                self.shades.of_log(log10) if sign else -1,
            ]
            rows.append(row if _same(log10, sign, whole[value]) else [*row, text.number(whole[value])])
        return {
            "t": t,
            "root": self.numbers[root],
            "last": last,
            "heads": [[self.numbers[v], self._edges(ways[v]), text.number(heads[v])] for v in starts],
            "rows": rows,
        }

    def _links_to(self, value: Value, best: Mapping[Value, tuple[float, Link | None]], among: set[Value]) -> list[Link]:
        """The links from the state entry before it on the best way."""
        links: list[Link] = []
        while not links or links[0].child not in among:
            link = best[links[0].child if links else value][1]
            assert link is not None  # a way starts at a state entry
            links.insert(0, link)
        return links

    def _hop(self, later: Value, earlier: Value, links: Sequence[Link]) -> float:
        factor = factor_of(self.steps[later] or 0, links, self.steps)
        self.hops.setdefault((self.numbers[later], self.numbers[earlier]), self._told(factor, links))
        return factor.product

    def _told(self, factor: Factor, links: Sequence[Link]) -> list[Any]:
        return [
            self._edges(links),
            " · ".join(name for name, _, _ in factor.terms) or "1",
            " · ".join(text.number(x) for _, x, _ in factor.terms),
            text.number(factor.product),
            finite(factor.product),
        ]

    def _edges(self, links: Sequence[Link]) -> list[list[int]]:
        return [[self.numbers[link.child], link.position] for link in links]


def _same(log10: float, sign: float, gradient: float) -> bool:
    """Whether a gradient is a product but for rounding, which below 1e-290 takes all digits and in the end all."""
    if log10 < -290.0:
        return abs(gradient) < 1e-280
    return sign_of(gradient) == sign and math.isclose(log10_of(gradient), log10, rel_tol=0.0, abs_tol=1e-9)
