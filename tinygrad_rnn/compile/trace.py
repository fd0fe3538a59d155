"""Running the engine on symbols: recorded graphs become tapes, forward by their rules, backward by the one walk."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from .. import hooks
from ..backward import topological_order, walk
from ..errors import CompileError, TinygradRNNError
from ..ops import OPS, Op
from ..value import Value
from .symbol import FIRST, Symbol, Tape, leaf


def check_ops(nodes: Collection[Value]) -> None:
    """Try the rules of all ops in a graph on symbols.

    Raises:
        CompileError: an op does not compile, or a node has a hook; the error names it.
    """
    for node in nodes if hooks.watched else ():
        if any(hooks.among([node])):
            raise CompileError(
                "compiled code would not stop at the hook or breakpoint of this node",
                node=node.name,
                time_step=node.time_step,
                remedy="Remove it first (handle.remove()), or use the eager engine",
            )
    known: set[Op] = set()
    for node in nodes:
        if node.parents and node._rule not in known:
            known.add(node._rule)
            _check_op(node._rule, node)


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
            remedy="Write its rules with arithmetic, the functions of tinygrad_rnn.ops (exp, log, ...) and ops.select",
        ) from error


def symbolic_twin(order: Iterable[Value], leaves: Mapping[Value, Symbol]) -> dict[Value, Value]:
    """The same graph over symbols.

    Args:
        order: the nodes, parents first.
        leaves: the symbol for each leaf.
    """
    twins: dict[Value, Value] = {}
    for node in order:
        parents = tuple(twins[parent] for parent in node.parents)
        if node.parents:
            twin = leaf(node._rule.forward(*[parent.data for parent in parents]), node.label)
        else:
            twin = leaf(leaves[node], node.label)
        twin.parents, twin._rule, twin.time_step = parents, node._rule, node.time_step
        twins[node] = twin
    return twins


def symbol_of(tape: Tape, number: Any) -> Symbol:
    """The symbol for a number: itself, or a constant for one that is known."""
    return number if isinstance(number, Symbol) else tape.const(number)


def differentiate(roots: Mapping[Value, Any], starts: Mapping[Value, Any]) -> list[Value]:
    """Walk backward over symbols, and return the nodes that were reached.

    Args:
        roots: the gradient from which each root starts.
        starts: what other nodes have already, such as the gradient of a parameter from later time steps.
    """
    order = topological_order(*roots)
    for node in order:
        node._grad = FIRST
    for node, gradient in (*starts.items(), *roots.items()):
        node._grad = gradient
    for _ in walk(order, record=False):
        pass
    return order


def labels(nodes: Iterable[Value]) -> dict[Symbol, str]:
    """What to call each symbol in comments: the label of the node, or ∂/∂label."""
    names: dict[Symbol, str] = {}
    for node in nodes:
        if node.label and isinstance(node.data, Symbol):
            names.setdefault(node.data, node.label)
        if node.label and isinstance(node._grad, Symbol):
            names.setdefault(node._grad, f"∂L/∂{node.label}")
    return names
