"""The engine runs on symbols: recorded graphs become tapes, forward by their rules, backward by the one walk."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from traceback import walk_tb
from typing import TypeVar

from ..engine import hooks, notation
from ..engine.backward import gradients_kept, propagate, topological_order
from ..engine.making import compute
from ..engine.ops import OPS, Op
from ..engine.recording import Within, call_at
from ..engine.value import Value
from ..errors import CompileError, DomainError, GraphError, TinygradRNNError
from . import lookup
from .memory import (
    ALARM,
    GRADIENT,
    LOSS,
    NEW_STATE,
    NEW_STATE_GRADIENT,
    PARAMETER,
    SEED,
    STATE_GRADIENT,
    Place,
    Region,
    Y,
)
from .schedule import Pass, Store
from .symbol import Computed, Symbol, Tape

T = TypeVar("T")


@dataclass
class Trace:
    """A graph over symbols: a whole recorded one, or one time step of a recurrence.

    Attributes:
        tape: its instructions, at first those of the forward pass.
        nodes: its nodes, parents first.
        loss: the node to differentiate, or None.
        starts: for each leaf with a gradient, that gradient so far, from later time steps.
        old_state, new_state: the leaves and nodes of the state, in a row.
        outputs: the nodes of the prediction, in a row.
        limits: the whole numbers in a region must be below this.
        labels: names of symbols, for comments.
    """

    tape: Tape
    nodes: Sequence[Value]
    loss: Value | None
    starts: dict[Value, Symbol]
    old_state: Sequence[Value] = ()
    new_state: Sequence[Value] = ()
    outputs: Sequence[Value] = ()
    limits: dict[Region, int] = field(default_factory=dict)
    labels: dict[Symbol, str] = field(default_factory=dict)

    def reached(self, live: Iterable[int]) -> list[Value]:
        """The nodes on which the loss and these entries of the new state depend, newest first."""
        roots = [self.new_state[slot] for slot in live] + ([self.loss] if self.loss is not None else [])
        return topological_order(*roots) if roots else []

    def live_before(self, live: Iterable[int]) -> frozenset[int]:
        """The entries of the old state that get a gradient where these entries of the new state have one."""
        reached = set(self.reached(live))
        return frozenset(slot for slot, node in enumerate(self.old_state) if node in reached)

    def passes(self, live: Iterable[int], name: str) -> list[Pass]:
        """The forward and the backward pass: everything that they store in memory.

        Args:
            live: the entries of the new state that have a gradient from later time steps.
            name: a part of the names of the functions.
        """
        tape, zero = self.tape, self.tape.const(0.0)
        forward = _stores(tape, NEW_STATE, self.new_state) + _stores(tape, Y, self.outputs)
        if self.loss is not None:  # eager adds up the losses of a sequence in order of time
            forward.append(Store(Place(LOSS, 0), tape.emit("add", tape.load(LOSS, 0), self.loss.data)))
        alarms = list(tape.alarms)
        gradients = self._gradients(live)
        backward = [
            Store(Place(STATE_GRADIENT, slot), tape.symbol(gradients.get(node, zero)))
            for slot, node in enumerate(self.old_state)
        ]
        for leaf, start in self.starts.items():
            if leaf in gradients:
                backward.append(Store(start.place, tape.symbol(gradients[leaf])))
        self._label(gradients)
        return [
            Pass(f"forward.{name}", [*forward, *_alarms(alarms)]),
            Pass(f"backward.{name}", [*backward, *_alarms(tape.alarms[len(alarms) :])]),
        ]

    def _gradients(self, live: Iterable[int]) -> dict[Value, Computed]:
        """The gradients of all nodes reached."""
        starts = {self.new_state[slot]: self.tape.load(NEW_STATE_GRADIENT, slot) for slot in live}
        if self.loss is not None:
            starts[self.loss] = self.tape.load(SEED, 0)
        return backward(starts, self.starts)

    def _label(self, gradients: Mapping[Value, Computed]) -> None:
        """Name the symbols, for comments."""
        for node in (node for node in self.nodes if node.label):
            for number, label in ((node.data, node.label), (gradients.get(node), f"∂L/∂{node.label}")):
                if isinstance(number, Symbol):
                    self.labels.setdefault(number, label)
        for alarm in self.tape.alarms:
            self.labels.setdefault(alarm, "might eager raise an error?")


def backward(gradients: Mapping[Value, Symbol], starts: Mapping[Value, Symbol]) -> dict[Value, Computed]:
    """A backward pass over symbols: the gradients of all nodes that it reaches, newest first.

    Args:
        gradients: that of each root.
        starts: leaves that have a gradient already.
    """
    order = topological_order(*gradients)
    with gradients_kept([*order, *starts]):
        for leaf, start in starts.items():
            leaf.grad = start
        propagate(lookup.roots(gradients), edges=lookup.edges)
        return {node: node.grad for node in order}


def _stores(tape: Tape, region: Region, nodes: Sequence[Value]) -> list[Store]:
    return [Store(Place(region, slot), tape.number(node.data)) for slot, node in enumerate(nodes)]


def _alarms(conditions: Sequence[Symbol]) -> list[Store]:
    return [Store(Place(ALARM, slot), condition) for slot, condition in enumerate(dict.fromkeys(conditions))]


def recorded(function: Callable[..., T], *args: object) -> T:
    """Call a function that records nodes, in a scope of its own: the caller may be in `no_grad` or in a time step."""
    with Within(records=True):
        return call_at(None, function, *args)


@contextmanager
def traceable() -> Iterator[None]:
    """A context in which a time step computes with symbols; what these cannot do raises a CompileError.

    An error in the rule of an op names the op and the node.
    """
    try:
        yield
    except (TypeError, AttributeError, GraphError, CompileError) as error:
        op, node = _rule_at_fault(error)
        if isinstance(error, (GraphError, CompileError)) and op is not None and not isinstance(error, DomainError):
            error.op, error.node = op, node
        if "Symbol" not in str(error):
            raise
        raise CompileError(
            f"the time step cannot be traced: {error}",
            op=op,
            node=node,
            remedy="Compute with Values, their methods and those of engine.arithmetic, not with math or float()",
        ) from error


def _rule_at_fault(error: Exception) -> tuple[str | None, str | None]:
    """The op, and the formula of the node, whose rule raised an error; None and None if it was no rule."""
    frames = [frame.f_locals for frame, _ in walk_tb(error.__traceback__) if frame.f_code is compute.__code__]
    if not frames:
        return None, None
    op, parents = frames[-1]["op"], frames[-1]["parents"]
    return op.name, notation.application(op, parents)


def trace_graph(root: Value, tape: Tape) -> Trace:
    """The recorded graph below ``root`` over symbols; leaf number i is parameter i.

    Args:
        root: the node to differentiate.
        tape: an empty tape.

    Raises:
        CompileError: an op does not compile, or a node has a hook.
    """
    order = topological_order(root)[::-1]
    check_ops(order)
    twins: dict[Value, Value] = {}
    starts: dict[Value, Symbol] = {}
    for node in order:
        parents = tuple(twins[parent] for parent in node.parents)
        if node.parents:
            number = node.operation.forward(*[parent.data for parent in parents])
        else:
            number = tape.load(PARAMETER, len(starts))
        # A symbol stands for the float that it will compute.
        twin = twins[node] = Value(number, label=node.label)  # pyright: ignore[reportArgumentType]
        twin.parents, twin.operation, twin.time_step = parents, node.operation, node.time_step
        if not node.parents:
            starts[twin] = tape.load(GRADIENT, len(starts))
    return Trace(tape, list(twins.values()), twins[root], starts, outputs=[twins[root]])


def check_hooks(nodes: Iterable[Value]) -> None:
    """Check that none of these nodes has a hook or a breakpoint.

    Raises:
        CompileError: one has; the error names the node.
    """
    for node in nodes:
        if hooks.is_watched(node):
            raise CompileError(
                "compiled code would not stop at the hook or breakpoint of this node",
                node=node.name,
                time_step=node.time_step,
                remedy="Remove it first (handle.remove()), or use the eager engine",
            )


def check_ops(nodes: Collection[Value]) -> None:
    """Check that the rules of all ops in a graph can be applied to symbols, and that no node has a hook.

    Raises:
        CompileError: an op does not compile, or a node has a hook; the error names it.
    """
    check_hooks(nodes)
    known: set[Op] = set()
    for node in nodes:
        if node.parents and node.operation not in known:
            known.add(node.operation)
            _check_op(node.operation, node)


def of_one_node(node: Value, time_step: int | None) -> CompileError:
    """The error about a node whose op cannot be applied to other numbers."""
    return CompileError(
        "this op belongs to one node only, and has no rule for other numbers",
        op=node.op,
        node=node.name,
        time_step=time_step,
        remedy="Give it an entry in the table (ops.register) and record it with Value.apply",
    )


def _check_op(op: Op, node: Value) -> None:
    if op.backward is not None or not (OPS.get(op.name) is op or op.name == "pow_constant"):
        raise of_one_node(node, node.time_step)
    tape = Tape()
    operands = [tape.load(PARAMETER, i) for i in range(op.arity)]
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
