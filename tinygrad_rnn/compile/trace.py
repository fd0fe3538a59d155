"""Running the engine on symbols: recorded graphs become tapes, forward by their rules, backward by the one walk."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..engine import hooks
from ..engine.backward import gradients_kept, propagate, topological_order
from ..engine.node import Node
from ..engine.ops import OPS, Op
from ..engine.value import Value
from ..errors import CompileError, TinygradRNNError
from .schedule import Pass, Place, Store
from .symbol import Symbol, Tape


@dataclass
class Trace:
    """A graph over symbols: a whole recorded one, or one time step of a recurrence.

    Attributes:
        tape: its instructions, forward only so far.
        nodes: its nodes, parents first.
        loss: the node to differentiate, or None.
        starts: the leaves whose gradients are wanted, and what these are already, from later time steps.
        old_state, new_state: the leaves and nodes of the state, in a row.
        parameters: leaves that hold numbers but for the time of tracing.
        outputs: nodes whose numbers are wanted.
        limits: what the whole numbers of an input must be below.
        labels: what to call symbols in comments.
    """

    tape: Tape
    nodes: Sequence[Value]
    loss: Value | None
    starts: dict[Value, Symbol]
    old_state: Sequence[Value] = ()
    new_state: Sequence[Value] = ()
    parameters: Sequence[Value] = ()
    outputs: Sequence[Value] = ()
    limits: dict[str, int] = field(default_factory=dict)
    labels: dict[Symbol, str] = field(default_factory=dict)

    def reached(self, live: Iterable[int]) -> list[Value]:
        """The nodes that the loss and these entries of the new state depend on, last created first."""
        roots = [self.new_state[slot] for slot in live] + ([self.loss] if self.loss is not None else [])
        return topological_order(*roots) if roots else []

    def live_before(self, live: Iterable[int]) -> frozenset[int]:
        """The entries of the old state that get a gradient if these of the new one do."""
        reached = set(self.reached(live))
        return frozenset(slot for slot, node in enumerate(self.old_state) if node in reached)

    def passes(self, live: Iterable[int], name: str) -> list[Pass]:
        """What the forward and the backward pass have to leave in memory.

        Args:
            live: the entries of the new state from which a gradient comes, besides the loss.
            name: goes into the names of the functions.
        """
        tape, zero = self.tape, self.tape.const(0.0)
        with symbols_as_data(tape, self.parameters):
            forward = _stores(tape, "new_state", self.new_state) + _stores(tape, "y", self.outputs)
            if self.loss is not None:  # eager adds up the losses of a sequence in order of time
                forward.append(Store(Place("loss", 0), tape.emit("add", tape.load("loss", 0), self.loss.data)))
            alarms = list(tape.alarms)
            gradients = self._differentiated(live)
            backward = [
                Store(Place("state_gradient", slot), tape.symbol(gradients.get(node, zero)))
                for slot, node in enumerate(self.old_state)
            ]
            backward += [
                Store(Place(*start.args), gradients[leaf]) for leaf, start in self.starts.items() if leaf in gradients
            ]
            self._label(gradients)
        return [
            Pass(f"forward.{name}", [*forward, *_alarms(alarms)]),
            Pass(f"backward.{name}", [*backward, *_alarms(tape.alarms[len(alarms) :])]),
        ]

    def _differentiated(self, live: Iterable[int]) -> dict[Value, Any]:
        """The gradients after a walk backward over symbols."""
        order = self.reached(live)
        roots: dict[Node, Any] = {self.new_state[slot]: self.tape.load("new_state_gradient", slot) for slot in live}
        if self.loss is not None:
            roots[self.loss] = self.tape.load("seed", 0)
        with gradients_kept([*order, *self.starts]):
            for leaf, start in self.starts.items():
                leaf.grad = start  # type: ignore[assignment]
            propagate(roots)
            return {node: node.grad for node in order}

    def _label(self, gradients: Mapping[Value, Any]) -> None:
        """Note what to call each symbol in comments."""
        for node in (node for node in self.nodes if node.label):
            for number, label in ((node.data, node.label), (gradients.get(node), f"∂L/∂{node.label}")):
                if isinstance(number, Symbol):
                    self.labels.setdefault(number, label)
        for alarm in self.tape.alarms:
            self.labels.setdefault(alarm, "might eager raise an error?")


def _stores(tape: Tape, region: str, nodes: Sequence[Value]) -> list[Store]:
    return [Store(Place(region, slot), tape.number(node.data)) for slot, node in enumerate(nodes)]


def _alarms(conditions: Sequence[Symbol]) -> list[Store]:
    return [Store(Place("alarm", slot), condition) for slot, condition in enumerate(dict.fromkeys(conditions))]


@contextmanager
def symbols_as_data(tape: Tape, parameters: Sequence[Value]) -> Iterator[None]:
    """For the time of tracing, parameters hold symbols; their own numbers come back in any case."""
    kept = [parameter.data for parameter in parameters]
    for slot, parameter in enumerate(parameters):
        parameter.data = tape.load("parameter", slot)  # type: ignore[assignment]
    try:
        yield
    finally:
        for parameter, data in zip(parameters, kept):
            parameter.data = data


def trace_graph(root: Value, fast: bool) -> Trace:
    """The recorded graph below ``root`` over symbols; leaf number i is parameter i.

    Raises:
        CompileError: an op does not compile, or a node has a hook.
    """
    order, tape = topological_order(root)[::-1], Tape(fast)
    check_ops(order)
    twins: dict[Value, Value] = {}
    starts: dict[Value, Symbol] = {}
    for node in order:
        parents = tuple(twins[parent] for parent in node.parents)
        if node.parents:
            number = node.operation.forward(*[parent.data for parent in parents])
        else:
            number = tape.load("parameter", len(starts))
        twin = twins[node] = Value(number, label=node.label)
        twin.parents, twin.operation, twin.time_step = parents, node.operation, node.time_step
        if not node.parents:
            starts[twin] = tape.load("gradient", len(starts))
    return Trace(tape, list(twins.values()), twins[root], starts, outputs=[twins[root]])


def check_ops(nodes: Collection[Value]) -> None:
    """Try the rules of all ops in a graph on symbols.

    Raises:
        CompileError: an op does not compile, or a node has a hook; the error names it.
    """
    for node in nodes:
        if hooks.is_watched(node):
            raise CompileError(
                "compiled code would not stop at the hook or breakpoint of this node",
                node=node.name,
                time_step=node.time_step,
                remedy="Remove it first (handle.remove()), or use the eager engine",
            )
    known: set[Op] = set()
    for node in nodes:
        if node.parents and node.operation not in known:
            known.add(node.operation)
            _check_op(node.operation, node)


def _check_op(op: Op, node: Value) -> None:
    if op.backward is not None or not (OPS.get(op.name) is op or op.name == "pow_constant"):
        raise CompileError(
            "this op stands for one node only, and has no rule that could be applied to other numbers",
            op=op.name,
            node=node.name,
            time_step=node.time_step,
            remedy="Give it an entry in the table (ops.register) and record it with Value.apply",
        )
    tape = Tape()
    operands = [tape.load("parameter", i) for i in range(op.arity)]
    try:
        out = op.forward(*operands)
        gradients = op.local_gradients(out, *operands)
        if not all(isinstance(number, (Symbol, float, int)) for number in (out, *gradients)):
            raise TypeError("its rules do not give numbers")
    except (TypeError, AttributeError, ValueError, TinygradRNNError) as error:
        raise CompileError(
            f"the rules of this op cannot be applied to symbols: {error}",
            op=op.name,
            node=node.name,
            time_step=node.time_step,
            remedy="Write its rules with operators and the functions of engine.arithmetic (exp, log, select, ...)",
        ) from error
