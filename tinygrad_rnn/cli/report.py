"""What the main job found, for people and for programs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..bptt.anatomy import norm
from ..bptt.chain import Link
from ..bptt.jacobian import recurrent_matrix
from ..engine.value import Value
from ..nn import Cell, GRUCell, LSTMCell, RNNCell, ScalarRNNCell
from ..nn.linalg import Rows, product
from .console import print_table, say
from .inputs import Problem, shown

_GATED: dict[type[Cell], str] = {
    LSTMCell: "c_t = f_t·c_(t-1) + i_t·g_t, h_t = o_t·tanh(c_t); gates i, f, o = σ(W h_(t-1) + U x_t + b), g = tanh(…)",
    GRUCell: "h_t = (1 − z_t)·n_t + z_t·h_(t-1); gates r, z = σ(W h_(t-1) + U x_t + b), "
    "n = tanh(r_t·(W h_(t-1) + b_hn) + U x_t + b)",
}
TINY = 1e-290  # below it, doubles lose digits until at 5e-324 none is left


@dataclass(frozen=True)
class Report:
    """What the main job found.

    Attributes:
        problem: what was unrolled, with gradients.
        links: one per time step, from T back to 0.
    """

    problem: Problem
    links: list[Link]

    @property
    def scalar(self) -> bool:
        """Whether the cell has a single number per step."""
        return isinstance(self.problem.cell, ScalarRNNCell)

    @property
    def states(self) -> tuple[str, ...]:
        """The names of the parts of the state."""
        return self.problem.unrolled.state_names

    @property
    def state(self) -> str:
        """What the whole state is called: h, or s where there is more than h."""
        return "h" if self.states == ("h",) else "s"

    @property
    def agrees(self) -> bool:
        """Whether no step disagrees; where a number overflowed, nothing can be said."""
        return all(link.agrees or not link.finite for link in self.links)

    @cached_property
    def factors(self) -> list[float]:
        """J_T ⋯ J_{k+1} for every link: the number of a scalar cell, else the Frobenius norm."""
        return [self._size(link.jacobian) for link in self.links]

    @cached_property
    def law(self) -> list[float] | None:
        """The same if every tanh' were 1: w^(T-k), or the norm of W^(T-k). None for a cell without a single W."""
        W = recurrent_matrix(self.problem.cell)
        if W is None:
            return None
        powers = [self.links[0].jacobian]  # the identity
        for _ in self.links[1:]:
            powers.append(product(powers[-1], W))
        return [self._size(power) for power in powers]

    @cached_property
    def kept(self) -> float:
        """The part of a gradient at h_T that arrives at h_0, by magnitude."""
        return abs(self.factors[-1] / self.factors[0])

    @property
    def verdict(self) -> str:
        """What becomes of the gradient over all steps."""
        if not math.isfinite(self.kept):
            return "overflowing"
        if math.isclose(self.kept, 1.0):
            return "steady"
        return "vanishing" if self.kept < 1.0 else "exploding"

    def as_dict(self) -> dict[str, Any]:
        """Everything, for programs."""
        problem = self.problem
        law: Sequence[float | None] = self.law or [None] * len(self.links)
        return {
            "sequence": {"title": problem.title, "description": problem.description},
            "cell": {"type": type(problem.cell).__name__, **problem.cell.state_dict()},
            "state": self.states,
            "steps": problem.unrolled.T,
            "loss": problem.loss.data,
            "table": [
                {
                    "k": link.k,
                    "input": problem.names[link.k - 1] if link.k else None,
                    **{name: _data(problem.unrolled[name][link.k]) for name in self.states},
                    "gradient": self._unwrap(link.gradient),
                    "chain": self._unwrap(link.product),
                    "residual": self._unwrap(link.residual),
                    "tolerance": self._unwrap(link.tolerance),
                    "factor": factor,
                    "law": power,
                    "agrees": link.agrees,
                }
                for link, factor, power in zip(self.links, self.factors, law)
            ],
            "gradients": {name: parameter.grad for name, parameter in problem.named_parameters()},
            "kept": self.kept,
            "verdict": self.verdict,
            "agrees": self.agrees,
        }

    def print(self) -> None:
        """Everything, for people."""
        problem = self.problem
        say(f"Sequence: {problem.title}; {problem.description}.")
        say(f"Cell: {self._cell()}; {' = '.join(f'{name}_0' for name in self.states)} = 0.")
        say(f"Loss: L = {problem.formula} = {problem.loss.data:.6g}.")
        print()
        print_table(self._header(), self._rows())
        print()
        say(self._legend())
        say(self._agreement())
        say(self._fate())
        say(self._parameters())

    def _cell(self) -> str:
        cell = self.problem.cell
        if isinstance(cell, ScalarRNNCell):
            numbers = ", ".join(f"{p.label} = {p.data:g}" for p in (cell.w, cell.u, cell.b))
            return f"h_t = {_applied(cell.nonlinearity, 'w·h_(t-1) + u·x_t + b')} with {numbers}"
        if isinstance(cell, RNNCell):
            recurrence = _applied(cell.nonlinearity, "W h_(t-1) + U x_t + b")
            return f"h_t = {recurrence} with {len(cell.W)} hidden units, read out as y_t = V h_t + c"
        if type(cell) in _GATED:
            return f"{_GATED[type(cell)]}; {len(self.problem.unrolled.h[0])} hidden units, read out as y_t = V h_t + c"
        return repr(cell)

    def _header(self) -> list[str]:
        if self.scalar:
            names = ["h_k", "∂L/∂h_k", "by the chain", f"Π {_factor(self.problem.cell)}", "w^(T-k)"]
        else:
            parts = [f"‖{name}_k‖" for name in self.states]
            names = [*parts, f"‖∂L/∂{self.state}_k‖", "by the chain", "‖Π J_t‖", "‖W^(T-k)‖"]
        return ["k", "input", *(names if self.law else names[:-1]), "agree"]

    def _rows(self) -> list[list[str]]:
        names = ["", *map(shown, self.problem.names)]
        rows = []
        for i, link in enumerate(self.links):
            parts = [_data(self.problem.unrolled[name][link.k]) for name in self.states]
            numbers = [
                *(_state(part if self.scalar else norm(part)) for part in parts),
                f"{self._unwrap_or_norm(link.gradient):.6g}",
                f"{self._unwrap_or_norm(link.product):.6g}",
                f"{self.factors[i]:.6g}",
            ]
            law = [] if self.law is None else [f"{self.law[i]:.6g}"]
            verdict = "overflow" if not link.finite else "yes" if link.agrees else "NO"
            rows.append([str(link.k), names[link.k], *numbers, *law, verdict])
        return rows

    def _legend(self) -> str:
        T, s = self.problem.unrolled.T, self.state
        if self.scalar:
            factors = f"Π {_factor(self.problem.cell)} multiplies the local derivatives of steps k+1 to {T}"
        else:
            factors = f"Π J_t multiplies the Jacobians ∂{s}_t/∂{s}_(t-1) of steps k+1 to {T}"
        if len(self.problem.losses) == 1:
            by_the_chain = f"by the chain is ∂L/∂{s}_{T} times it"
        else:
            by_the_chain = "by the chain is the sum, over the losses of all steps, of such products"
        norms = "" if self.scalar else "; ‖·‖ is the Euclidean (of a matrix, the Frobenius) norm"
        whole = "" if s == "h" else f"{s}_k is the whole state, {', '.join(f'{name}_k' for name in self.states)}. "
        return f"{whole}∂L/∂{s}_k is what backward() left. {factors}; {by_the_chain}{norms}."

    def _agreement(self) -> str:
        overflowed = [link.k for link in self.links if not link.finite]
        if overflowed:
            return (
                f"The numbers overflowed from step {overflowed[0]} back to {overflowed[-1]}: a double ends at 1.8e308."
            )
        wrong = [link.k for link in self.links if not link.agrees]
        if wrong:
            return f"backward() and the chain DISAGREE at steps {', '.join(map(str, wrong))}: please report this."
        found = max((link.difference for link in self.links if norm(link.gradient) > TINY), default=0.0)
        tiny = any(0.0 < norm(link.gradient) <= TINY for link in self.links)
        return (
            f"They agree at all {len(self.links)} states: to the rounding of doubles at every step, and over all "
            f"of them to {found:.1e} of the gradient{f' where it is above {TINY:g}' if tiny else ''}."
        )

    def _fate(self) -> str:
        T, s = self.problem.unrolled.T, self.state
        if self.verdict == "overflowing":
            return f"The gradient explodes beyond what a double can hold on its way from {s}_{T} to {s}_0."
        verb = {"vanishing": "vanishes", "exploding": "explodes", "steady": "holds"}[self.verdict]
        distance = f"on the {T} steps" if T > 1 else "on the step"
        words = f"The gradient {verb}: {distance} from {s}_{T} to {s}_0 it is multiplied by {_positive(self.kept)}"
        if not self.law:
            return f"{words}."
        power = f"{'w' if self.scalar else 'W'}^{T}"
        law = abs(self.law[-1] / self.law[0])
        if math.isclose(law, self.kept, rel_tol=1e-9):
            return f"{words}, as the law {power} says."
        return f"{words}; the law {power} alone says {_positive(law)}, {_slope(self.problem.cell)} does the rest."

    def _parameters(self) -> str:
        if self.scalar:
            return ", ".join(f"{name}.grad = {p.grad:.9g}" for name, p in self.problem.named_parameters()) + "."
        squares: dict[str, list[float]] = {}
        for name, parameter in self.problem.named_parameters():
            squares.setdefault(name.partition("[")[0], []).append(parameter.grad)
        sizes = ", ".join(f"‖∂L/∂{name}‖ = {norm(grads):.9g}" for name, grads in squares.items())
        return f"{sizes}{' (c of the read-out)' if 'c' in self.states else ''}."

    def _size(self, matrix: Rows) -> float:
        return matrix[0][0] if self.scalar else norm(matrix)

    def _unwrap(self, vector: list[float]) -> float | list[float]:
        return vector[0] if self.scalar else vector

    def _unwrap_or_norm(self, vector: list[float]) -> float:
        return vector[0] if self.scalar else norm(vector)


def _applied(nonlinearity: str, z: str) -> str:
    return z if nonlinearity == "identity" else f"{nonlinearity}({z})"


def _positive(factor: float) -> str:
    return f"{factor:.3g}" if factor else "0, or too little for a double"


def _slope(cell: Cell) -> str:
    return f"{getattr(cell, 'nonlinearity', 'tanh')}'"


def _factor(cell: Cell) -> str:
    """J_t of a scalar cell."""
    return "w" if getattr(cell, "nonlinearity", "") == "identity" else f"w·{_slope(cell)}"


def _state(h: float) -> str:
    # What tanh squashes has four digits after the point; a state without bounds would need 300 before it.
    return f"{h:.4f}" if abs(h) < 1e4 else f"{h:.6g}"


def _data(quantity: Any) -> Any:
    return quantity.data if isinstance(quantity, Value) else [entry.data for entry in quantity]
