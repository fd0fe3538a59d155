"""The numbers of a picture: everything that the coarser levels say about the time steps that are shown, computed once.

Time depends on what is shown: of a folded time step nothing is computed except what of the gradient is left there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce

from ..bptt import Unrolled
from ..bptt.jacobian import jacobian, jacobian_products, power, recurrent_matrix
from ..bptt.straight import straight_gate
from ..bptt.verdict import Verdict, kept, share, verdict
from ..engine.backward import local_gradients, topological_order
from ..engine.value import Value
from ..errors import ArgumentError, DomainError, GraphError
from ..nn.cells import RNNCell, ScalarRNNCell
from ..nn.gated import GRUCell, LSTMCell
from ..nn.linalg import Rows, product, spectral_norm
from ..nn.quantities import entries
from ..support.sums import exact_sum, norm_of
from . import text
from .chain import Factor, best_ways, factor_of, path_to
from .view import View

_OURS = (ScalarRNNCell, RNNCell, LSTMCell, GRUCell)
_MOST_IN_NORM = 32  # entries of a state, up to which ‖J_t‖ is computed: a backward pass for each, every time step
_CHEAP = 5000  # time steps times entries of the state squared: a pass of our own takes a tenth of a second
MOST_BARS = 120  # of what is left of the gradient, over folded time steps


@dataclass(frozen=True)
class Fold:
    """Time steps that are not drawn, from ``first`` to ``last``."""

    first: int
    last: int

    @property
    def count(self) -> int:
        """Their number."""
        return self.last - self.first + 1


@dataclass(frozen=True)
class Link:
    """The factor by which one time step multiplies the gradient, on its way from s_t back to s_{t-1}.

    Attributes:
        step: t.
        factor: for a state of one number, J_t, with its sign; else ‖∂L_T/∂s_{t-1}‖ / ‖∂L_T/∂s_t‖.
        terms: for a state of one number that is reached along one path, what J_t is made of: how it is written, the
            number, and the tied weight that it is, if it is one.
        J: J_t, for a state of several numbers that has no gates; None where it would take long.
    """

    step: int
    factor: float
    terms: tuple[tuple[str, float, Value | None], ...]
    J: Rows | None

    @property
    def norm(self) -> float | None:
        """‖J_t‖₂."""
        return None if self.J is None else spectral_norm(self.J)


@dataclass(frozen=True)
class Law:
    """The factors as they would be without nonlinearities: w^(T−k), or a bound, or the product of the gates.

    Attributes:
        name: how it is written: ``w``, or ``‖W‖``.
        number: the size of one factor, for a power; None for a product of gates, which differ.
        log10: of its size at the end of the chain, also where a double has no room for it.
        at: its size by time step k.
        is_bound: whether the gradient may be smaller, but not larger.
    """

    name: str
    number: float | None
    log10: float
    at: Mapping[int, float]
    is_bound: bool

    @classmethod
    def power(cls, name: str, number: float, lags: Mapping[int, int], lag: int, is_bound: bool = False) -> Law:
        """The law of a power, at every lag by time step, and at that of the end of the chain."""
        log10 = lag * (math.log10(number) if number else -math.inf) if lag else 0.0
        return cls(name, number, log10, {k: power(number, each) for k, each in lags.items()}, is_bound)


class Subject:
    """An unrolled network, its loss, and the time steps that are to be drawn.

    Attributes:
        unrolled: the network.
        loss: what was computed from it, if anything.
        view: what is to be drawn.
        names: the parts of the state, from top to bottom: first the one that the chain follows; then upper layers.
        first, T: the time steps of the initial and of the last state that the loss uses.
        k: the time step to which the chain is lit; None: it is not.
        root: what the loss is called.
    """

    def __init__(self, unrolled: Unrolled, loss: Value | None, view: View, limit: int) -> None:
        self.unrolled, self.loss, self.view = unrolled, loss, view
        self.first, self.last = unrolled.first - 1, unrolled.T
        self.root = text.clipped(loss.label or "L", 12) if loss is not None else ""
        if view.state is not None and view.state not in unrolled.state_names:
            raise ArgumentError(
                f"no state {view.state!r}", remedy=f"There is {', '.join(unrolled.state_names)}", node=view.state
            )
        if view.k is not None and not self.first <= view.k <= self.last:
            name = view.state or unrolled.state_names[0]
            raise ArgumentError(
                f"there is no {name}_{view.k}", remedy=f"Choose k from {self.first} to {self.last}", time_step=view.k
            )
        self._ways_at: dict[int, tuple[list[tuple[str, str]], list[tuple[str, str]], list[str]]] = {}
        self.columns = self._columns(limit)
        self.shown = [column for column in self.columns if isinstance(column, int)]
        self.parts = (view.state,) if view.state else unrolled.state_names
        straight = self.straight_name
        self.names = [*reversed(unrolled.state_names)]
        self.names.sort(key=lambda name: name != (view.state or straight))

    # ---- which time steps -----------------------------------------------------------------------------------

    def _columns(self, limit: int) -> list[int | Fold]:
        """The time steps to draw and the folds between them, in order; the loss, if any, comes after the last."""
        first, last = self.first, self.last
        if self.view.only is None:
            chosen = [*range(first, last + 1)]
        else:
            low, high = self.view.only
            if high < first or low > last:
                raise ArgumentError(f"only {low}..{high}", remedy=f"There are time steps {first} to {last}")
            chosen = [*range(max(low, first), min(high, last) + 1)]
        if len(chosen) > limit:
            ahead = max(1, min(3, limit // 3))
            behind = max(1, limit - ahead)
            chosen = [*chosen[:ahead], *chosen[len(chosen) - behind :]]
        columns: list[int | Fold] = []
        before = first - 1
        for step in [*chosen, last + 1]:
            if step > before + 1:
                columns.append(Fold(before + 1, step - 1))
            if step <= last:
                columns.append(step)
            before = step
        return columns

    # ---- states -----------------------------------------------------------------------------------------------

    @cached_property
    def size(self) -> int:
        """The number of entries of the whole state."""
        return len(self.unrolled.state(self.last))

    @property
    def is_built_in(self) -> bool:
        """Whether the cell is one of ours, unchanged."""
        cell = type(self.unrolled.cell)
        return any(issubclass(cell, ours) and cell.step is ours.step for ours in _OURS)

    @property
    def is_scalar(self) -> bool:
        """Whether the state is a single number."""
        return self.size == 1

    def state(self, name: str, step: int) -> list[Value]:
        """The entries of a part of the state."""
        return entries(self.unrolled[name][step])

    def data(self, values: Sequence[Value]) -> float:
        """The number, or the norm of several."""
        return values[0].data if len(values) == 1 else norm_of(value.data for value in values)

    @cached_property
    def ran(self) -> bool:
        """Whether there was a backward pass, so that what has no gradient was not reached by it."""
        if self.loss is not None:
            return self.loss.has_grad
        return any(value.has_grad for t in self.shown for value in self.unrolled.state(t))

    def gradient(self, values: Sequence[Value]) -> float | None:
        """The gradient, or the norm of several; None where there is none."""
        if not any(value.has_grad for value in values):
            return None
        return values[0].grad if len(values) == 1 else norm_of(value.grad for value in values)

    # ---- the chain ----------------------------------------------------------------------------------------------

    @cached_property
    def T(self) -> int:  # noqa: N802 (the name of the last time step everywhere)
        """The last time step whose state the loss uses."""
        return self.last if self.loss is None else max(self.direct, default=self.last)

    @cached_property
    def direct(self) -> dict[int, list[str]]:
        """The states that the loss is computed from without another state in between: names by time step."""
        if self.loss is None:
            return {}
        found: dict[int, list[str]] = {}
        names: dict[Value, str] = {}
        looked_up: set[int] = set()
        seen, to_visit = {self.loss}, [self.loss]
        while to_visit:
            node = to_visit.pop()
            step = node.time_step
            if step is not None and step not in looked_up:
                looked_up.add(step)
                for t in (step - 1, step):  # the initial state has no time step of its own
                    if self.first <= t <= self.last:
                        names.update((v, name) for name in self.unrolled.state_names for v in self.state(name, t))
            name = names.get(node)
            if name is not None:
                at = self.first if step is None else step
                if name not in found.setdefault(at, []):
                    found[at].append(name)
                continue
            for parent in node.parents:
                if parent not in seen:
                    seen.add(parent)
                    to_visit.append(parent)
        return found

    @cached_property
    def k(self) -> int | None:
        """The time step to which the chain is lit; None: it is not.

        Raises:
            ArgumentError: the loss depends on no state, or not on this one.
        """
        if not self.view.lit:
            return None
        if self.loss is not None and not self.direct:
            raise ArgumentError(
                "the loss depends on no state of what is to be drawn",
                node=self.loss.name,
                remedy="Give the loss that was computed from it, or lit=False; draw_dot(loss) draws any graph",
            )
        k = self.first if self.view.k is None else self.view.k
        if k > self.T:
            raise ArgumentError(
                f"{self.parts[0]}_{k} has no path to the loss", time_step=k, remedy="Choose an earlier k"
            )
        return k

    @cached_property
    def kept(self) -> dict[int, float]:
        """The part of the gradient at s_T that is left at s_k, for every k that is drawn or has a bar."""
        if self.k is None:
            return {}
        try:
            ratios = self._read_off() or self._passes()
        except (GraphError, DomainError):  # a derivative is unknown, or infinite
            ratios = dict.fromkeys(self.bars, math.nan)
        return {k: ratio for k, ratio in ratios.items() if k >= self.k}

    def _read_off(self) -> dict[int, float] | None:
        """`kept` from the gradients that ``backward()`` left, where a pass of our own would take long.

        None where it would not, where the loss uses more than the last state, or where another pass has overwritten
        gradients of what is shown.
        """
        if (self.last - self.first) * self.size**2 <= _CHEAP:
            return None
        if self.loss is None or not self.loss.has_grad or list(self.direct) != [self.T]:
            return None
        steps = [k for k in self.bars if k <= self.T]
        values = {k: self.unrolled.state(k, self.parts) for k in steps}
        if not all(value.has_grad for nodes in values.values() for value in nodes):
            return None
        start = norm_of(value.grad for value in values[self.T])
        links = [t for t in self.shown if t - 1 in values and t <= self.T]
        if not 0.0 < start < math.inf or not all(map(self._is_from_one_pass, links)):
            return None
        return {k: share(norm_of(value.grad for value in nodes), start) for k, nodes in values.items()}

    def _is_from_one_pass(self, t: int) -> bool:
        """Whether the gradients from time step t back to the state before it follow from each other, so that one pass
        left them.
        """
        before, after = self.unrolled.state(t - 1), self.unrolled.state(t)
        order = topological_order(*after, *before, stop=self.unrolled.state(t - 2) if t - 2 >= self.first else ())
        expected = dict.fromkeys([*before, *(node for node in order if node.parents)], 0.0)
        for child in order:
            for parent, slope in zip(child.parents, local_gradients(child)):
                if parent in expected:
                    expected[parent] += slope * child.grad
        for node in after:
            expected.pop(node, None)
        return all(math.isclose(node.grad, sum_, rel_tol=1e-6, abs_tol=1e-290) for node, sum_ in expected.items())

    def _passes(self) -> dict[int, float]:
        """`kept` by restricted backward passes; without a loss, the norm of ∂s_T/∂s_k, along all paths."""
        if self.loss is not None:
            found = kept(self.unrolled, self.loss, self.view.state)
            by_step = {self.T - lag: ratio for lag, ratio in enumerate(found)}
        else:
            own = set(self.unrolled.state(self.last, self.parts))
            places = [i for i, value in enumerate(self.unrolled.state(self.last)) if value in own]
            by_step = {
                k: spectral_norm([[chain[i][j] for j in places] for i in places])
                for k, chain, _ in jacobian_products(self.unrolled)
            }
        return {k: by_step[k] for k in self.bars if k in by_step}

    @cached_property
    def bars(self) -> list[int]:
        """The time steps at which it is shown what is left of the gradient: all, or some of the folded ones."""
        steps: set[int] = {self.T}
        folds = [column for column in self.columns if isinstance(column, Fold)]
        room = max(1, MOST_BARS // max(1, len(folds)))
        for column in self.columns:
            if isinstance(column, int):
                steps.add(column)
            else:
                stride = max(1, -(-column.count // room))
                steps.update(range(column.last, column.first - 1, -stride))
        if self.k is not None:
            steps.add(self.k)
        return sorted(steps)

    @cached_property
    def verdict(self) -> Verdict | None:
        """The verdict on the gradient from s_T back to s_k."""
        return verdict(self.left, self.T - self.end)

    @property
    def end(self) -> int:
        """k, or T where no chain is lit."""
        return self.T if self.k is None else self.k

    @property
    def is_exactly_0(self) -> bool:
        """Whether a factor that is shown is 0, so that the product is 0 and not only too small for a double."""
        return self.starts_at_0 or (self.is_scalar and any(link.factor == 0.0 for link in self.links.values()))

    @property
    def starts_at_0(self) -> bool:
        """Whether the gradient is 0 at s_T already, so that it says nothing about the factors."""
        return self.kept.get(self.T) == 0.0

    @property
    def left(self) -> float:
        """The part of the gradient at s_T that is left at the end of the chain."""
        return self.kept.get(self.end, 1.0)

    @cached_property
    def links(self) -> dict[int, Link]:
        """The link of every time step that is drawn together with the one before it, and is on the chain."""
        if self.k is None:
            return {}
        shown = set(self.shown)
        return {t: self._link(t) for t in self.shown if t - 1 in shown and self.k < t <= self.T}

    def _link(self, t: int) -> Link:
        try:
            if self.is_scalar:
                factor = self.factor(t)
                return Link(t, jacobian(self.unrolled, t)[0][0], factor.terms if factor is not None else (), None)
            J = None
            if self.gate_name is None and self.size <= _MOST_IN_NORM:
                J = jacobian(self.unrolled, t, self.parts, self.parts)
            return Link(t, self.ratio(t - 1, t), (), J)
        except (GraphError, DomainError):  # a derivative is unknown, or infinite
            return Link(t, math.nan, (), None)

    @property
    def chain_norm(self) -> float | None:
        """‖J_T ⋯ J_{k+1}‖₂; None if a factor is folded or not computed, or for a part of the state alone, which the
        gradient also reaches through the others.
        """
        factors = [link.J for _, link in sorted(self.links.items(), reverse=True) if link.J is not None]
        if len(factors) < self.T - self.end or self.is_scalar or self.parts != self.unrolled.state_names:
            return None
        return spectral_norm(reduce(product, factors))

    def ratio(self, before: int, after: int) -> float:
        """By what the gradient is multiplied from one time step back to another; NaN where that is 0 / 0."""
        later, earlier = self.kept[after], self.kept[before]
        return earlier / later if later else math.nan if not earlier else math.inf

    def factor(self, t: int) -> Factor | None:
        """The parts of J_t, if the state is a single number, and only one path leads through the time step."""
        (after,), (before,) = self.unrolled.state(t), self.unrolled.state(t - 1)
        order = topological_order(after, stop=[before])
        steps = {node: node.time_step for node in order}
        steps.update((parent, parent.time_step) for node in order for parent in node.parents)
        depends = {before}
        for node in reversed(order):
            ways = sum(parent in depends for parent in node.parents)
            if ways:
                depends.add(node)
            if ways > 1:
                return None
        ways_back = best_ways(order, {after: (0.0, None)})
        if before not in ways_back:
            return None
        return factor_of(t, path_to(ways_back, before), steps) if after is not before else None

    # ---- the law --------------------------------------------------------------------------------------------------

    @cached_property
    def law(self) -> Law | None:
        """The law that the factors follow, or would follow without their nonlinearities; None where there is none."""
        if self.k is None:
            return None
        if self.straight:
            log10 = self._straight[1][self.k]
            return Law(self.gate_name or "", None, log10, {k: self.straight[k] for k in self.kept}, False)
        lag, lags = self.T - self.k, {k: self.T - k for k in self.kept}
        W = recurrent_matrix(self.unrolled.cell)
        if W is not None:
            name = "w" if isinstance(self.unrolled.cell, ScalarRNNCell) else "‖W‖"
            return Law.power(name, spectral_norm(W), lags, lag, is_bound=name != "w")
        if len(self.links) < lag:  # what a cell of the user's own does in folded time steps is not known
            return None
        tied = [[value for _, _, value in link.terms if value is not None] for link in self.links.values()]
        if not self.is_scalar or any(len(values) != 1 for values in tied) or len({value for (value,) in tied}) != 1:
            return None
        ((weight,), *_) = tied
        return Law.power(text.clipped(weight.label or "w", 8), abs(weight.data), lags, lag)

    @cached_property
    def straight_name(self) -> str | None:
        """The part of the state that is handed on without a nonlinearity; None: there is none."""
        path = straight_gate(self.unrolled.cell)
        return path and path[0]

    @cached_property
    def gate_name(self) -> str | None:
        """The gate by which the straight path is multiplied."""
        path = straight_gate(self.unrolled.cell)
        return path and path[1]

    @cached_property
    def straight(self) -> dict[int, float]:
        """The part of a gradient at the last state that comes back straight, through the gates alone, by time step k.

        The gradient is ∂L_T/∂c_T where ``backward()`` has run, else 1 at every unit; the norm, relative to that at T.
        """
        return self._straight[0]

    @cached_property
    def _straight(self) -> tuple[dict[int, float], dict[int, float]]:
        """`straight`, and its log10, also where a double has no room for it."""
        name, gate = self.straight_name, self.gate_name
        if name is None or gate is None:
            return {}, {}
        last = self.state(name, self.T)
        at = [value.grad for value in last] if all(value.has_grad for value in last) else [1.0] * len(last)
        start = norm_of(at)
        sizes, logs = {self.T: 1.0}, {self.T: 0.0}
        power = 0  # of 2, by which it was enlarged: a tiny product keeps its digits
        for t in range(self.T, self.first, -1):
            at = [a * value.data for a, value in zip(at, entries(self.unrolled[gate][t]))]
            size = norm_of(at) / start if start else 0.0
            sizes[t - 1] = math.ldexp(size, -power)
            logs[t - 1] = math.log10(size) - power * math.log10(2.0) if size else -math.inf
            if 0.0 < size < 2.0**-500:
                at, power = [math.ldexp(a, 500) for a in at], power + 500
        return sizes, logs

    def gate(self, t: int) -> float | None:
        """The mean of the gates on the straight path at time step t; None: there is no such path."""
        if self.gate_name is None:
            return None
        gates = entries(self.unrolled[self.gate_name][t])
        return exact_sum(value.data for value in gates) / len(gates)

    # ---- how states hang together -----------------------------------------------------------------------------------

    def dependencies(self, t: int) -> list[tuple[str, str]]:
        """The parts after time step t, and those before it that each depends on with no other part after it between."""
        return self._ways(t)[0]

    def within(self, t: int) -> list[tuple[str, str]]:
        """The parts of the state after time step t and the others after it that each depends on."""
        return self._ways(t)[1]

    def entered(self, t: int) -> list[str]:
        """The parts of the state that x_t enters with no other part in between."""
        return self._ways(t)[2]

    def _ways(self, t: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]], list[str]]:
        if t not in self._ways_at:
            names = self.unrolled.state_names
            before = {value: name for name in names for value in self.state(name, t - 1)} if t > self.first else {}
            after = {value: name for name in names for value in self.state(name, t)}
            given = set(self.inputs(t)) if before else set()
            across, inside, entered = [], [], []
            for name in names if before else ():
                own = set(self.state(name, t))
                stop = [value for value in (*before, *after) if value not in own]
                reached = own | set(topological_order(*own, stop=stop))
                met = {parent for node in reached for parent in node.parents} | (own & before.keys())
                across += [(a, name) for a in names if any(before.get(value) == a for value in met)]
                inside += [(b, name) for b in names if b != name and any(after.get(value) == b for value in met)]
                entered += [name] if given & met else []
            self._ways_at[t] = across, inside, entered
        return self._ways_at[t]

    # ---- words -----------------------------------------------------------------------------------------------------

    @cached_property
    def described(self) -> str:
        """The cell in a few words, and the same words in every process: without addresses."""
        cell = self.unrolled.cell
        name: str | None = getattr(cell, "__qualname__", None)
        if name is not None:
            return text.clipped(name.rpartition(".")[2], 60)
        return text.clipped(re.sub(r"<([\w.]+\.)?(\w+) object at 0x[0-9a-fA-F]+>", r"\2", repr(cell)), 100)

    def inputs(self, step: int) -> list[Value]:
        """The entries of x_t."""
        return entries(self.unrolled.x[step])
