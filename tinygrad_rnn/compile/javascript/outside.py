"""The nodes outside time: those that a time step reads, and that were computed before the first one.

Also the whole loss, where it has a part outside time, such as a penalty on the weights.

A time step reads the nodes before it like parameters. They are computed once, before the pass forward; after the passes
backward the gradients that all time steps have given them flow on to the parameters, once. The whole loss is computed
after the pass forward, and its gradients before the passes backward.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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


@dataclass(frozen=True)
class Whole:
    """The nodes after time, by which the whole loss is computed.

    Attributes:
        over_time: what it has over time: the sum or the mean of the losses of time steps.
        nodes: the nodes, in order of creation. The last is the whole loss.
        initial: the entries of the initial state that these read, with their places in it.
    """

    over_time: Value
    nodes: list[Value]
    initial: dict[Value, int] = field(default_factory=dict)

    @property
    def read(self) -> list[Value]:
        """The nodes that these read, except the loss over time and the initial state."""
        ends = dict.fromkeys(parent for node in self.nodes for parent in node.parents)
        known = {self.over_time, *self.nodes, *self.initial}
        return [end for end in ends if end not in known]


def find_outside(step: Step, whole: Whole | None = None) -> tuple[list[Value], list[Value]]:
    """The parameters of a time step and of the whole loss, and the nodes before time that these read.

    With the nodes come those that they are computed from. Both are in order of creation. A leaf without a name that no
    time step reads is a constant.

    Raises:
        CompileError: the step does not compile, or what it reads belongs to a time step.
    """
    read = find_parameters(step, computed=True)
    after = [] if whole is None else whole.read
    roots = [node for node in dict.fromkeys([*read, *after]) if node.parents]
    order = topological_order(*roots) if roots else []
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
    if whole is not None:
        check_ops(whole.nodes)
    leaves = {node for node in [*order, *after] if not node.parents and node.label}
    leaves |= {node for node in read if not node.parents}
    for leaf in leaves:
        if whole is not None and leaf in whole.initial:
            raise CompileError(
                "this entry of the initial state is also a parameter, and a part of the loss outside time reads it",
                node=leaf.name,
                remedy="Give the initial state a Value of its own",
            )
    return sorted(leaves, key=lambda leaf: leaf.serial), sorted(nodes, key=lambda node: node.serial)


def outside_name(node: Value) -> str:
    """The name of a node outside time: its label, or its formula."""
    return node.label or notation.name(node)


@dataclass
class Outside:
    """Nodes outside time over symbols.

    Attributes:
        tape: their instructions.
        places: the twin of every node, and of all that they read, with its place among the parameters.
        nodes: those that are computed.
        formulas: the formula of each.
    """

    tape: Tape
    places: dict[Value, int]
    nodes: list[Value]
    formulas: list[str]

    @classmethod
    def of(cls, read: Sequence[Value], nodes: Sequence[Value], called: Mapping[Value, str] = {}) -> Outside:
        """Record nodes again over symbols.

        Args:
            read: what may be read: the parameters, and nodes that are computed elsewhere. Their places come first.
            nodes: the nodes.
            called: names that some of them have here.
        """
        tape = Tape()
        return recorded(cls._of, tape, read, nodes, called)

    @classmethod
    def _of(cls, tape: Tape, read: Sequence[Value], nodes: Sequence[Value], called: Mapping[Value, str]) -> Outside:
        twins: dict[Value, Value] = {}
        for i, end in enumerate(read):
            name = called.get(end) or (outside_name(end) if end.parents else end.label)
            twins[end] = Value(tape.load(PARAMETER, i), label=name)
        formulas = []
        for node in nodes:
            for parent in node.parents:
                if parent not in twins:
                    twins[parent] = Value(parent.data)
            with traceable():
                twins[node] = compute(node.operation, tuple(twins[parent] for parent in node.parents))
            twins[node].label = called.get(node) or outside_name(node)
            parents = tuple(twins[parent] if parent in called else parent for parent in node.parents)
            formulas.append(notation.application(node.operation, parents))
        places = {twins[each]: i for i, each in enumerate([*read, *nodes])}
        return cls(tape, places, [twins[node] for node in nodes], formulas)

    def functions(
        self, name: str, docs: tuple[str, str], roots: Sequence[Value] | None = None
    ) -> list[tuple[str, Function]]:
        """The functions in JavaScript, forward and backward.

        Args:
            name: the name of the one forward.
            docs: what each does.
            roots: the nodes that have a gradient from elsewhere; by default all.
        """
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
        forward = Function(f"function {name}(p)", docs[0], stores, _read, named, formulas, blamed, required)
        starts = {node: tape.load(*Place(GRADIENT, place)) for node, place in self.places.items()}
        given = {node: starts[node] for node in (self.nodes if roots is None else roots)}
        gradients = backward(given, {node: start for node, start in starts.items() if not node.parents})
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

        head = f"function {name}_backward(p, p_grad)"
        return [
            (name, forward),
            (f"{name}_backward", Function(head, docs[1], stores, read, named, comments, blamed)),
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
