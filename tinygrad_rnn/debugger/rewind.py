"""A backward pass that can be undone, step by step, to the last bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..engine.passes import BackwardSteps, Change
from ..engine.steps import Step
from ..engine.value import Value
from ..errors import GraphError


class Taken(NamedTuple):
    """A step that was taken, with everything that it changed, in order."""

    step: Step
    changes: list[Change]


class Rewindable(BackwardSteps):
    """A `BackwardSteps` that keeps every step, so that `back` can undo it, and can look one step ahead.

    A step that is taken again after it was undone is replayed from memory, so that no hook is called twice.

    Args:
        keep: whether to keep the steps. Without them `peek` still works, and memory does not grow.
    """

    def __init__(self, root: Value, gradient: float = 1.0, keep: bool = True) -> None:
        super().__init__(root, gradient)
        self.keep = keep
        self._taken: list[Taken] = []
        self._undone: list[Taken] = []

    @property
    def history(self) -> list[Step]:
        """The steps taken."""
        return [taken.step for taken in self._taken]

    def __next__(self) -> Step:
        """Take a step. Raises as `BackwardSteps` does, and if a gradient was changed from outside."""
        if self._undone:
            return self._retake()
        try:
            step = super().__next__()
        finally:  # what hooks have replaced since the latest step belongs to that step
            if self._taken:
                self._taken[-1].changes.extend(self.replaced)
            self.replaced.clear()
        self._taken.append(Taken(step, [Change(step.parent, step.gradient_before, step.gradient_after)]))
        self._forget()
        return step

    def peek(self) -> Step | None:
        """Return the next step, without taking it; None at the end of the pass.

        The hooks of its node are called now, if they were not before. Raises as taking it would.
        """
        if not self._undone and next(self, None) is not None:
            self.back()
        return self._undone[-1].step if self._undone else None

    def back(self) -> Step:
        """Undo the latest step, and what hooks have replaced since.

        Returns:
            the step that was undone.

        Raises:
            GraphError: there is no step to undo, or the gradients were changed from outside since.
        """
        if not self._taken:
            raise GraphError("there is no step to undo")
        taken = self._taken[-1]
        _expect({node: after for node, _, after in taken.changes})
        for node, before, _ in reversed(taken.changes):
            self.set_gradient(node, before)
        self._undone.append(self._taken.pop())
        self.taken -= 1
        self.last = self._taken[-1].step if self._taken else None
        self.finished = False
        return taken.step

    def reset(self) -> None:
        """Return to the start of the pass, as `BackwardSteps.reset` does."""
        super().reset()
        self._taken, self._undone = [], []

    def _retake(self) -> Step:
        step, changes = self._undone[-1]
        arrived = {step.node: step.gradient} if step.node.parents else {}
        _expect({**arrived, **{node: before for node, before, _ in reversed(changes)}})
        for node, _, after in changes:
            self.set_gradient(node, after)
        self._taken.append(self._undone.pop())
        self.taken += 1
        self.last = step
        self._forget()
        return step

    def _forget(self) -> None:
        if not self.keep:
            del self._taken[:-2]  # one to undo in `peek`, and the one before it, which is then the latest


def _expect(gradients: Mapping[Value, float]) -> None:
    for node, gradient in gradients.items():
        if node.grad is not gradient:  # by identity: a NaN differs from itself
            raise GraphError(
                f"the gradient is {node.grad!r}, but the pass left it at {gradient!r}",
                node=node.name,
                remedy="It was changed from outside, by another backward pass or an assignment: reset() the pass",
            )
