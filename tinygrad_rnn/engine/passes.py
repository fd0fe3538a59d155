"""Whole backward passes: `backward`, and the same taken one step at a time, with hooks called on the way."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn, Protocol, SupportsFloat
from weakref import ref

from ..errors import GraphError, OperandError
from ..support.pytorch import refuse
from . import attached, hooks, notation
from .arithmetic import number
from .backward import topological_order, walk
from .hooks import watched
from .node import NO_GRADIENT, Node
from .ops import NOTHING, Edges
from .recording import is_held
from .steps import Step


class Observer(Protocol):
    """An object that is notified of every event in every backward pass."""

    def began(self, root: Any) -> None:
        """A pass from ``root`` is about to take its first step."""

    def stepped(self, step: Step) -> None:
        """A step was taken."""

    def replaced(self, node: Any) -> None:
        """A hook replaced the gradient of a node."""


#: Observers by the lock that is held while they are notified. Usually empty. Dead locks leave it, by C code.
_notified: dict[ref[object], Observer] = {}


def notify(observer: Observer, lock: ref[object]) -> None:
    """Notify an observer of every event in every backward pass, of all threads, as long as a lock is held."""
    _notified[ref(lock(), _notified.pop)] = observer


def observers() -> list[Observer]:
    """The observers to notify now."""
    # The copy is made by C code: another thread may come and go at any time.
    return [observer for lock, observer in _notified.copy().items() if is_held(lock)]


def backward(self: Node, gradient: SupportsFloat = 1.0, retain_graph: bool = True, **others: NoReturn) -> None:
    """Compute ∂self/∂v for every node v that self depends on.

    Leaves add it to what they have; the gradients of all other nodes are set anew. Through an unrolled RNN this is
    backpropagation through time.

    Args:
        gradient: the gradient of self, 1 unless self is part of something larger.
        retain_graph: as in PyTorch, but without effect: the graph is always kept.

    Raises:
        DomainError: a local gradient has no finite value.
        GraphError: a node was recorded without a derivative.
        OperandError: ``gradient`` is not a real number.
        OptionError: an option of PyTorch's that is not here, such as ``create_graph``.
    """
    if (watched and hooks.concern(self)) or _notified or type(gradient) is not float or others:
        refuse(backward, (self,), others)
        return BackwardSteps(self, number(gradient)).run()
    self._grad = gradient if self.parents else self._grad + gradient
    walk([self._id], {self._id: self})


class Change(NamedTuple):
    """A gradient that was set: by a step, or by a hook that replaced it."""

    node: Any
    before: float
    after: float


class BackwardSteps(Iterator[Step]):
    """The steps of one backward pass, taken one by one.

    The pass starts at once: the root has its gradient, those of the other inner nodes are 0, and leaves keep
    what they have. Every ``next()`` then applies the chain rule to one edge. Between two steps

    - the gradients are those of an incomplete pass: final for the nodes whose edges have been walked, and for the
      others what has reached them so far;
    - going on (``next()``, a ``for`` loop, ``finish()``) completes the pass as if it had never stopped;
    - ``reset()`` returns to the start of the pass, and restores the gradients that the leaves had then.

    Dropping the iterator leaves the gradients as they are. After another pass over the same inner nodes, or over a leaf
    with hooks, going on is an error: it would mix the gradients of the two.

    Hooks and breakpoints take part as in ``backward()``.

    Args:
        root: where the pass starts.
        gradient: the gradient of the root.

    Attributes:
        order: the nodes in the order of the walk.
        taken: number of steps taken.
        last: the latest step, or None.
        finished: whether the pass is complete.
        replaced: the gradients that hooks replaced after the step before the latest one.
    """

    def __init__(self, root: Node, gradient: float = 1.0) -> None:
        self.root = root
        self.gradient = gradient
        self.order: list[Any] = topological_order(root)
        self._hooked, self._stops = hooks.among(self.order)
        self._earlier = {node: node._grad for node in self.order if not node.parents}
        if self._stops:
            attached.warn_if_it_cannot_stop()
        self._start()

    def _start(self) -> None:
        self.taken = 0
        self.last: Step | None = None
        self.finished = False
        self.replaced: list[Change] = []
        self._error: Exception | None = None
        for node in self.order:
            if node.parents:
                node._grad = NO_GRADIENT
        self.root._grad = self.gradient if self.root.parents else self.root._grad + self.gradient
        # The gradient of a leaf includes that of earlier passes; its hooks are called with that of this pass alone.
        self._own = {node: 0.0 for node in self._hooked if not node.parents}
        if self.root in self._own:
            self._own[self.root] = self.gradient
        self._waiting = {node._id: node for node in self.order}
        self._expected = {node: node._grad for node in self.order if node.parents or node in self._hooked}
        self._nodes = _complete_nodes(
            self.order, self._expected, self.root, self._hooked, self._own, self._earlier, self.replaced
        )
        self._edges: Iterator[_Edge] = _edges(self._nodes, self._expected)

    def __iter__(self) -> BackwardSteps:
        return self

    def __next__(self) -> Step:
        """Take a step.

        Raises:
            DomainError: a local gradient has no finite value.
            GraphError: another pass has changed the gradients since.
        """
        if self._error is not None:
            raise self._error
        self.replaced.clear()
        try:
            edge = next(self._edges)
            before = edge.parent._grad
            walk([edge.node._id], edge.ends, edge.alone, self._stops)
            self.last = self._note(edge.step(before))
        except StopIteration:
            self.finished = True
            raise
        except BaseException as error:
            broken_off = GraphError("the pass was interrupted", remedy="Start it again with reset()")
            self._error = error if isinstance(error, Exception) else broken_off
            raise
        self.taken += 1
        return self.last

    def _note(self, step: Step) -> Step:
        """Note what a step brought, and notify the observers of it."""
        if step.parent in self._expected:
            self._expected[step.parent] = step.gradient_after
        if step.parent in self._own:
            self._own[step.parent] += step.contribution
        for observer in observers():
            observer.stepped(step)
        return step

    def finish(self) -> None:
        """Take all steps that are expected."""
        for _ in self:
            pass

    def run(self) -> None:
        """Complete the pass, without records of the steps where nobody needs them.

        Raises:
            DomainError: a local gradient has no finite value.
            GraphError: a hook has started another pass over the same nodes.
        """
        if observers() or any(self._earlier[leaf] for leaf in self._own):
            for edge in self._edges:
                before = edge.parent._grad
                walk([edge.node._id], edge.ends, edge.alone, self._stops)
                self._note(edge.step(before))
        else:
            for node in self._nodes:
                watched_over = [parent for parent in node.parents if parent in self._expected]
                for parent in watched_over:
                    _check_uninterrupted(parent, self._expected)
                walk([node._id], self._waiting, None, self._stops)
                for parent in watched_over:
                    self._expected[parent] = parent._grad
        self.finished = True

    def reset(self) -> None:
        """Return to the start of the pass. Leaves get back the gradients that they had when it was first started; what
        another pass has added to them since is dropped.
        """
        for leaf, gradient in self._earlier.items():
            leaf._grad = gradient
        self._start()

    def set_gradient(self, node: Node, gradient: float) -> None:
        """Set a gradient as a part of this pass: anybody else's assignment ends it."""
        node._grad = gradient
        if node in self._expected:
            self._expected[node] = gradient

    def __repr__(self) -> str:
        overwritten = any(node._grad is not gradient for node, gradient in self._expected.items())
        state = "finished" if self.finished else "interrupted" if overwritten else "under way"
        return f"BackwardSteps({notation.name(self.root)}, {self.taken} taken, {state})"


class _Edge(NamedTuple):
    """An edge whose turn has come.

    Whoever takes it calls `walk` itself: from a breakpoint there, the user's line is then one frame less away.

    Attributes:
        after: where a closure stands in for the rule, the gradient that it leaves at the parent; otherwise None.
    """

    node: Node
    parent: Node
    position: int
    local_gradient: float
    after: float | None = None

    @property
    def ends(self) -> dict[int, Node]:
        """The two nodes by number, for `walk`."""
        return {self.node._id: self.node, self.parent._id: self.parent}

    def alone(self, _: Node) -> Edges:
        """This edge as the only one of its node."""
        return ((self.parent, self.local_gradient),) if self.after is None else self._played_back(self.after)

    def _played_back(self, after: float) -> Iterator[tuple[Node, object]]:
        yield self.parent, NOTHING
        self.parent._grad = after

    def step(self, before: float) -> Step:
        """The record of it, once it was taken."""
        gradient, after = self.node._grad, self.parent._grad
        contribution = self.local_gradient * gradient if self.after is None else after - before
        return Step(self.node, self.parent, self.position, gradient, self.local_gradient, contribution, before, after)


def steps(root: Node, stop: Sequence[Node] = ()) -> Iterator[Step]:
    """The steps of a pass from ``root`` along paths that do not lead through ``stop``; no hook is called.

    Gradients are set as by `backward.propagate`.

    Raises:
        DomainError: a local gradient has no finite value.
    """
    order = topological_order(root, stop=stop)
    for node in (*order, *stop):
        if node.parents:
            node._grad = NO_GRADIENT
    root._grad = 1.0 if root.parents else root._grad + 1.0
    for edge in _edges(iter(order), {}):
        before = edge.parent._grad
        walk([edge.node._id], edge.ends, edge.alone)
        yield edge.step(before)


# Functions, not methods: were they to hold the BackwardSteps that holds them, only the garbage collector could free a
# pass that was dropped half-way.


def _complete_nodes(
    order: Sequence[Node],
    expected: dict[Node, float],
    root: Node,
    hooked: frozenset[Node],
    own: Mapping[Node, float],
    earlier: Mapping[Node, float],
    replaced: list[Change],
) -> Iterator[Node]:
    """Each node in its turn, once its hooks have been called: its gradient is complete."""
    for observer in observers():
        observer.began(root)
    for node in order:
        _check_uninterrupted(node, expected)
        if node in hooked:
            before = node._grad
            brought = own[node] if node in own and earlier[node] else before
            change = _call_hooks(node, brought, earlier.get(node, 0.0))
            if change:
                replaced.append(change)
                if node in expected:
                    expected[node] = change.after
                for observer in observers():
                    observer.replaced(node)
            _check_uninterrupted(node, expected)  # by a hook that has run another pass
        yield node


def _edges(nodes: Iterator[Node], expected: Mapping[Node, float]) -> Iterator[_Edge]:
    """The edges of the nodes, one by one."""
    for node in nodes:
        if node.operation.backward is None:
            found = [_Edge(node, parent, n, slope) for n, (parent, slope) in enumerate(node.operation.edges(node))]
        else:
            found = _edges_of_closure(node)
        for edge in found:
            _check_uninterrupted(edge.parent, expected)
            yield edge


def _edges_of_closure(node: Node) -> list[_Edge]:
    """The effect of a closure, seen from outside, to be played back: an operand that occurs twice shows one sum."""
    before = {parent: parent._grad for parent in node.parents}
    node.operation.call_closure(node)
    after = {parent: parent._grad for parent in before}
    for parent, gradient in before.items():
        parent._grad = gradient
    return [
        _Edge(node, parent, node.parents.index(parent), (end - start) / node._grad if node._grad else math.nan, end)
        for (parent, start), end in zip(before.items(), after.values())
    ]


def _check_uninterrupted(node: Node, expected: Mapping[Node, float]) -> None:
    """Check that a gradient is still the one that the pass left there: by identity, since a NaN differs from itself."""
    if node in expected and node._grad is not expected[node]:
        raise _interrupted(node)


def _interrupted(node: Node) -> GraphError:
    return GraphError(
        "another backward pass, or an assignment, has overwritten a gradient of this one",
        node=notation.name(node),
        remedy="Start over with backward_steps(), and run other passes before or after this one",
    )


def _call_hooks(node: Node, gradient: float, earlier: float) -> Change | None:
    """Call the hooks of a node with its gradient in this pass.

    Args:
        earlier: what earlier passes expected, if the node is a leaf.
    """
    before, result = node._grad, None
    try:
        for hook in hooks.hooks_of(node):
            replacement = hook(gradient)
            if replacement is not None:
                gradient = result = number(replacement)
    except OperandError as error:
        error.what = f"a hook returned something other than None or a number: {error.what}"
        error.node = notation.name(node)
        raise
    finally:
        overwritten, node._grad = node._grad is not before, before
    if overwritten and not node.parents:  # by another pass, perhaps, which would be lost
        raise _interrupted(node)
    if result is None:
        return None
    node._grad = result if node.parents else earlier + result
    return Change(node, before, node._grad)
