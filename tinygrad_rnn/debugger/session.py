"""`Debugger`: a backward pass with breakpoints, and questions about what has flowed so far. A plain object:
the terminal is one way to use it, a notebook another.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from ..bptt import Unrolled
from ..bptt.jacobian import jacobian
from ..engine.steps import ForwardStep, Step
from ..engine.value import Value
from ..errors import ArgumentError, GraphError
from ..nn.linalg import Rows, identity, product
from . import breakpoints, expressions
from .breakpoints import Breakpoint
from .names import Labels, NamesAt
from .rewind import Rewindable

Edge = tuple[Value, int]  # a node, and the position of an operand


@dataclass(frozen=True)
class ChainRow:
    """How far the gradient has come on its way from the last state back to h_k.

    Attributes:
        t: the time step.
        J: J_{t+1} = ∂h_{t+1}/∂h_t; None for the last state, and where the pass has not come yet.
        jacobian: J_T ⋯ J_{t+1} = ∂h_T/∂h_t; None where the pass has not come yet.
        gradient: ∂L/∂h_t so far.
        complete: whether all of it has arrived.
        connected: whether there is any way from the loss to h_t: none where it was detached.
    """

    t: int
    J: Rows | None
    jacobian: Rows | None
    gradient: list[float]
    complete: bool
    connected: bool


class Debugger:
    """Steps through the backward pass of a loss.

    Args:
        loss: where the pass starts.
        unrolled: what the loss was computed from, for `chain`.
        undo: keep every step, for `back`, `why`, `path`, `up` and `down`. Without it memory does not grow.

    Attributes:
        steps: the pass: see `BackwardSteps`.
        labels: the nodes of the graph by label.
        breakpoints: by number.
        total: number of steps of the whole pass.
        depth: of the step in view: how many levels up the path.
        stop_requested: set it to True, from a signal handler say, to stop between two steps.
    """

    def __init__(self, loss: Value, unrolled: Unrolled | None = None, undo: bool = True) -> None:
        self.loss = loss
        self.unrolled = unrolled
        self.steps = Rewindable(loss) if undo else loss.backward_steps()
        self._places = {node: place for place, node in enumerate(self.steps.order)}
        self.labels = Labels(self.steps.order)
        self.breakpoints: dict[int, Breakpoint] = {}
        self.total = sum(map(_edges, self.steps.order))
        self.stop_requested = False
        self._numbers = 0
        self.depth = 0
        self._film = loss.forward_steps()
        self._shown = 0
        self._first_and_last_use: dict[Value, tuple[Edge, Edge]] = {}

    # ---- going on and going back --------------------------------------------------------------------------

    def step(self, count: int = 1) -> list[Step]:
        """Take steps: one application of the chain rule each.

        Returns:
            the steps taken; fewer than asked for at the end of the pass.
        """
        return list(self.going(steps=count))

    def next(self, count: int = 1) -> list[Step]:
        """Take all steps of a node, or those that are left of it. Returns as `step`."""
        return list(self.going(nodes=count))

    def cont(self) -> list[Breakpoint]:
        """Go on to the next step at which a breakpoint stops, or to the end.

        Returns:
            the breakpoints that stopped the pass; none at the end.

        Raises:
            ArgumentError: the condition of a breakpoint has no value at the step just taken, such as 1/0.
        """
        for step in self.going():
            hit = [each for each in self.breakpoints.values() if each.stops_at(step, self.labels)]
            for each in hit:
                each.hits += 1
            if hit:
                return hit
        return []

    def finish(self) -> None:
        """Go on to the end, whatever the breakpoints."""
        for _ in self.going():
            pass

    def going(self, steps: float = math.inf, nodes: float = math.inf) -> Iterator[Step]:
        """Take so many steps, or those of so many nodes, one at a time; fewer at the end of the pass, or if somebody
        requests a stop.
        """
        self.depth = 0
        self.stop_requested = False
        while steps > 0 and nodes > 0 and not self.stop_requested and (step := next(self.steps, None)):
            yield step
            steps -= 1
            nodes -= _is_last_of_its_node(step)
        if self.steps.taken == self.total:
            self.steps.finish()

    def back(self, count: int = 1) -> list[Step]:
        """Undo steps, the latest first. Raises as `BackwardSteps.back` does if there is none to undo.

        Returns:
            the steps undone; fewer than asked for at the start of the pass.
        """
        self.depth = 0
        steps = self._kept("back")
        undone = [steps.back()]
        while len(undone) < count and steps.taken:
            undone.append(steps.back())
        return undone

    def reset(self) -> None:
        """Take the pass back to its start; breakpoints stay."""
        self.depth = 0
        self.steps.reset()

    # ---- breakpoints --------------------------------------------------------------------------------------

    def stop_at(self, text: str) -> Breakpoint:
        """Set a breakpoint, in the form of `breakpoints.GRAMMAR`, such as ``"h_3"`` or ``"op tanh if t < 5"``.

        Raises:
            ArgumentError: it is not of that form, or nothing in the graph can ever match it.
        """
        found = breakpoints.parse(self._numbers + 1, text, self.labels)
        self._numbers += 1
        self.breakpoints[found.number] = found
        return found

    def clear(self, number: int) -> Breakpoint:
        """Remove a breakpoint.

        Raises:
            ArgumentError: no breakpoint has this number.
        """
        if number not in self.breakpoints:
            known = ", ".join(map(str, self.breakpoints))
            raise ArgumentError(
                f"no breakpoint {number}", remedy=f"There is {known}" if known else "There are no breakpoints"
            )
        return self.breakpoints.pop(number)

    # ---- the step in view -----------------------------------------------------------------------------------

    @property
    def view(self) -> Step | None:
        """The step in view: the latest one, or one above it on the path (`up`); None before the first."""
        return self.path()[-1 - self.depth] if self.depth else self.steps.last

    def path(self) -> list[Step]:
        """The way of the gradient from the loss to the latest step: for every node on it, the first step that
        reached it.

        Raises:
            GraphError: steps are not kept.
        """
        if self.steps.last is None:
            return []
        arrived: dict[Value, Step] = {}
        for step in self._history("a path"):
            arrived.setdefault(step.parent, step)
        path = [self.steps.last]
        while path[-1].node in arrived:
            path.append(arrived[path[-1].node])
        return path[::-1]

    def up(self, count: int = 1) -> Step | None:
        """Look at the step one level up: the one that brought the gradient to the node in view.

        Raises:
            ArgumentError: there is no such level.
        """
        return self._look(self.depth + count)

    def down(self, count: int = 1) -> Step | None:
        """Look at the step one level down, towards the latest. Raises as `up` does."""
        return self._look(self.depth - count)

    def _look(self, depth: int) -> Step | None:
        levels = len(self.path())
        if not 0 <= depth < max(levels, 1):
            raise ArgumentError("this is the latest step" if depth < 0 else "this is where the pass starts")
        self.depth = depth
        return self.view

    def value(self, expression: str) -> Any:
        """The value of an expression at the step in view; see `expressions` for what it may say.

        Raises:
            ArgumentError: it is no such expression, or has no value.
        """
        return expressions.evaluate(expressions.parse(expression), NamesAt(self.view, self.labels))

    def upcoming(self) -> Iterator[Edge]:
        """The edges that are still to be walked, as node and position of the operand."""
        last = self.steps.last
        begin = self._places[last.node] if last else 0
        for place in range(begin, len(self.steps.order)):
            node = self.steps.order[place]
            for position in _positions(node):
                if not last or node is not last.node or position > last.position:
                    yield node, position

    def latest(self, count: int) -> list[Step]:
        """The latest steps, oldest first; where they are not kept, the last one."""
        if isinstance(self.steps, Rewindable):
            return self.steps.history[-count:]
        return [] if self.steps.last is None else [self.steps.last]

    # ---- what has flowed so far -------------------------------------------------------------------------------

    def why(self, label: str) -> list[Step]:
        """The steps that have added to the gradient of a node, or of the entries of a vector or matrix, so far.

        Raises:
            ArgumentError: nothing has this label.
            GraphError: steps are not kept.
        """
        nodes = set(self.labels.entries(label))
        return [step for step in self._history("an account of what was added") if step.parent in nodes]

    def nodes(self, pattern: str | None = None) -> list[Value]:
        """The labelled nodes whose label matches a pattern such as ``h_*``, in order of creation; by default the
        parameters and, of what is unrolled, the states.
        """
        states = set()
        if self.unrolled is not None:
            for t in self.unrolled[self.unrolled.state_names[0]]:
                states.update(self.unrolled.state(t))
        found = []
        for node in reversed(self.steps.order):
            if pattern is not None:
                wanted = bool(node.label) and fnmatchcase(node.label, _literal_brackets(pattern))
            else:
                wanted = node in states or (bool(node.label) and not node.parents and node.time_step is None)
            if wanted:
                found.append(node)
        return found

    def is_reached(self, node: Value) -> bool:
        """Whether anything has arrived at a node."""
        return self._is_used(node, 0)

    def is_complete(self, node: Value) -> bool:
        """Whether everything has arrived that the pass brings to a node."""
        return self._is_used(node, 1)

    def _is_used(self, node: Value, first_or_last: int) -> bool:
        uses = self._uses().get(node)
        return node is self.loss or (uses is not None and self.is_walked(*uses[first_or_last]))

    def is_in_graph(self, node: Value) -> bool:
        """Whether the loss depends on a node."""
        return node in self._places

    def is_walked(self, node: Value, position: int) -> bool:
        """Whether the step from a node to its operand at this position has been taken."""
        last = self.steps.last
        if last is None or not self.is_in_graph(node):
            return False
        return (self._places[node], position) <= (self._places[last.node], last.position)

    def chain(self, k: int) -> list[ChainRow]:
        """The product of the Jacobians from the last state back to h_k, so far.

        Raises:
            ArgumentError: nothing was unrolled, or there is no h_k.
        """
        if self.unrolled is None:
            raise ArgumentError(
                "the chain runs over time, and nothing says what was unrolled",
                remedy="Start it as debug(loss, unrolled)",
            )
        self.unrolled.state(k)
        T = self.unrolled.T
        rows = []
        chained: Rows | None = identity(len(self.unrolled.state(T)))
        for t in range(T, k - 1, -1):
            nodes = self.unrolled.state(t)
            complete = all(map(self.is_complete, nodes))
            J = jacobian(self.unrolled, t + 1) if complete and t < T else None
            if t < T or not complete:
                chained = product(chained, J) if chained and J else None
            connected = any(map(self.is_in_graph, nodes))
            rows.append(ChainRow(t, J, chained, [node.grad for node in nodes], complete, connected))
        return rows

    def forward(self, count: int = 1) -> list[ForwardStep]:
        """The next steps of the forward pass, as it was; of a negative count, the previous ones, latest first.

        After the last comes the first again.
        """
        if self._shown >= len(self._film) and count > 0:
            self._shown = 0
        begin, self._shown = self._shown, min(max(self._shown + count, 0), len(self._film))
        return self._film[begin : self._shown] if count > 0 else self._film[self._shown : begin][::-1]

    def __repr__(self) -> str:
        state = "complete" if self.steps.finished else f"{self.steps.taken} of {self.total} steps"
        latest = f", {self.steps.last}" if self.steps.last else ""
        return f"Debugger({state}{latest})"

    # ---- places in the order of the walk --------------------------------------------------------------------

    def _uses(self) -> dict[Value, tuple[Edge, Edge]]:
        """For every node but the loss, the edges by which the gradient reaches it first and last."""
        if not self._first_and_last_use:
            for node in self.steps.order:
                for position in _positions(node):
                    parent, edge = node.parents[position], (node, position)
                    first, _ = self._first_and_last_use.get(parent, (edge, edge))
                    self._first_and_last_use[parent] = first, edge
        return self._first_and_last_use

    def _history(self, what: str) -> list[Step]:
        return self._kept(what).history

    def _kept(self, what: str) -> Rewindable:
        if not isinstance(self.steps, Rewindable):
            raise GraphError(f"{what} needs the steps, which are not kept", remedy="Start it with undo")
        return self.steps


def _positions(node: Value) -> range | list[int]:
    """The positions of the operands, each of which takes a step."""
    if node.operation.backward is None:
        return range(len(node.parents))
    return sorted({node.parents.index(parent) for parent in node.parents})


def _edges(node: Value) -> int:
    return len(_positions(node))


def _is_last_of_its_node(step: Step) -> bool:
    return step.position == _positions(step.node)[-1]


def _literal_brackets(pattern: str) -> str:
    """A pattern in which ``W[0,*`` means what it looks like: brackets are part of labels."""
    return pattern.replace("[", "[[]")
