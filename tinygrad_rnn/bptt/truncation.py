"""The parts of a gradient that truncated BPTT keeps and cuts: its bias, term by term, and the cuts in the graph.

Nothing is computed anew: truncation cuts no forward pass, so a truncated gradient is a part of the full sum that
`anatomy` splits. For k1, k2 and which loss reaches which use, see `truncated`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ..engine.backward import gradients_kept, propagate, topological_order
from ..engine.notation import number
from ..engine.value import Value
from ..errors import ArgumentError
from ..nn.trees import NestedNumbers
from ..support.checks import step_or_none, whole_number
from ..support.text import count
from .anatomy import Anatomy, TimeStep, norm, number_or_norm
from .truncated import check_period, round_up
from .unroll import Unrolled


@dataclass(frozen=True)
class CutTerm:
    """A term of the full gradient that truncated BPTT leaves out.

    Attributes:
        name: the name of the parameter.
        k: use step.
        t: loss step.
        contribution: the part of its gradient that comes from the loss of step t through its use at step k.
    """

    name: str
    k: int
    t: int
    contribution: NestedNumbers

    @property
    def size(self) -> float:
        """The magnitude of the contribution: absolute value, or Euclidean norm."""
        return norm(self.contribution)

    def __str__(self) -> str:
        what = "" if isinstance(self.contribution, float) else "norm "
        shown = f"{what}{number(number_or_norm(self.contribution), 6)}"
        return f"(∂L_{self.t}/∂{self.name})_{self.k} = {shown}, lag {self.t - self.k}"


@dataclass(frozen=True, eq=False)
class Truncation:
    """A full gradient, split into what truncated BPTT keeps and what it cuts, its bias.

    Attributes:
        full: the full gradient.
        kept: the same, with zeros where truncated BPTT cuts. Its total is what `truncated_bptt` computes,
            up to the order in which the terms are added.
        cut: the rest; its total is the bias, with the sign reversed.
        k1: steps between two backward passes.
        k2: steps through which a backward pass goes.
    """

    full: Anatomy
    kept: Anatomy
    cut: Anatomy
    k1: int
    k2: int

    def keeps(self, k: TimeStep, t: TimeStep) -> bool:
        """Whether the loss of step t reaches a use at step k."""
        return keeps(step_or_none("k", k), step_or_none("t", t), self.k1, self.k2)

    def cut_terms(self) -> list[CutTerm]:
        """Every term that was cut: those that are NaN first, then the largest first."""
        terms = [
            CutTerm(self.full.name, k, t, contribution)
            for k, t, contribution in self.full.terms()
            if k is not None and t is not None and not self.keeps(k, t)
        ]
        return sorted(terms, key=lambda term: (not math.isnan(term.size), -term.size, -term.t, -term.k))


def truncation(full: Anatomy, k1: int, k2: int) -> Truncation:
    """Split a gradient, as `anatomy` returns it, into what truncated BPTT keeps and what it cuts.

    Args:
        full: the gradient, with one loss per loss step.
        k1, k2: as for `tinygrad_rnn.bptt.truncated.windows`.

    Raises:
        ArgumentError: k1 or k2 is not a whole number of at least 1, or k1 > k2.
    """
    k1, k2 = check_period(k1, k2)
    kept = full.where(lambda k, t: keeps(k, t, k1, k2))
    cut = full.where(lambda k, t: not keeps(k, t, k1, k2))
    return Truncation(full, kept, cut, k1, k2)


def truncated_backward(unrolled: Unrolled, loss: Value, losses: Mapping[int, Value], k1: int, k2: int) -> None:
    """Run the passes of truncated BPTT on the graph of a whole sequence, so that every node in it has its gradient.

    Leaves accumulate the contributions of all passes, as with ``backward()``. With the losses of `windows` these are
    the gradients of `truncated_bptt`. Any other node is left with the gradient of the latest pass that reached it.

    Args:
        unrolled: the whole sequence.
        loss: the loss, computed from ``losses``: their sum or mean, say.
        losses: the loss of each time step.
        k1, k2: as for `windows`.

    Raises:
        ArgumentError: k1 or k2 is not a whole number of at least 1, or k1 > k2, or a time step of the losses is none.
        DomainError: a local gradient has no finite value.
    """
    k1, k2 = check_period(k1, k2)
    losses = {whole_number("a time step of losses", t, least=None): node for t, node in losses.items()}
    by_step = list(losses.values())
    propagate({loss: 1.0}, stop=by_step)  # from the loss to those of the time steps nothing is cut
    gradients = {node: node.grad for node in by_step}
    for e in _passes(unrolled, k1):
        new = [node for t, node in losses.items() if e - k1 < t <= e]
        cut = unrolled.state(e - k2) if e - k2 >= unrolled.first else []
        with gradients_kept(cut):  # contributions along the edges that are cut are dropped
            propagate({node: gradients[node] for node in new}, stop=cut)


def cut_edges(unrolled: Unrolled, k1: int, k2: int, after: int | None = None) -> list[tuple[Value, Value]]:
    """Return the edges of the graph of a whole sequence at which truncated BPTT cuts.

    Args:
        unrolled: the whole sequence.
        k1, k2: as for `windows`.
        after: only the cut of the pass after this time step, a multiple of k1. By default, the cuts of all passes if
            k1 = k2 (then no cut lies within the window of another pass), else that of the last pass.

    Returns:
        Pairs (parent, child): an entry of the state, and what the next time step computes from it.

    Raises:
        ArgumentError: k1 or k2 is not a whole number of at least 1, or k1 > k2, or there is no such pass.
    """
    k1, k2 = check_period(k1, k2)
    passes = _passes(unrolled, k1)
    if after is not None and after not in passes:
        raise ArgumentError(
            f"no backward pass after time step {after}", remedy=f"There is one every {count(k1, 'step')}"
        )
    if after is None and k1 < k2:
        after = passes[-1]
    steps = [e - k2 for e in passes if after in (None, e) and e - k2 >= unrolled.first]
    cut_off = {entry: s for s in steps for entry in unrolled.state(s)}
    return [
        (parent, node)
        for node in reversed(topological_order(*unrolled.nodes()))
        for parent in dict.fromkeys(node.parents)
        if parent in cut_off and node.time_step is not None and node.time_step > cut_off[parent]
    ]


def keeps(k: TimeStep, t: TimeStep, k1: int, k2: int) -> bool:
    """Whether, under truncation, the loss of step t reaches a use of a parameter at step k."""
    return k is None or t is None or k > round_up(t, k1) - k2


def _passes(unrolled: Unrolled, k1: int) -> range:
    """The time steps after which there is a backward pass; the last may lie beyond T."""
    return range(k1, unrolled.T + k1, k1)
