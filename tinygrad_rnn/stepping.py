"""A backward pass that someone steps through, and the forward pass played again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, overload

from . import hooks, notation
from .backward import Step, observers, start, topological_order, under_way, walk
from .errors import GraphError, OperandError

if TYPE_CHECKING:
    from .value import Value


class Change(NamedTuple):
    """A gradient that was set: by a step, or by a hook that replaced it."""

    node: Value
    before: float
    after: float


class Taken(NamedTuple):
    """A step that was taken, with everything that it changed, in order."""

    step: Step
    changes: list[Change]


class BackwardSteps(Iterator[Step]):
    """The steps of one backward pass, taken one by one.

    The pass starts at once: the root has its gradient, those of the other inner nodes are 0, and leaves keep
    what they have. Every ``next()`` then applies the chain rule to one edge. Between two steps

    - the gradients are those of a pass half-way: final for the nodes whose edges have been walked, and for the
      others what has reached them so far;
    - going on (``next()``, a ``for`` loop, ``finish()``) completes the pass as if it had never stopped;
    - ``reset()`` takes the pass back to its start, and the leaves to what they had then;
    - with ``undo``, ``back()`` takes the latest step back, to the last bit.

    Dropping the iterator leaves the gradients as they are. Another pass over the same inner nodes ends this
    one: going on would mix the gradients of the two, and is an error.

    Hooks and breakpoints take part as in ``backward()``. A step that is taken again after it was undone is
    played from memory, so that no hook is called twice.

    Args:
        root: where the pass starts.
        gradient: the gradient of the root.
        undo: keep every step, for `back` and `history`; otherwise memory does not grow from step to step.

    Attributes:
        order: the nodes in the order of the walk.
        taken: number of steps taken.
        last: the latest step, or None.
        finished: whether the pass is complete.
    """

    def __init__(self, root: Value, gradient: float = 1.0, undo: bool = False) -> None:
        self.root = root
        self.gradient = gradient
        self.undo = undo
        self.order = topological_order(root)
        self._earlier = {node: node._grad for node in self.order if not node.parents and node._grad is not None}
        self._start()

    def _start(self) -> None:
        under_way.discard(self)
        start(self.order, self.root, self.gradient)
        under_way.add(self)
        self.taken = 0
        self.last: Step | None = None
        self.finished = False
        self._interrupted = False
        self._error: BaseException | None = None
        self._history: list[Taken] = []
        self._undone: list[Taken] = []
        self._replaced: list[Change] = []
        self._steps = _with_hooks(self.order, self.root, self.gradient, self._earlier, self._replaced)

    def __iter__(self) -> BackwardSteps:
        return self

    def __next__(self) -> Step:
        """Take a step.

        Raises:
            DomainError: a local gradient has no finite value.
            GraphError: another pass, or someone by hand, has changed the gradients since.
        """
        self._check_uninterrupted()
        if self._undone:
            return self._retake()
        if self._error is not None:
            raise self._error
        try:
            step = next(self._steps)
        except StopIteration:
            self._attribute_replacements()
            self.finished = True
            under_way.discard(self)
            raise
        except BaseException as error:
            self._attribute_replacements()
            broken_off = GraphError("the pass was broken off", remedy="Start it again with reset()")
            self._error = error if isinstance(error, Exception) else broken_off
            raise
        self.taken += 1
        self.last = step
        if self.undo:
            edge = Change(step.parent, step.gradient_before, step.gradient_after)
            self._history.append(Taken(step, [*self._replaced, edge]))
        self._replaced.clear()
        return step

    @property
    def history(self) -> list[Step]:
        """The steps taken, if they are kept (``undo``)."""
        return [taken.step for taken in self._history]

    def finish(self) -> None:
        """Take all steps that are left."""
        for _ in self:
            pass

    def run(self) -> None:
        """`finish`, without making records of the steps where nobody needs them.

        Raises:
            GraphError: a hook has started another pass over the same nodes.
        """
        self._steps = _with_hooks(self.order, self.root, self.gradient, self._earlier, self._replaced, record=False)
        self.finish()
        self._check_uninterrupted()

    def back(self) -> Step:
        """Undo the latest step, hooks that replaced a gradient since the step before it included.

        Returns:
            the step that was undone.

        Raises:
            GraphError: there is no step to undo, or steps are not kept, or another pass, or someone by hand, has
                changed the gradients since.
        """
        self._check_uninterrupted()
        if not self._history:
            kept = self.undo or not self.taken
            raise GraphError(
                "there is no step to undo" if kept else "the steps of this pass are not kept",
                remedy=None if kept else "Ask for it with backward_steps(undo=True)",
            )
        taken = self._history[-1]
        _expect({node: after for node, _, after in taken.changes})
        for node, before, _ in reversed(taken.changes):
            node._grad = before
        self._undone.append(self._history.pop())
        self.taken -= 1
        self.last = self._history[-1].step if self._history else None
        if self.finished:
            self.finished = False
            under_way.add(self)
        return taken.step

    def reset(self) -> None:
        """Take the pass back to its start. Leaves get back the gradients that they had when it was first started.

        Raises:
            GraphError: another pass over these nodes has ended this one.
        """
        self._check_uninterrupted()
        for node in self.order:
            if not node.parents:
                node._grad = self._earlier.get(node)
        self._start()

    def interrupt(self, order: Sequence[Value]) -> None:
        """End this pass if one over ``order``, about to start, will overwrite its gradients."""
        if any(node.parents for node in set(self.order).intersection(order)):
            self._interrupted = True
            under_way.discard(self)

    def _check_uninterrupted(self) -> None:
        if self._interrupted:
            raise GraphError(
                "another backward pass has overwritten the gradients of this one",
                node=notation.name(self.root),
                remedy="Start over with backward_steps()",
            )

    def _retake(self) -> Step:
        step, changes = self._undone[-1]
        _expect({node: before for node, before, _ in reversed(changes)})
        for node, _, after in changes:
            node._grad = after
        self._history.append(self._undone.pop())
        self.taken += 1
        self.last = step
        return step

    def _attribute_replacements(self) -> None:
        """Count what hooks replaced after the latest step to that step."""
        if self._history:
            self._history[-1].changes.extend(self._replaced)
        self._replaced.clear()

    def __repr__(self) -> str:
        state = "finished" if self.finished else "interrupted" if self._interrupted else "under way"
        return f"BackwardSteps({notation.name(self.root)}, {self.taken} taken, {state})"


def _expect(gradients: dict[Value, float]) -> None:
    for node, gradient in gradients.items():
        if node._grad is not gradient:  # by identity: a NaN differs from itself
            raise GraphError(
                f"the gradient is {node._grad!r}, but the pass left it at {gradient!r}",
                node=notation.name(node),
                remedy="It was changed from outside: reset() the pass, or start over with backward_steps()",
            )


# A function, not a method: were it to hold the BackwardSteps that holds it, only the garbage collector could
# free a pass that was dropped half-way.
def _with_hooks(
    order: list[Value],
    root: Value,
    gradient: float,
    earlier: dict[Value, float],
    replaced: list[Change],
    record: bool = True,
) -> Iterator[Step]:
    """`walk`, with hooks called on the way: before a node is walked, its gradient is complete."""
    places, stops = hooks.among(order)
    # What this pass alone brings to leaves with hooks: the gradient of a leaf includes that of earlier passes.
    own = {order[place]: 0.0 for place in places if not order[place].parents}
    if root in own:
        own[root] = gradient
    record = bool(record or stops or observers or any(earlier.get(leaf) for leaf in own))
    for observer in observers:
        observer.began(root)
    nodes = iter(order)
    walked = 0
    for place in [*places, len(order)]:
        for step in walk(islice(nodes, place - walked), record, stops):
            if step.parent in own:
                own[step.parent] += step.contribution
            for observer in observers:
                observer.stepped(step)
            yield step
        walked = place
        if place < len(order):
            node = order[place]
            brought = own[node] if record and node in own else node._grad
            change = _call_hooks(node, brought, 0.0 if node is root else earlier.get(node, 0.0))
            if change:
                replaced.append(change)
                for observer in observers:
                    observer.replaced(node)


def _call_hooks(node: Value, gradient: float, earlier: float) -> Change | None:
    """Call the hooks of a node with its gradient in this pass.

    Args:
        earlier: what earlier passes left, if the node is a leaf.
    """
    before, result = node._grad, None
    try:
        for hook in list(node._extra.hooks.values()):
            replacement = hook(gradient)
            if replacement is not None:
                node.grad = replacement  # which refuses what is not a number
                gradient = result = node._grad
    except OperandError as error:
        error.what = f"a hook returned something else than None or a number: {error.what}"
        error.node = notation.name(node)
        raise
    finally:
        node._grad = before
    if result is None:
        return None
    node._grad = result if node.parents else earlier + result
    return Change(node, before, node._grad)


@dataclass(frozen=True, slots=True)
class ForwardStep:
    """How one number arose.

    Attributes:
        node: the node that holds it.
    """

    node: Value

    @property
    def op(self) -> str:
        """The name of the node's op; empty for a leaf."""
        return self.node.op

    @property
    def operands(self) -> tuple[Value, ...]:
        """The nodes that it was computed from."""
        return self.node.parents

    @property
    def data(self) -> float:
        """The number."""
        return self.node.data

    @property
    def time_step(self) -> int | None:
        """The time step of the node; None outside an unrolling."""
        return self.node.time_step

    @property
    def formula(self) -> str:
        """How it was computed, by name: ``h_3 = tanh(z_3) = 0.4622``."""
        return self._equation(notation.formula(self.node))

    @property
    def formula_in_numbers(self) -> str:
        """How it was computed, by number: ``h_3 = tanh(0.5) = 0.4622``."""
        return self._equation(notation.formula_in_numbers(self.node))

    def __str__(self) -> str:
        return f"{notation.time_step(self.node)}{self.formula}"

    def _equation(self, formula: str) -> str:
        return " = ".join(side for side in (self.node.label, formula, notation.number(self.data)) if side)


class ForwardSteps(Sequence[ForwardStep]):
    """The forward pass that led to ``root``, in order of creation; nothing is computed again.

    A sequence, so that a lesson can go through it forwards, backwards, or to any place.
    """

    def __init__(self, root: Value) -> None:
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
        return f"ForwardSteps({notation.name(self.root)}, {len(self)} nodes)"
