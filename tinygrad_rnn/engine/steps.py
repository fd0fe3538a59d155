"""Records of one application of the chain rule, and of one operation: their formulas by name and by number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

from ..support.text import count
from . import notation
from .backward import topological_order
from .node import Node


@dataclass(frozen=True, slots=True)
class Step:
    """One application of the chain rule: what flowed from a node to one of its parents.

    Attributes:
        node: the node whose gradient is complete.
        parent: the operand that receives.
        position: index of the operand among ``node.parents``.
        gradient: the node's gradient as it flowed on.
        local_gradient: ∂node/∂parent.
        contribution: ``local_gradient * gradient``.
        gradient_before: ``parent.grad`` before the contribution was added.
        gradient_after: ``parent.grad`` after it.
    """

    node: Any  # a Value, which stands above this module
    parent: Any
    position: int
    gradient: float
    local_gradient: float
    contribution: float
    gradient_before: float
    gradient_after: float

    @property
    def op(self) -> str:
        """The name of the node's op."""
        return self.node.op  # type: ignore[no-any-return]

    @property
    def time_step(self) -> int | None:
        """The time step of the node; None outside an unrolling."""
        return self.node.time_step  # type: ignore[no-any-return]

    @property
    def formula(self) -> str:
        """The local gradient by name: ``∂h_3/∂z_3 = 1 − h_3² = 0.7864``."""
        return self._equation(notation.local_formula(self.node, self.position))

    @property
    def formula_in_numbers(self) -> str:
        """The local gradient by number: ``∂h_3/∂z_3 = 1 − 0.4622² = 0.7864``."""
        return self._equation(notation.local_formula_in_numbers(self.node, self.position))

    @property
    def flow(self) -> str:
        """The addition to the parent's gradient: ``z_3.grad = 0 + 0.7864·0.5 = 0.3932``."""
        added = notation.product(self.local_gradient, self.gradient)
        before, after = map(notation.in_formula, (self.gradient_before, self.gradient_after))
        return f"{notation.gradient(self.parent)} = {before} + {added} = {after}"

    def __str__(self) -> str:
        return f"{notation.time_step(self.node)}{self.formula};  {self.flow}"

    def _equation(self, formula: str) -> str:
        sides = [notation.derivative(self.node, self.parent), formula, notation.in_formula(self.local_gradient)]
        if formula in ("", sides[2]):
            del sides[1]
        return " = ".join(sides)


@dataclass(frozen=True, slots=True)
class ForwardStep:
    """The computation of one number.

    Attributes:
        node: the node that holds it.
    """

    node: Any

    @property
    def formula(self) -> str:
        """Its computation, by name: ``h_3 = tanh(z_3) = 0.4622``."""
        return self._equation(notation.formula(self.node))

    @property
    def formula_in_numbers(self) -> str:
        """Its computation, by number: ``h_3 = tanh(0.5) = 0.4622``."""
        return self._equation(notation.formula_in_numbers(self.node))

    def __str__(self) -> str:
        return f"{notation.time_step(self.node)}{self.formula}"

    def _equation(self, formula: str) -> str:
        return " = ".join(side for side in (self.node.label, formula, notation.in_formula(self.node.data)) if side)


class ForwardSteps(Sequence[ForwardStep]):
    """The forward pass that led to ``root``, in order of creation; nothing is computed again.

    A sequence, so that a lesson can go through it forwards, backwards, or to any place.
    """

    def __init__(self, root: Node) -> None:
        self.root = root
        self._nodes = topological_order(root)[::-1]

    @overload
    def __getitem__(self, index: int) -> ForwardStep: ...
    @overload
    def __getitem__(self, index: slice) -> list[ForwardStep]: ...
    def __getitem__(self, index: int | slice) -> ForwardStep | list[ForwardStep]:
        if isinstance(index, slice):
            return list(map(ForwardStep, self._nodes[index]))
        return ForwardStep(self._nodes[index])

    def __len__(self) -> int:
        return len(self._nodes)

    def __repr__(self) -> str:
        return f"ForwardSteps({notation.name(self.root)}, {count(len(self), 'node')})"
