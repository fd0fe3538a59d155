"""The chain from the loss back to an early state: its factors, their product, and the law that they follow."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ..engine.value import Value
from ..errors import ArgumentError
from ..support.sums import add_up
from . import text
from .graph import TimeStep, local_gradients

_NOTHING = -1e9  # for log10 of a factor 0 or unknown: a path through it is taken only if there is no other


@dataclass(frozen=True, slots=True)
class Link:
    """One edge of a path, seen backwards: from a node to its operand."""

    child: Value
    parent: Value
    position: int
    local_gradient: float


@dataclass(frozen=True)
class Factor:
    """The factor by which one time step multiplies the gradient: the product of the local derivatives along its links.

    Attributes:
        step: the time step; that of the part in the loss is T.
        later, earlier: what the step leads from and to, going backwards: h_t and h_{t-1}.
        terms: the derivatives that are not 1 by nature, as (how it is written, number, tied weight or None).
        product: their product.
    """

    step: int
    later: Value
    earlier: Value
    terms: tuple[tuple[str, float, Value | None], ...]
    product: float

    @property
    def uses_a_tied_weight_once(self) -> bool:
        """Whether exactly one of the terms is a tied weight."""
        return sum(weight is not None for _, _, weight in self.terms) == 1


@dataclass(frozen=True)
class Chain:
    """The path from the loss to a state along which the product of local derivatives is largest.

    It leads from the loss to the last state, and from there through every state back to h_k.

    Attributes:
        root: where it starts: the loss.
        last: h_T, the state where the part in the loss ends.
        target: h_k.
        k, T: their time steps.
        links: the path.
        head: the part from the loss to h_T as one factor.
        factors: per time step T … k+1.
        paths: all edges (child, position) that lie on any path from the loss to h_k.
    """

    root: Value
    last: Value
    target: Value
    k: int
    T: int
    links: tuple[Link, ...]
    head: Factor
    factors: tuple[Factor, ...]
    paths: frozenset[tuple[Value, int]] = field(repr=False)

    @property
    def only(self) -> bool:
        """Whether it is the only path, so that its product is the whole gradient."""
        return len(self.paths) == len(self.links)

    @property
    def product(self) -> float:
        """The product of all local derivatives, as a double."""
        return math.prod((factor.product for factor in self.factors), start=self.head.product)

    @property
    def log10(self) -> float:
        """log10 of its size, also where a double has no room for it."""
        return self.back_to(self.k)[1]

    @property
    def sign(self) -> float:
        """Its sign: 1, -1, or 0 for a product that is exactly 0."""
        return self.back_to(self.k)[0]

    def back_to(self, t: int) -> tuple[float, float]:
        """The sign and log10 of the size of the product from the loss back to h_t, T >= t >= k."""
        return self._so_far[t]

    @cached_property
    def _so_far(self) -> dict[int, tuple[float, float]]:
        sign, log10 = sign_of(self.head.product), log10_of(self.head.product)
        so_far = {self.T: (sign, log10)}
        t = self.T
        for factor in self.factors:
            sign, log10 = sign * sign_of(factor.product), log10 + log10_of(factor.product)
            before = factor.step - 1
            so_far.update((u, (sign, log10)) for u in range(before, t))
            t = before
        so_far.update((u, (sign, log10)) for u in range(self.k, t))
        return so_far

    @property
    def rest_sign(self) -> float:
        """The sign of the product of all terms that are not a tied weight, from h_T back to h_k."""
        return math.prod(sign_of(x) for factor in self.factors for _, x, weight in factor.terms if weight is None)

    @property
    def tied(self) -> tuple[Value, int, float, float] | None:
        """If every step multiplies by the same tied weight once: the weight, how often, its power, and the
        product of all other terms, with both as log10 of the size; else None.
        """
        weights = [weight for factor in self.factors for _, _, weight in factor.terms if weight is not None]
        if not weights or len(set(weights)) > 1 or not all(f.uses_a_tied_weight_once for f in self.factors):
            return None
        others = add_up(log10_of(x) for factor in self.factors for _, x, weight in factor.terms if weight is None)
        return weights[0], len(weights), len(weights) * log10_of(weights[0].data), others


def strongest(
    steps: Mapping[Value, TimeStep],
    root: Value | None,
    states: Mapping[int, Sequence[tuple[str, int, Value]]],
    k: int | None,
    name: str,
) -> Chain | None:
    """The chain to light.

    Args:
        steps: the time step of every node, in order of creation.
        root: the loss; None starts from the last state.
        states: the state entries by time step.
        k: back to which time step; None: the earliest that the loss reaches.
        name: the state to reach.

    Raises:
        ArgumentError: there is no h_k, or the loss does not depend on it.
    """
    if k is not None and k not in states:
        raise ArgumentError(f"there is no {name}_{k}", remedy=f"Choose k from {min(states)} to {max(states)}")
    order = list(steps)[::-1]
    last_step = max(states)
    if root is None:
        from_root: dict[Value, tuple[float, Link | None]] = {
            value: (0.0, None) for own, _, value in states[last_step] if own == name
        }
    else:
        from_root = best_ways(order, {root: (0.0, None)})
    reached = [t for t, entries in states.items() if any(value in from_root for _, _, value in entries)]
    if not reached:
        return None
    last_step = max(reached)
    starts = {value: (from_root[value][0], None) for _, _, value in states[last_step] if value in from_root}
    from_last = best_ways(order, starts)  # type: ignore[arg-type]
    ends = {t: [v for own, _, v in states[t] if own == name and v in from_last] for t in sorted(states)}
    if k is None:
        k = next((t for t, values in ends.items() if values), None)
        if k is None:
            return None
    if not ends[k]:
        raise ArgumentError(
            f"{name}_{k} has no path to the loss", time_step=k, remedy="Choose a later k, or another loss"
        )
    target = max(ends[k], key=lambda value: from_last[value][0])
    back = path_to(from_last, target)
    last = back[0].child if back else target
    head = path_to(from_root, last)
    by_step: dict[int, list[Link]] = {}
    for link in back:
        by_step.setdefault(steps[link.child] or 0, []).append(link)  # what depends on a state is within time
    return Chain(
        root=head[0].child if head else last,
        last=last,
        target=target,
        k=k,
        T=last_step,
        links=(*head, *back),
        head=factor_of(last_step, head, steps) if head else Factor(last_step, last, last, (), 1.0),
        factors=tuple(factor_of(t, links, steps) for t, links in by_step.items()),
        paths=_all_paths(order, head[0].child if head else last, starts, ends[k]),
    )


def best_ways(
    order: Iterable[Value], best: dict[Value, tuple[float, Link | None]]
) -> dict[Value, tuple[float, Link | None]]:
    """The best way from any of the given nodes to each node: the log10 of its product, and its last link."""
    best = dict(best)
    for child in order:
        if child not in best or not child.parents:
            continue
        so_far = best[child][0]
        for position, (parent, gradient) in enumerate(zip(child.parents, local_gradients(child))):
            log = so_far + max(_NOTHING, log10_of(gradient))  # in this order NaN also counts as nothing
            if parent not in best or log > best[parent][0]:
                best[parent] = log, Link(child, parent, position, gradient)
    return best


def path_to(best: Mapping[Value, tuple[float, Link | None]], end: Value) -> list[Link]:
    """The links of the best way to a node, from where it starts."""
    links: list[Link] = []
    link = best[end][1]
    while link is not None:
        links.append(link)
        link = best[link.child][1]
    return links[::-1]


def _all_paths(
    order: Sequence[Value], root: Value, starts: Iterable[Value], targets: Iterable[Value]
) -> frozenset[tuple[Value, int]]:
    below = {root, *starts}
    for child in order:
        if child in below:
            below.update(child.parents)
    above = set(targets)
    edges = []
    for child in reversed(order):
        for position, parent in enumerate(child.parents):
            if parent in above:
                above.add(child)
                if child in below:
                    edges.append((child, position))
    return frozenset(edges)


def factor_of(step: int, links: Sequence[Link], steps: Mapping[Value, TimeStep]) -> Factor:
    """The product of the local derivatives along links of a time step."""
    terms = [term for link in links if (term := _term(link, steps))]
    terms.sort(key=lambda term: term[2] is None)  # w·tanh′, as the law is written
    product = math.prod(link.local_gradient for link in links)
    return Factor(step, links[0].child, links[-1].parent, tuple(terms), product)


def _term(link: Link, steps: Mapping[Value, TimeStep]) -> tuple[str, float, Value | None] | None:
    """The derivative along a link in writing: w for a product with w, tanh′(z_3) for a function."""
    rule, x = link.child.operation, link.local_gradient
    formula = rule.local_formulas[link.position] if rule.local_formulas else ""
    if formula == "1":
        return None
    if formula == "−1":
        return "(−1)", x, None
    lone = {"{0}": 0, "{1}": 1}.get(formula)
    if lone is not None:
        other = link.child.parents[lone]
        return text.clipped(other.label, 20) or text.number(x), x, other if steps[other] is None else None
    if rule.arity == 1 and rule.symbol.isalpha():
        return f"{rule.symbol}′({text.clipped(link.parent.label, 20) or '…'})", x, None
    return text.number(x), x, None


def sign_of(x: float) -> float:
    """1, -1, or 0 for zero."""
    return math.copysign(1.0, x) if x else 0.0


def log10_of(x: float) -> float:
    """log₁₀|x|, which is -inf at 0 and inf where x is infinite."""
    if math.isnan(x):
        return x
    return math.log10(abs(x)) if x and math.isfinite(x) else math.inf if x else -math.inf
