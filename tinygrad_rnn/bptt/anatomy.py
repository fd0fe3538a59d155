"""The origin of a gradient: the one number ``w.grad``, split by time step and lag.

A tied weight is used once per time step. Its gradient is the sum, over the loss steps t and the use steps
k <= t, of its contribution from the loss L_t through its use at step k:

    ∂L/∂w = Σ_t Σ_k (∂L_t/∂w)_k        (Werbos 1990; Pascanu, Mikolov and Bengio 2013, eq. 3 to 5)

The split is read off the ordinary backward pass: whenever the pass moves from one time step to the next, the weight's
gradient is recorded and set to zero.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from typing import Any, TypeVar

from ..engine.backward import gradients, gradients_kept, topological_order, visit
from ..engine.value import Value
from ..errors import ArgumentError, GraphError
from ..nn.quantities import entries
from ..nn.trees import NestedNumbers, shape
from ..support.checks import step_or_none, whole_number
from ..support.memory import require_memory
from ..support.sums import norm_of
from .unroll import Unrolled

TimeStep = int | None  # None: outside time, such as a penalty on the weights
Losses = Value | Sequence[Value] | Mapping[int, Value]
#: A result: a float for a single parameter, else lists (of lists) of floats in the parameter's shape. Only the caller
#: knows which, so a union type would have to be narrowed at every use, as in ``-anatomy.total()``.
Numbers = Any

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, eq=False)
class Anatomy:
    """The gradient of one parameter, split by use step k and loss step t.

    ``anatomy[k, t]`` is the contribution of the loss of step t through the use at step k: a
    float for a single parameter, else lists in the parameter's shape. Sums add the terms in the order of
    the backward pass, last use first, so that for one loss and one use per step `total` is what
    ``backward()`` gives, to the bit.

    Attributes:
        name: the name of the parameter.
        shape: its shape; ``()`` for a single number.
        use_steps: the time steps in which it is used, ascending; None for a use outside time.
        loss_steps: the time steps of the losses, ascending.
        columns: per loss step, the contributions by use step, and within it entry by entry.
    """

    name: str
    shape: tuple[int, ...]
    use_steps: tuple[TimeStep, ...]
    loss_steps: tuple[TimeStep, ...]
    columns: tuple[array[float], ...]

    def __getitem__(self, steps: tuple[TimeStep, TimeStep]) -> Numbers:
        k, t = (step_or_none(name, step) for name, step in zip("kt", steps))
        try:
            row, column = self._rows[k], self._columns[t]
        except KeyError:
            raise ArgumentError(
                f"{self.name} has no use at time step {k} with a loss at time step {t}",
                remedy=f"Uses: {_range(self.use_steps)}; losses: {_range(self.loss_steps)}",
            ) from None
        return self._shaped(self._cell(column, row))

    def by_use_step(self) -> dict[TimeStep, Numbers]:
        """The contributions through the use at each step, from all losses together."""
        return self._sums(lambda k, t: k)

    def by_loss_step(self) -> dict[TimeStep, Numbers]:
        """The gradient of each step's loss, through all uses together."""
        return self._sums(lambda k, t: t)

    def by_lag(self) -> dict[TimeStep, Numbers]:
        """The contributions that travelled the same number of steps t - k back; None stands for uses outside time."""
        return self._sums(lag)

    def total(self) -> Numbers:
        """The whole gradient."""
        return self._sums(lambda k, t: None).get(None, self._shaped([0.0] * self._size))

    def terms(self) -> Iterator[tuple[TimeStep, TimeStep, Numbers]]:
        """Yield all (use step, loss step, contribution), in the order in which the passes meet them.

        A use step later than the loss step is left out: nothing can flow there.
        """
        for k, t, cell in self._cells():
            yield k, t, self._shaped(cell)

    def entry(self, *index: int) -> Anatomy:
        """The anatomy of one entry, ``entry(0, 1)`` of a matrix."""
        index = tuple(whole_number("an index", i, least=None) for i in index)
        if len(index) != len(self.shape) or not all(0 <= i < n for i, n in zip(index, self.shape)):
            raise ArgumentError(f"no entry {list(index)} in {self.name} of shape {self.shape}")
        place = 0
        for i, n in zip(index, self.shape):
            place = place * n + i
        name = f"{self.name}[{','.join(map(str, index))}]" if index else self.name
        return replace(self, name=name, shape=(), columns=tuple(c[place :: self._size] for c in self.columns))

    def where(self, keep: Callable[[TimeStep, TimeStep], bool]) -> Anatomy:
        """The same, with zeros wherever ``keep(use step, loss step)`` is false."""
        size, zeros = self._size, array("d", bytes(8 * self._size))
        columns = tuple(array("d", column) for column in self.columns)
        for t, column in zip(self.loss_steps, columns):
            for row, k in enumerate(self.use_steps):
                if not keep(k, t):
                    column[row * size : (row + 1) * size] = zeros
        return replace(self, columns=columns)

    def table(self) -> list[list[float]]:
        """A row per use step, a column per loss step: the contribution of a single parameter, signed; the
        Euclidean (Frobenius) norm of the contribution to a vector or matrix.
        """
        return [
            [cell[0] if not self.shape else norm(cell) for cell in (self._cell(c, row) for c in self.columns)]
            for row in range(len(self.use_steps))
        ]

    def __repr__(self) -> str:
        return f"Anatomy(∂L/∂{self.name}, uses {_range(self.use_steps)}, losses {_range(self.loss_steps)})"

    @cached_property
    def _size(self) -> int:
        return math.prod(self.shape)

    @cached_property
    def _rows(self) -> dict[TimeStep, int]:
        return {k: row for row, k in enumerate(self.use_steps)}

    @cached_property
    def _columns(self) -> dict[TimeStep, array[float]]:
        return dict(zip(self.loss_steps, self.columns))

    def _cell(self, column: array[float], row: int) -> array[float]:
        return column[row * self._size : (row + 1) * self._size]

    def _cells(self) -> Iterator[tuple[TimeStep, TimeStep, array[float]]]:
        for t, column in zip(self.loss_steps, self.columns):
            for row in reversed(range(len(self.use_steps))):
                k, cell = self.use_steps[row], self._cell(column, row)
                if k is None or t is None or k <= t or any(cell):
                    yield k, t, cell

    def _shaped(self, flat: Sequence[float]) -> Numbers:
        return reshape(flat, self.shape)

    def _sums(self, key: Callable[[TimeStep, TimeStep], K]) -> dict[K, Numbers]:
        sums: dict[K, list[float]] = {}
        for k, t, cell in self._cells():
            group = sums.setdefault(key(k, t), [0.0] * self._size)
            for i, number in enumerate(cell):
                group[i] += number
        ordered = sorted(sums, key=lambda step: (step is not None, step))
        return {step: self._shaped(sums[step]) for step in ordered}


def anatomy(unrolled: Unrolled, losses: Losses, parameter: object) -> Anatomy:
    """Split the gradient of a parameter by use step and loss step.

    This takes one backward pass per loss step, in time proportional to the nodes that the loss reaches. The gradients
    in the graph are left as they were. Any cell works, and any node: a weight that is itself computed (such as a
    normalised one) is split at its uses just like a leaf.

    Args:
        unrolled: what the losses were computed from.
        losses: one loss; or several, whose sum is the loss; or ``{t: L_t}``. Unless given as a key, the step
            of a loss is the latest among the steps that it was computed from. Pass the losses of the steps
            one by one: a sum of them counts as a single loss of the last step.
        parameter: a Value, or a list (of lists) of them: a vector or matrix.

    Raises:
        ArgumentError: there are no losses, a key is no time step, or the parameter has no entries, is ragged, or holds
            the same Value twice.
        GraphError: no loss depends on the parameter.
        DomainError: a local gradient has no finite value.
    """
    nodes = entries(parameter)
    name = _name(parameter, nodes, unrolled)
    _check_nodes(name, parameter, nodes)
    by_step = _loss_list(losses)
    steps = unrolled.steps_of([loss for _, loss in by_step])
    by_step = [(steps[loss] if t is _ASK else t, loss) for t, loss in by_step]
    watched = {entry: i for i, entry in enumerate(nodes)}
    use_steps = _ascending(
        {steps[node] for node in steps if any(parent in watched for parent in node.parents)}
        | {steps[loss] for _, loss in by_step if loss in watched}  # the loss is the parameter itself
    )
    if not use_steps:
        raise GraphError("no loss depends on this parameter", node=name, remedy="Pass a parameter that was unrolled")
    loss_steps = _ascending({t for t, _ in by_step})
    rows = {k: i * len(nodes) for i, k in enumerate(use_steps)}
    require_memory("the number of loss steps", len(loss_steps), lambda n: n * len(rows) * len(nodes) * 2 * 8)
    columns = {t: array("d", bytes(8 * len(rows) * len(nodes))) for t in loss_steps}
    with gradients_kept(list(steps)):
        for t, loss in by_step:
            _take_apart(loss, steps, watched, rows, columns[t])
    return Anatomy(name, shape(parameter), use_steps, loss_steps, tuple(columns.values()))


def _take_apart(
    loss: Value,
    steps: Mapping[Value, TimeStep],
    watched: Mapping[Value, int],
    rows: Mapping[TimeStep, int],
    column: array[float],
) -> None:
    """Run the backward pass from one loss, and record in ``column`` what each time step adds to the watched nodes."""
    order = topological_order(loss)
    waiting = dict(watched)
    received = [0.0] * len(watched)

    def note(step: TimeStep) -> None:
        if step in rows:
            row = rows[step]
            for node, i in waiting.items():
                gradient = node.grad
                if gradient:  # NaN too
                    column[row + i] += gradient
                    received[i] += gradient
                    node.zero_grad()

    for node in (*order, *watched):
        node.zero_grad()
    loss.grad = 1.0
    current = steps[loss]
    for (step, entry), nodes in groupby(order, key=lambda node: (steps[node], waiting.get(node))):
        if step != current:
            note(current)
            current = step
        together = list(nodes)
        if entry is not None:  # all its uses are done: restore its gradient, which the nodes below it need
            note(current)
            (node,) = together
            node.grad = received[waiting.pop(node)]
        visit(together)


def state_gradients(unrolled: Unrolled, loss: Value, name: str = "h") -> dict[int, Numbers]:
    """∂L/∂h_k for every k, by one backward pass, leaving the gradients in the graph as they were.

    Args:
        unrolled: what the loss was computed from.
        loss: the loss L.
        name: which series to differentiate by; ``"h"`` stands for the hidden states h_0 … h_T.

    Returns:
        By time step: a float for a scalar cell, else a list of floats.
    """
    series = unrolled[name]
    numbers = iter(gradients(loss, entries(list(series.values()))))
    return {k: reshape([next(numbers) for _ in entries(quantity)], shape(quantity)) for k, quantity in series.items()}


def lag(k: TimeStep, t: TimeStep) -> TimeStep:
    """t - k, the number of steps that a gradient travels from the loss step t back to the use step k."""
    return None if k is None or t is None else t - k


def norm(numbers: NestedNumbers) -> float:
    """The Euclidean (Frobenius) norm of a number, a vector or a matrix."""
    return norm_of(entries(numbers))


def number_or_norm(numbers: NestedNumbers) -> float:
    """A number as it is, with its sign; the Euclidean (Frobenius) norm of a vector or a matrix."""
    return numbers if isinstance(numbers, float) else norm(numbers)


def reshape(flat: Sequence[float], sizes: tuple[int, ...]) -> NestedNumbers:
    """Return the numbers as nested lists of these sizes: the inverse of `entries`."""
    if not sizes:
        return flat[0]
    below = len(flat) // sizes[0]
    return [reshape(flat[i * below : (i + 1) * below], sizes[1:]) for i in range(sizes[0])]


_ASK: Any = object()  # stands for the step of a loss that was passed without one


def _loss_list(losses: Losses) -> list[tuple[TimeStep, Value]]:
    if isinstance(losses, Mapping):
        pairs = [(step_or_none("a time step of losses", t), loss) for t, loss in losses.items()]
    else:
        pairs = [(_ASK, loss) for loss in ([losses] if isinstance(losses, Value) else losses)]
    if not pairs:
        raise ArgumentError("there are no losses", remedy="Give a Value, a list of Values, or {time step: Value}")
    for _, loss in pairs:
        if not isinstance(loss, Value):
            raise ArgumentError(f"a loss is a {type(loss).__name__}", remedy="A loss is a Value")
    return pairs


def _check_nodes(name: str, parameter: object, nodes: Sequence[object]) -> None:
    wrong = [entry for entry in nodes if not isinstance(entry, Value)]
    if wrong or not nodes:
        found = f"a {type(wrong[0]).__name__}" if wrong else "nothing"
        raise ArgumentError(f"the parameter holds {found}", remedy="A parameter is a Value or lists of Values")
    if math.prod(shape(parameter)) != len(nodes):
        raise ArgumentError(f"the rows of {name} differ in length")
    if len(set(nodes)) < len(nodes):
        raise ArgumentError(f"{name} holds the same Value twice", remedy="Ask for the anatomy of that Value")


def _name(parameter: object, nodes: Sequence[object], unrolled: Unrolled) -> str:
    if isinstance(parameter, Value):
        return parameter.name
    label = str(getattr(next(iter(nodes), None), "label", ""))
    return label.partition("[")[0] or "parameter"


def _ascending(steps: set[TimeStep]) -> tuple[TimeStep, ...]:
    return tuple(sorted(steps, key=lambda step: (step is not None, step)))


def _range(steps: Sequence[TimeStep]) -> str:
    numbers = [step for step in steps if step is not None]
    inside = f"{numbers[0]} … {numbers[-1]}" if len(numbers) > 1 else ", ".join(map(str, numbers))
    return ", ".join(filter(None, ["outside time" if None in steps else "", inside]))
