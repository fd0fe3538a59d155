"""What lies outside time: nodes that a time step reads, and that were computed before the first one.

A time step reads them like parameters. They are computed once, before the pass forward; after the passes backward the
gradients that all time steps have given them flow on to the parameters, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...engine import notation
from ...engine.backward import topological_order
from ...engine.making import compute
from ...engine.value import Value
from ...errors import CompileError
from ..memory import GRADIENT, PARAMETER, Place
from ..step import Step, find_parameters
from ..symbol import Symbol, Tape
from ..trace import backward, check_ops, recorded, traceable
from .text import Function, needed


def find_outside(step: Step) -> tuple[list[Value], list[Value]]:
    """The parameters of a time step, and the nodes outside time that it reads, with those that they are computed from.

    Both are in order of creation. A leaf without a name that only these nodes read is a constant.

    Raises:
        CompileError: the step does not compile, or what it reads belongs to a time step.
    """
    read = find_parameters(step, computed=True)
    roots = [node for node in read if node.parents]
    if not roots:
        return read, []
    order = topological_order(*roots)
    for node in order:
        if node.time_step is not None:
            raise CompileError(
                "a node of another time step was computed before the step",
                node=node.name,
                time_step=node.time_step,
                remedy="Compute it within the step, or carry it in the state",
            )
    nodes = [node for node in order if node.parents]
    check_ops(nodes)
    leaves = {node for node in order if not node.parents and node.label} | {node for node in read if not node.parents}
    return sorted(leaves, key=lambda leaf: leaf.serial), sorted(nodes, key=lambda node: node.serial)


def outside_name(node: Value) -> str:
    """What a node outside time is called: its label, or its formula."""
    return node.label or notation.name(node)


@dataclass
class Outside:
    """Nodes outside time over symbols.

    Attributes:
        tape: their instructions.
        places: the twin of every parameter and node, with its place among them.
        nodes: those that are computed.
    """

    tape: Tape
    places: dict[Value, int]
    nodes: list[Value]

    @classmethod
    def of(cls, parameters: Sequence[Value], nodes: Sequence[Value]) -> Outside:
        """Record nodes again over symbols. Their places come after those of the parameters."""
        tape = Tape()
        return recorded(cls._of, tape, parameters, nodes)

    @classmethod
    def _of(cls, tape: Tape, parameters: Sequence[Value], nodes: Sequence[Value]) -> Outside:
        twins = {leaf: Value(tape.load(PARAMETER, i), label=leaf.label) for i, leaf in enumerate(parameters)}  # type: ignore[arg-type]
        for node in nodes:
            for parent in node.parents:
                if parent not in twins:
                    twins[parent] = Value(parent.data)
            with traceable():
                twins[node] = compute(node.operation, tuple(twins[parent] for parent in node.parents))
            twins[node].label = outside_name(node)
        places = {twins[each]: i for i, each in enumerate([*parameters, *nodes])}
        return cls(tape, places, [twins[node] for node in nodes])

    @property
    def formulas(self) -> list[str]:
        """The formula of each node."""
        return [notation.application(node.operation, node.parents) for node in self.nodes]

    def functions(self) -> list[tuple[str, Function]]:
        """The functions in JavaScript: forward and backward."""
        tape = self.tape
        slot_of = {tape.number(node.data): self.places[node] for node in self.nodes}
        named = {tape.symbol(node.data): node.label for node in self.places if node.label}
        formulas = {
            tape.symbol(node.data): f"{node.label} = {formula}" for node, formula in zip(self.nodes, self.formulas)
        }
        blamed: dict[Symbol, int] = {}
        for node in self.nodes:
            self._blame(tape.symbol(node.data), node, blamed)
        first = self.places[self.nodes[0]]
        required = [(condition.args[0], first) for condition in tape.alarms if condition.op == "not"]
        stores = [(f"p[{self.places[node]}]", tape.number(node.data)) for node in self.nodes]
        doc = "What lies outside time, once before the first time step."
        forward = Function("function outside(p)", doc, stores, _read, named, formulas, blamed, required)
        starts = {node: tape.load(*Place(GRADIENT, place)) for node, place in self.places.items()}
        roots = {node: starts[node] for node in self.nodes}
        gradients = backward(roots, {node: start for node, start in starts.items() if node not in roots})
        for node in self.nodes:
            for _, local in node.operation.edges(node):
                self._blame(tape.symbol(local), node, blamed)
        stores, comments = [], {}
        for node, gradient in gradients.items():
            symbol = tape.symbol(gradient)
            if node in self.places and symbol is not starts[node]:
                stores.append((f"p_grad[{self.places[node]}]", symbol))
                named.setdefault(symbol, f"{node.label} grad")
                comments[symbol] = f"∂L/∂{node.label}"

        def read(symbol: Symbol) -> str | None:
            return f"p[{slot_of[symbol]}]" if symbol in slot_of else _read(symbol)

        doc = "Its gradients, once after the last backward pass, are added to those of what it was computed from."
        head = "function outside_backward(p, p_grad)"
        return [
            ("outside", forward),
            ("outside_backward", Function(head, doc, stores, read, named, comments, blamed)),
        ]

    def _blame(self, root: Symbol, node: Value, blamed: dict[Symbol, int]) -> None:
        for symbol in needed([root], lambda each: each in blamed):
            if symbol.op not in ("const", "load"):
                blamed.setdefault(symbol, self.places[node])


def _read(symbol: Symbol) -> str | None:
    if symbol.op != "load":
        return None
    region, slot = symbol.place
    return f"{'p' if region == PARAMETER else 'p_grad'}[{slot}]"
