"""The verdict on a gradient on its way back through time, and the one place that decides it.

    kept = ‖∂L_T/∂s_k‖ / ‖∂L_T/∂s_T‖

is the share of the last loss's gradient that is left after T - k time steps, where s is the state. It does not say
whether the gradient of the *whole* loss is small at k: the loss of step k itself adds to that, however little arrives
from T.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..engine.arithmetic import number as to_number
from ..engine.backward import gradients, gradients_kept, propagate, topological_order
from ..engine.notation import number
from ..engine.value import Value
from ..errors import ArgumentError, GraphError
from ..support.checks import whole_number
from ..support.sums import norm_of
from ..support.text import count
from .unroll import Unrolled

#: A gradient keeps its size within these bounds, and vanishes or explodes beyond the extreme ones.
KEEPS = (0.5, 2.0)
EXTREME = (0.01, 100.0)

_HUGE = 2.0**600  # to divide by, without rounding, numbers whose norm is infinite


@dataclass(frozen=True)
class Verdict:
    """The verdict on a gradient over some time steps.

    Attributes:
        kept: its size after them, relative to its size before.
        lag: the number of time steps, at least 1.
    """

    kept: float
    lag: int

    @property
    def word(self) -> str:
        """The verb that follows "the gradient"."""
        if math.isnan(self.kept):
            return "is not a number"
        if math.isinf(self.kept):
            return "is infinite"
        if not self.kept:
            return "is 0"
        if self.kept < KEEPS[0]:
            return "vanishes" if self.kept < EXTREME[0] else "shrinks"
        if self.kept > KEEPS[1]:
            return "explodes" if self.kept > EXTREME[1] else "grows"
        return "keeps its size"

    @property
    def factor(self) -> float:
        """The mean factor per time step (geometric mean)."""
        return float(self.kept ** (1.0 / self.lag))

    @property
    def sentence(self) -> str:
        """The verdict as one sentence, with the lag and the factors."""
        return f"{self.clause()}."

    def clause(self, subject: str = "The gradient", way: str = "", number: Callable[[float], str] = number) -> str:
        """The same without a full stop, about another subject, such as "Along this path the gradient".

        Args:
            subject: what it is about.
            way: where the time steps lead, such as "from h_12 to h_0".
            number: how numbers are written.
        """
        steps = " ".join(filter(None, [count(self.lag, "step"), way]))
        if math.isnan(self.kept):
            return f"{subject} {self.word} after {steps}"
        if math.isinf(self.kept):
            return f"{subject} {self.word} after {steps}: a double ends at 1.8e308"
        if not self.kept:
            return f"{subject} {self.word} after {steps}, or too small for a double"
        mean = f", on average by {number(self.factor)} per step" if self.lag > 1 else ""
        return f"{subject} {self.word}: over {steps} it is multiplied by {number(self.kept)}{mean}"

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as a dict for JSON."""
        return {"verdict": self.word, "lag": self.lag, "kept": self.kept, "factor": self.factor}


def verdict(kept: float, lag: int) -> Verdict | None:
    """Return the verdict on a gradient that is ``kept`` times as large after ``lag`` time steps; None for a lag of 0.

    Raises:
        ArgumentError: kept is negative, or lag is not a whole number of at least 0.
        OperandError: kept is not a number.
    """
    kept = to_number(kept, "kept")
    if kept < 0.0:
        raise ArgumentError(f"kept is {kept:g}", remedy="It is a ratio of two sizes, at least 0")
    lag = whole_number("lag", lag, least=0)
    return Verdict(kept, lag) if lag else None


def kept(unrolled: Unrolled, loss: Value, state: str | None = None) -> list[float]:
    """‖∂L_T/∂s_k‖ / ‖∂L_T/∂s_T‖ for every k, by lag T - k, from 0 on.

    T is the last time step whose state the loss uses. Only the loss of step T contributes to s_T directly, so the sum
    or mean of the losses of many steps gives the same result as the loss of the last one. Norms are Euclidean; for an
    LSTM they cover h_k and c_k together, each with the gradient that ``backward()`` gives it.

    This takes two restricted backward passes, from the loss to the states and from s_T back to the initial one, in time
    proportional to the graph. The gradients in the graph are left as they were.

    Args:
        unrolled: what the loss was computed from.
        loss: the loss, of the last step or of all.
        state: only this part of the state, such as ``"c"``.

    Returns:
        The ratios; all 0 where ∂L_T/∂s_T is 0, and 0 where they are below 2.2e-308. Of an infinite gradient they are
        those of its direction; NaN if several of its entries are infinite.

    Raises:
        ArgumentError: no such part of the state.
        GraphError: the loss does not depend on the state.
        DomainError: a local gradient has no finite value.
    """
    names = () if state is None else (state,)
    shown = [unrolled.state(k, names) for k in range(unrolled.first - 1, unrolled.T + 1)]
    states = [unrolled.state(k) for k in range(unrolled.first - 1, unrolled.T + 1)]
    cut = list(dict.fromkeys(node for nodes in states for node in nodes))
    used = {loss, *(parent for node in topological_order(loss, stop=cut) for parent in node.parents)}
    last = max((i for i, nodes in enumerate(states) if not used.isdisjoint(nodes)), default=None)
    if last is None:
        raise GraphError("the loss does not depend on the state", node=loss.name, remedy="Give the loss of this graph")
    direct = _direction(gradients(loss, states[last], stop=cut))
    with gradients_kept([*topological_order(*states[last]), *cut]):
        propagate(dict(zip(states[last], direct)), stop=states[0])
        sizes = [norm_of(node.grad for node in nodes) for nodes in reversed(shown[: last + 1])]
    return [share(each, sizes[0]) for each in sizes]


def _direction(gradient: list[float]) -> list[float]:
    """The gradient scaled to norm 1, so that neither a tiny nor a huge one leaves the range of doubles on its way back.

    A single entry that is infinite is infinitely larger than the others. Of several, the ratio is not known: NaN.
    """
    if sum(1 for entry in gradient if math.isinf(entry)) == 1 and not any(map(math.isnan, gradient)):
        return [math.copysign(1.0, g) if math.isinf(g) else 0.0 for g in gradient]
    if math.isinf(norm_of(gradient)):
        gradient = [g / _HUGE for g in gradient]
    size = norm_of(gradient)
    return [g / size if size else 0.0 for g in gradient]


def share(size: float, first: float) -> float:
    """The share that is left of a gradient of size ``first``; 0 where it is too small for a double to hold its digits.

    Such a number stops shrinking: 0.9 times the smallest double is rounded to that double again, at every time step.
    """
    if not first:
        return math.nan if size else 0.0
    return 0.0 if size < sys.float_info.min else size / first


__all__ = ["EXTREME", "KEEPS", "Verdict", "kept", "share", "verdict"]
