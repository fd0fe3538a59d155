"""`Debugger`: a backward pass with breakpoints, and questions about what has flowed so far. A plain object:
the terminal is one way to use it, a notebook another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ..bptt import Unrolled
from ..bptt.jacobian import jacobian_products
from ..bptt.verdict import Verdict, kept, verdict
from ..engine.steps import ForwardStep, Step
from ..engine.value import Value
from ..errors import ArgumentError, GraphError
from ..nn.linalg import Rows
from ..support.checks import whole_number
from ..support.text import count
from . import breakpoints
from .breakpoints import Breakpoint
from .expressions import Expression
from .names import Names
from .reach import Edge, Reach
from .rewind import Rewindable


@dataclass(frozen=True)
class ChainRow:
    """The state of the gradient on its way from the last state back to h_k.

    Attributes:
        t: the time step.
        J: J_{t+1} = ∂h_{t+1}/∂h_t; None for the last state, and where the pass has not come yet.
        jacobian: J_T ⋯ J_{t+1} = ∂h_T/∂h_t; None where the pass has not come yet.
        gradient: ∂L/∂h_t so far.
        complete: whether all of it has arrived.
        connected: whether any path leads from the loss to h_t; False where the state was detached.
    """

    t: int
    J: Rows | None
    jacobian: Rows | None
    gradient: list[float]
    complete: bool
    connected: bool


class Debugger:
    """Steps through the backward pass of a loss.

    The step in view is the *next* one: its numbers are already computed, but not added yet, and the
    gradients are those before it. To compute them, the hooks of its node are called as soon as it is in view. At the
    start of the pass step 1 is in view, at the end none.

    A constant (a leaf without a name) has no steps of its own: its contributions are added between two steps, and are
    not counted. If no leaf has a name, all leaves have steps.

    Args:
        loss: where the pass starts.
        unrolled: what the loss was computed from, for `chain`.
        undo: keep every step, for `back`, `why`, `path` and `up`. Without it memory does not grow.
        constants: give constants steps of their own.
        variables: the variables of the program, by which nodes can be named as well.

    Attributes:
        steps: the pass: see `BackwardSteps`.
        reach: how far the pass has come.
        names: the nodes of the graph by name.
        breakpoints: by number.
        taken: number of steps taken.
        total: number of steps of the whole pass.
        hidden: number of steps to constants, which are not counted.
        next_step: the next step; None at the end of the pass, or if it cannot be taken.
        depth: how many levels up the path the step in view is.
        stop_requested: set this to True, for example in a signal handler, to stop between two steps.
    """

    def __init__(
        self,
        loss: Value,
        unrolled: Unrolled | None = None,
        undo: bool = True,
        constants: bool = False,
        variables: Mapping[str, object] | None = None,
    ) -> None:
        self.loss = loss
        self.unrolled = unrolled
        self.steps = Rewindable(loss, keep=undo)
        self.reach = Reach(self.steps)
        self.names = Names(self.steps.order, variables)
        self.breakpoints: dict[int, Breakpoint] = {}
        self._constants = frozenset() if constants else _constants(self.names)
        receivers = [node.parents[position] for node, position in self.reach.edges()]
        self.hidden = sum(receiver in self._constants for receiver in receivers)
        self.total = len(receivers) - self.hidden
        self.taken = 0
        self.next_step: Step | None = None
        self.stop_requested = False
        self._stopped_here = False
        self._numbers = 0
        self.depth = 0
        self._film = loss.forward_steps()
        self._shown = 0
        self._look_ahead()

    # ---- going on and going back --------------------------------------------------------------------------

    def step(self, count: int = 1) -> list[Step]:
        """Take steps: one application of the chain rule each.

        Returns:
            the steps taken; fewer than ``count`` at the end of the pass.

        Raises:
            ArgumentError: the count is not a whole number of at least 0; also in `next`, `back` and `latest`.
        """
        return list(islice(self._take_steps(), min(whole_number("count", count, 0, most=None), self.total)))

    def next(self, count: int = 1) -> list[Step]:
        """Take all steps of a node, or those that are left of it. Returns as `step`."""
        taken, count = [], whole_number("count", count, 0, most=None)
        steps = self._take_steps()
        while count and (step := next(steps, None)):
            taken.append(step)
            count -= self.next_step is None or self.next_step.node is not step.node
        return taken

    def cont(self) -> list[Breakpoint]:
        """Go on to the next step at which a breakpoint stops, or to the end. At the start of the pass the first step
        counts as well.

        Returns:
            the breakpoints that stopped the pass; none at the end.

        Raises:
            ArgumentError: the condition of a breakpoint fails at the step in view, such as 1/0.
        """
        if not self.breakpoints:
            self.finish()
            return []
        hit = [] if self.taken or self._stopped_here else self._hit()
        steps = self._take_steps()
        while not hit and next(steps, None):
            hit = self._hit()
        for each in hit:
            each.hits += 1
            if each.temporary:
                del self.breakpoints[each.number]
        return hit

    def finish(self) -> None:
        """Go on to the end, whatever the breakpoints."""
        self.depth, self.stop_requested = 0, False
        try:
            for step in self.steps:
                self.taken += step.parent not in self._constants
                if self.stop_requested:
                    break
        finally:
            self._look_ahead()

    def back(self, count: int = 1) -> list[Step]:
        """Undo steps, the latest first.

        Returns:
            the steps undone; fewer than ``count`` at the start of the pass.

        Raises:
            GraphError: there is no step to undo, or steps are not kept.
        """
        count = whole_number("count", count, 0, most=None)
        self._history("back")
        if not self.taken:
            raise GraphError("there is no step to undo")
        return list(islice(self._undo_steps(), min(count, self.taken)))

    def rcont(self) -> list[Breakpoint]:
        """Undo steps, back to the latest one at which a breakpoint stops, or to the start. Raises as `back` and `cont`.

        Returns:
            the breakpoints that stop there; none at the start. They count no hit.
        """
        self._history("going back")
        if not self.taken:
            raise GraphError("there is no step to undo")
        return next(filter(None, (self._hit() for _ in self._undo_steps())), [])

    def reset(self) -> None:
        """Take the pass back to its start; breakpoints stay."""
        self.depth = self.taken = 0
        self._stopped_here = False
        self.steps.reset()
        self._look_ahead()

    def _take_steps(self) -> Iterator[Step]:
        """Take one step after the other, until the end or a requested stop."""
        self.depth, self.stop_requested = 0, False
        while not self.stop_requested and not self.steps.finished:
            step = next(self.steps)  # raises if it cannot be taken
            self.taken += 1
            self._look_ahead()
            yield step

    def _undo_steps(self) -> Iterator[Step]:
        """Undo the latest step, one after the other, until the start or a requested stop."""
        self.depth, self.stop_requested = 0, False
        self._stopped_here = False
        while not self.stop_requested and self.taken:
            step = self.steps.back()
            if step.parent not in self._constants:
                self.taken -= 1
                self.next_step = step
                yield step

    def _look_ahead(self) -> None:
        """Bring the next step into view, and add what flows to constants on the way.

        An error is kept by the pass, and raised when the step is to be taken.
        """
        self.next_step = None
        with suppress(Exception):
            while (step := self.steps.peek()) and step.parent in self._constants:
                next(self.steps)
            self.next_step = step

    # ---- breakpoints --------------------------------------------------------------------------------------

    def stop_at(self, text: str, temporary: bool = False) -> Breakpoint:
        """Set a breakpoint, in the form of `breakpoints.GRAMMAR`, such as ``"h_3"`` or ``"op tanh if time_step < 5"``.

        Args:
            temporary: remove it when it has stopped the pass.

        Raises:
            ArgumentError: it is not of that form, or nothing in the graph can ever match it.
        """
        found = breakpoints.parse(self._numbers + 1, text, self.names, temporary)
        self._numbers += 1
        self.breakpoints[found.number] = found
        return found

    def clear(self, number: int) -> Breakpoint:
        """Remove a breakpoint.

        Raises:
            ArgumentError: no breakpoint has this number.
        """
        number = whole_number("number", number, least=None)
        if number not in self.breakpoints:
            known = ", ".join(map(str, self.breakpoints))
            raise ArgumentError(
                f"no breakpoint {number}", remedy=f"There is {known}" if known else "There are no breakpoints"
            )
        return self.breakpoints.pop(number)

    def _hit(self) -> list[Breakpoint]:
        """The breakpoints that stop at the next step."""
        self._stopped_here = True
        step = self.next_step
        return [each for each in self.breakpoints.values() if step and self._stops(each, step)]

    def _stops(self, breakpoint: Breakpoint, step: Step) -> bool:
        try:
            return breakpoint.stops_at(step)
        except ArgumentError as error:
            error.what = f"breakpoint {breakpoint.number} at step {self.taken + 1}: {error.what}"
            raise

    # ---- the step in view -----------------------------------------------------------------------------------

    @property
    def view(self) -> Step | None:
        """The step in view: the next one, or one above it on the path (`up`); None at the end of the pass."""
        return self.path()[-1 - self.depth] if self.depth else self.next_step

    def path(self) -> list[Step]:
        """The path of the gradient from the loss to the next step: for every node on it, the first step that
        reached it.

        Raises:
            GraphError: steps are not kept.
        """
        arrived: dict[Value, Step] = {}
        for step in self._history("a path"):
            arrived.setdefault(step.parent, step)
        if self.next_step is None:
            return []
        path = [self.next_step]
        while path[-1].node in arrived:
            path.append(arrived[path[-1].node])
        return path[::-1]

    def up(self, count: int = 1) -> Step | None:
        """Look at the step one level up: the one that brought the gradient to the node in view. A negative count leads
        down again, to the next step.

        Raises:
            ArgumentError: there is no such level.
        """
        depth, levels = self.depth + whole_number("count", count, least=None, most=None), len(self.path())
        if not 0 <= depth < max(levels, 1):
            raise ArgumentError("this is the next step" if depth < 0 else "this is where the pass starts")
        self.depth = depth
        return self.view

    def value(self, expression: str) -> Any:
        """The value of an expression at the step in view; `expressions.HELP` says what it may be.

        Raises:
            ArgumentError: it is not such an expression, or has no value.
        """
        return Expression(expression, self.names).at(self.view)

    def to_come(self) -> Iterator[Edge]:
        """The steps that are still to be taken, as node and position of the operand."""
        return (edge for edge in self.reach.to_come() if edge[0].parents[edge[1]] not in self._constants)

    def latest(self, count: int) -> list[Step]:
        """The latest steps, oldest first; where they are not kept, the last one at most."""
        history = self.steps.history if self.steps.keep else self.steps.history[-1:]
        shown = [step for step in history if step.parent not in self._constants]
        return shown[max(0, len(shown) - whole_number("count", count, 0, most=None)) :]

    # ---- what has flowed so far -------------------------------------------------------------------------------

    def why(self, name: str) -> list[Step]:
        """The steps that have added to the gradient of a node so far; or of all nodes that `Names.find` finds.

        Raises:
            ArgumentError: nothing has this name.
            GraphError: steps are not kept.
        """
        nodes = set(self.names.find(name))
        return [step for step in self._history("an account of what was added") if step.parent in nodes]

    def nodes(self, name: str | None = None) -> list[Value]:
        """The nodes that `Names.find` finds, such as those called ``h_*``, in order of creation; by default the
        parameters and, of what is unrolled, the states. Raises as `Names.find` does.
        """
        if name is not None:
            return self.names.find(name)
        states = set()
        if self.unrolled is not None:
            for t in self.unrolled[self.unrolled.state_names[0]]:
                states.update(self.unrolled.state(t))
        return [
            node
            for node in reversed(self.steps.order)
            if node in states or (self.names.is_named(node) and not node.parents and node.time_step is None)
        ]

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
        products = jacobian_products(self.unrolled)
        rows = []
        so_far = True
        for t in range(T, k - 1, -1):
            nodes = self.unrolled.state(t)
            complete = all(map(self.reach.is_complete, nodes))
            so_far = so_far and complete
            _, chained, J = next(products) if so_far else (t, None, None)
            connected = any(map(self.reach.is_in_graph, nodes))
            gradient = [node.grad for node in nodes]
            rows.append(ChainRow(t, J if t < T else None, chained, gradient, complete, connected))
        return rows

    def verdict(self, k: int) -> Verdict | None:
        """The verdict on the gradient of the last loss on its way back to h_k.

        Returns:
            None as long as it has not arrived there, and where no time step lies between.

        Raises:
            ArgumentError: there is no h_k.
        """
        k = whole_number("k", k, least=None)
        if self.unrolled is None or not all(map(self.reach.is_complete, self.unrolled.state(k))):
            return None
        ratios = kept(self.unrolled, self.loss)
        lag = self.unrolled.first - 1 + len(ratios) - 1 - k
        return verdict(ratios[lag], lag) if lag >= 0 else None

    def forward(self, count: int = 1) -> list[ForwardStep]:
        """Replay the next steps of the forward pass; for a negative count, the previous ones, latest first.

        After the last comes the first again.
        """
        count = whole_number("count", count, least=None, most=None)
        if self._shown >= len(self._film) and count > 0:
            self._shown = 0
        begin, self._shown = self._shown, min(max(self._shown + count, 0), len(self._film))
        return self._film[begin : self._shown] if count > 0 else self._film[self._shown : begin][::-1]

    def __repr__(self) -> str:
        state = "complete" if self.steps.finished else f"{self.taken} of {count(self.total, 'step')}"
        following = f", next: {self.next_step}" if self.next_step else ""
        return f"Debugger({state}{following})"

    def _history(self, what: str) -> list[Step]:
        if not self.steps.keep:
            raise GraphError(f"{what} needs the steps, which are not kept", remedy="Start it with undo")
        return self.steps.history


def _constants(names: Names) -> frozenset[Value]:
    """The leaves without a name; none if no leaf has a name."""
    leaves = [node for node in names.order if not node.parents]
    unnamed = frozenset(leaf for leaf in leaves if not names.is_named(leaf))
    return unnamed if len(unnamed) < len(leaves) else frozenset()
