"""The report of the main job, for people and as JSON.

A `ScalarReport` shows numbers, a `VectorReport` the norms of vectors and matrices.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from ..bptt.anatomy import norm
from ..bptt.chain import FEWEST_DIGITS, TINY, Link
from ..bptt.jacobian import power, recurrent_matrix
from ..bptt.verdict import Verdict, kept
from ..engine.anomaly import first_contribution, first_number
from ..engine.notation import gradient, number, product
from ..engine.steps import ForwardStep
from ..nn import Cell, GRUCell, LSTMCell, RNNCell, ScalarRNNCell
from ..nn.linalg import Rows, spectral_norm
from ..nn.quantities import entries
from ..support.text import count, magnitude, printable
from .console import print_table, say
from .inputs import Problem
from .parameters import parameters_of

_GATED: dict[type[Cell], str] = {
    LSTMCell: "c_t = f_t·c_(t−1) + i_t·g_t, h_t = o_t·tanh(c_t); gates i, f, o = σ(W h_(t−1) + U x_t + b), g = tanh(…)",
    GRUCell: "h_t = (1 − z_t)·n_t + z_t·h_(t−1); gates r, z = σ(W h_(t−1) + U x_t + b), "
    "n = tanh(r_t·(W h_(t−1) + b_hn) + U x_t + b)",
}


def make_report(problem: Problem, links: list[Link], part: str | None = None) -> Report:
    """The report of the kind that suits the cell."""
    return (ScalarReport if isinstance(problem.cell, ScalarRNNCell) else VectorReport)(problem, links, part)


@dataclass(frozen=True)
class Report(ABC):
    """The findings of the main job.

    Attributes:
        problem: what was unrolled, with gradients.
        links: one per time step, from T back to 0.
        part: the part of the state that the verdict is about; None for the whole state.
    """

    problem: Problem
    links: list[Link]
    part: str | None = None

    @property
    def states(self) -> tuple[str, ...]:
        """The names of the parts of the state."""
        return self.problem.unrolled.state_names

    @property
    def state(self) -> str:
        """The name of the whole state: h, or s where there is more than h."""
        return "h" if self.states == ("h",) else "s"

    @property
    def agrees(self) -> bool:
        """Whether no step disagrees; where a number overflowed, we cannot tell."""
        return not any(link.disagrees for link in self.links)

    @cached_property
    def factors(self) -> list[float]:
        """J_T ⋯ J_{k+1} for every link: the number of a scalar cell, else the spectral norm."""
        return [self.factor(link.jacobian) for link in self.links]

    @cached_property
    def law(self) -> list[float] | None:
        """w^(T−k), what the `factors` would be if every tanh' were 1; or ‖W‖^(T−k), their bound. None without one W."""
        W = recurrent_matrix(self.problem.cell)
        if W is None:
            return None
        size = self.factor(W)
        return [power(size, lag) for lag in range(len(self.links))]

    @cached_property
    def verdict(self) -> Verdict:
        """The verdict on the gradient of the last step's loss on its way back through all steps."""
        ratios = kept(self.problem.unrolled, self.problem.losses[-1], self.part)
        return Verdict(ratios[-1], len(ratios) - 1)

    def as_dict(self) -> dict[str, object]:
        """Return everything, for JSON; whether numbers agree is None where they overflowed."""
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
                    **{name: self.unwrap(self._part(name, link.k)) for name in self.states},
                    "gradient": self.unwrap(link.gradient),
                    "chain": self.unwrap(link.product),
                    "residual": self.unwrap(link.residual),
                    "tolerance": self.unwrap(link.tolerance),
                    "factor": factor,
                    "law": power,
                    "agrees": link.agrees if link.finite else None,
                    "digits_left": link.digits_left if link.finite else None,
                }
                for link, factor, power in zip(self.links, self.factors, law)
            ],
            "gradients": {name: parameter.grad for name, parameter in problem.named_parameters()},
            **self.verdict.as_dict(),
            "agrees": self.agrees if all(link.finite for link in self.links) else None,
        }

    def print(self) -> None:
        """Print everything."""
        problem = self.problem
        say(f"Sequence: {problem.title}; {problem.description}.")
        say(f"Cell: {_describe(problem)}; {' = '.join(f'{name}_0' for name in self.states)} = 0.")
        say(f"Loss: L = {problem.formula} = {number(problem.loss.data, 6)}.")
        print()
        columns = self._columns()
        print_table(list(columns), zip(*columns.values()))
        print()
        say(self._legend())
        say(self._agreement())
        say(self._verdict())
        say(self.describe_parameters())

    # ---- what differs by the kind of cell ----

    @abstractmethod
    def size(self, vector: list[float]) -> float:
        """A vector as one number."""

    @abstractmethod
    def factor(self, matrix: Rows) -> float:
        """A matrix as one number."""

    @abstractmethod
    def unwrap(self, vector: list[float]) -> float | list[float]:
        """A vector as it is written in JSON."""

    @abstractmethod
    def heading(self, name: str, entries: int) -> str:
        """The heading over the `size` of a vector: its name, or that between bars."""

    @abstractmethod
    def heading_of_factors(self) -> str:
        """The heading over the `factors`."""

    @abstractmethod
    def heading_of_law(self) -> str:
        """The heading over the `law`."""

    @abstractmethod
    def describe_factors(self) -> tuple[str, str]:
        """The column of factors in words, and what the bars ‖·‖ mean."""

    @abstractmethod
    def describe_law(self, law: float) -> str:
        """The law over all steps beside the verdict, as the rest of its sentence."""

    @abstractmethod
    def describe_parameters(self) -> str:
        """The gradients of the parameters in words."""

    # ---- what is the same for all cells ----

    def _part(self, name: str, k: int) -> list[float]:
        """The numbers of a part of the state at step k."""
        return [entry.data for entry in self.problem.unrolled.state(k, [name])]

    def _columns(self) -> dict[str, list[str]]:
        """The table: every heading, from left to right, and the cells below it, one per link."""
        links, names = self.links, ["", *map(printable, self.problem.names)]
        return {
            "k": [str(link.k) for link in links],
            "input": [names[link.k] for link in links],
            **{
                self.heading(f"{name}_k", len(self._part(name, 0))): [
                    _state(self.size(self._part(name, link.k))) for link in links
                ]
                for name in self.states
            },
            self.heading(f"∂L/∂{self.state}_k", len(links[0].gradient)): [
                number(self.size(link.gradient), 6) for link in links
            ],
            "by the chain": [number(self.size(link.product), 6) for link in links],
            self.heading_of_factors(): [number(factor, 6) for factor in self.factors],
            **({} if self.law is None else {self.heading_of_law(): [number(power, 6) for power in self.law]}),
            "agree": [_outcome(link) for link in links],
        }

    def _legend(self) -> str:
        T, s = self.problem.unrolled.T, self.state
        factors, norms = self.describe_factors()
        if len(self.problem.losses) == 1:
            by_the_chain = f"by the chain is ∂L/∂{s}_{T} times it"
        else:
            by_the_chain = "by the chain is the sum, over the losses of all steps, of such products"
        whole = "" if s == "h" else f"{s}_k is the whole state, {', '.join(f'{name}_k' for name in self.states)}. "
        return f"{whole}∂L/∂{s}_k is what backward() left. {factors}; {by_the_chain}{norms}."

    def _agreement(self) -> str:
        overflowed = [link.k for link in self.links if not link.finite]
        if overflowed:
            return (
                f"The numbers overflowed from step {overflowed[0]} back to {overflowed[-1]}: a double ends at 1.8e308."
                + self._first("Infinite", math.isinf)
                + self._first("NaN", math.isnan)
            )
        wrong = [link.k for link in self.links if link.disagrees]
        if wrong:
            return f"backward() and the chain DISAGREE at time steps {', '.join(map(str, wrong))}: please report this."
        lost = [link.k for link in self.links if not link.digits_left]
        if lost:
            return (
                f"At {len(lost)} of {len(self.links)} states, from step {lost[0]} back, the gradient has no digits "
                f"left: it differs by more than {FEWEST_DIGITS:g} of itself from the chain, which multiplies by the "
                "exact derivative of tanh. Where tanh saturates, the 1 − tanh² of backward() is mostly rounding; the "
                "nonlinearity tanh_exact, of the scalar cell and of an rnn, keeps the digits."
            )
        found = max((link.difference for link in self.links if norm(link.gradient) > TINY), default=0.0)
        tiny = any(0.0 < norm(link.gradient) <= TINY for link in self.links)
        return (
            f"They agree at all {len(self.links)} states: to the rounding of doubles at every step, and over all "
            f"of them to {found:.1e} of the gradient{f' where it is above {TINY:g}' if tiny else ''}."
        )

    def _first(self, word: str, is_wrong: Callable[[float], bool]) -> str:
        """The first number that became infinite, or NaN: in the forward pass, or on its way back."""
        loss = self.problem.loss
        node = first_number(loss, is_wrong)
        if node is not None:
            what = f"{'' if node.label else f'{node.name} = '}{ForwardStep(node).formula_in_numbers}"
        else:
            found = first_contribution(loss, is_wrong)
            if found is None:
                return ""
            node, parent, slope = found
            what = f"{gradient(parent)} receives {product(slope, node.grad)}"
        where = "in the loss" if node.time_step is None else f"in time step {node.time_step}"
        return f" {word} first {where}: {what}."

    def _verdict(self) -> str:
        subject = "The gradient" if len(self.problem.losses) == 1 else "The gradient of the last loss"
        s = self.part or self.state
        words = self.verdict.clause(subject, f"from {s}_{self.verdict.lag} to {s}_0")
        return f"{words}{self.describe_law(self.law[-1]) if self.law and 0.0 < self.verdict.kept < math.inf else ''}."


class ScalarReport(Report):
    """The report of a scalar cell, whose states, gradients and Jacobians are single numbers."""

    def size(self, vector: list[float]) -> float:
        return vector[0]

    def factor(self, matrix: Rows) -> float:
        return matrix[0][0]

    def unwrap(self, vector: list[float]) -> float:
        return vector[0]

    def heading(self, name: str, entries: int) -> str:
        return name

    def heading_of_factors(self) -> str:
        return f"Π {_factor(self.problem.cell)}"

    def heading_of_law(self) -> str:
        return "w^(T−k)"

    def describe_factors(self) -> tuple[str, str]:
        T = self.problem.unrolled.T
        return f"{self.heading_of_factors()} multiplies the local derivatives of steps k+1 to {T}", ""

    def describe_law(self, law: float) -> str:
        size, w = abs(law), "|w|" if self.law and self.law[1] < 0.0 else "w"
        name = f"the law {w}^{self.verdict.lag}"
        if math.isclose(size, self.verdict.kept, rel_tol=1e-9):
            return f", as {name} says"
        return f"; {name} alone says {number(size)}, {_slope(self.problem.cell)} does the rest"

    def describe_parameters(self) -> str:
        return ", ".join(f"{name}.grad = {number(p.grad, 9)}" for name, p in self.problem.named_parameters()) + "."


class VectorReport(Report):
    """The report of any other cell. It shows the norms of vectors and matrices."""

    def size(self, vector: list[float]) -> float:
        return norm(vector)

    def factor(self, matrix: Rows) -> float:
        return spectral_norm(matrix)

    def unwrap(self, vector: list[float]) -> list[float]:
        return vector

    def heading(self, name: str, entries: int) -> str:
        return magnitude(name, entries)

    def heading_of_factors(self) -> str:
        return "‖J_T ⋯ J_(k+1)‖"

    def heading_of_law(self) -> str:
        return "‖W‖^(T−k)"

    def describe_factors(self) -> tuple[str, str]:
        T, s = self.problem.unrolled.T, self.state
        factors = f"J_T ⋯ J_(k+1) multiplies the Jacobians J_t = ∂{s}_t/∂{s}_(t−1) of steps k+1 to T = {T}"
        spectral = "of a matrix the spectral norm, the largest factor by which it multiplies a vector"
        return factors, f"; ‖·‖ is the Euclidean norm, {spectral}"

    def describe_law(self, law: float) -> str:
        return f"; by the law it is at most ‖W‖^{self.verdict.lag} = {number(law)}"

    def describe_parameters(self) -> str:
        grads = {name: [leaf.grad for leaf in entries(tree)] for name, tree in parameters_of(self.problem).items()}
        sizes = ", ".join(
            f"{magnitude(f'∂L/∂{name}', len(grad))} = {number(norm(grad), 9)}" for name, grad in grads.items()
        )
        return f"{sizes}{' (c of the read-out)' if 'c' in self.states else ''}."


def _outcome(link: Link) -> str:
    """The entry of the column "agree"."""
    if not link.finite:
        return "overflow"
    if link.disagrees:
        return "NO"
    return "yes" if link.digits_left else "no digits"


def _describe(problem: Problem) -> str:
    """The cell in words: its recurrence and its size."""
    cell = problem.cell
    if isinstance(cell, ScalarRNNCell):
        numbers = ", ".join(f"{p.label} = {p.data:g}" for p in (cell.w, cell.u, cell.b))
        return f"h_t = {_applied(cell.nonlinearity, 'w·h_(t−1) + u·x_t + b')} with {numbers}"
    units = count(len(problem.unrolled.state(0)) // len(problem.unrolled.state_names), "hidden unit")
    if isinstance(cell, RNNCell):
        recurrence = _applied(cell.nonlinearity, "W h_(t−1) + U x_t + b")
        return f"h_t = {recurrence} with {units}, read out as y_t = V h_t + c"
    if type(cell) in _GATED:
        return f"{_GATED[type(cell)]}; {units}, read out as y_t = V h_t + c"
    return repr(cell)


def _applied(nonlinearity: str, z: str) -> str:
    return z if nonlinearity == "identity" else f"{nonlinearity}({z})"


def _slope(cell: Cell) -> str:
    return f"{getattr(cell, 'nonlinearity', 'tanh')}'"


def _factor(cell: Cell) -> str:
    """J_t of a scalar cell."""
    return "w" if getattr(cell, "nonlinearity", "") == "identity" else f"w·{_slope(cell)}"


def _state(h: float) -> str:
    # What tanh squashes has four digits after the point; a state without bounds would need 300 before it.
    return f"{h:.4f}" if abs(h) < 1e4 else number(h, 6)
