"""The source of a page: one time step that can become a program, and the sequence that it runs over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, Literal

from ..bptt import Unrolled, unroll
from ..bptt.problem import Problem, prediction
from ..bptt.unroll import as_input
from ..compile import Number, Symbols, Vector
from ..compile.javascript import Whole
from ..compile.step import Step
from ..engine.recording import no_grad
from ..engine.value import Value
from ..errors import ArgumentError, CompileError
from ..nn.cells import Cell
from ..nn.losses import mse_loss
from ..nn.one_hot import OneHot
from ..nn.quantities import Loss, Quantity, Readout, as_quantity, entries
from ..nn.trees import is_vector
from .recorded import read_losses

Kind = Number | Vector | Symbols


@dataclass(frozen=True)
class Source:
    """The source of a page.

    Attributes:
        step: the time step.
        inputs: for every time step, the numbers of x_t.
        targets: for every time step, the numbers of its target; None for one without a loss.
        first: the number of the first time step.
        at: where the losses are: at the ``"last"`` time step, or at ``"every"`` one that has a target.
        mean: whether the loss is their mean; else it is their sum.
        whole: what the whole loss is computed by, if not by time steps alone.
        posed: the problem, if it is one; its graph and its losses are compared with the program.
    """

    step: Step
    inputs: list[list[float]]
    targets: list[list[float] | None]
    first: int
    at: Literal["last", "every"]
    mean: bool
    whole: Whole | None = None
    posed: Problem | None = None

    def named_parameters(self) -> Iterator[tuple[str, Value]]:
        """Yield every parameter that a module of the time step holds, with its name."""
        for module in self.step.modules:
            yield from module.named_parameters()


def from_problem(posed: Problem) -> Source:
    """The source of a page about a problem.

    Raises:
        ArgumentError: the targets are neither numbers, nor vectors, nor classes.
        CompileError: inputs or targets have different shapes.
    """
    unrolled = posed.unrolled
    at: Literal["last", "every"] = "last" if [each.time_step for each in posed.losses] == [unrolled.T] else "every"
    inputs = [unrolled.x[t] for t in range(unrolled.first, unrolled.T + 1)]
    made = from_sequence(posed.cell, inputs, posed.targets, readout=posed.readout, loss=posed.criterion, at=at)
    return replace(made, step=replace(made.step, state=_values(_initial(unrolled))), first=unrolled.first, posed=posed)


def from_sequence(
    cell: Cell,
    inputs: Sequence[object],
    targets: Sequence[object],
    *,
    readout: Readout | None = None,
    loss: Loss = mse_loss,
    at: Literal["last", "every"] = "last",
) -> Source:
    """The source of a page about a cell over a sequence. Nothing is unrolled.

    Args:
        cell, inputs, targets, readout, loss, at: as for `problem`.

    Raises:
        ArgumentError: the targets are neither numbers, nor vectors, nor classes.
        CompileError: inputs or targets have different shapes.
        DataError, ShapeError: as for `problem`.
    """
    x, rows = _inputs([as_input(cell, x, t) for t, x in enumerate(inputs, start=1)])
    kind = _target_kind(targets, lambda: prediction(unroll(cell, inputs[:1]), readout, 1))
    step = Step.of(cell, readout, loss, x, kind, None)
    wanted = [None if target is None else [float(number) for number in entries(plain(target))] for target in targets]
    return Source(step, rows, wanted, 1, at, mean=True)


def from_graph(unrolled: Unrolled, loss: Value, losses: Sequence[Value] | None = None) -> Source:
    """The source of a page about a recorded graph. Its loss is repeated as it was recorded.

    Args:
        unrolled: the unrolled cell.
        loss: the loss.
        losses: the losses of single time steps whose sum or mean it is. By default they are found.

    Raises:
        CompileError: the losses of the time steps have different shapes, or are combined in another way.
    """
    found = read_losses(unrolled, loss, losses)
    steps = range(unrolled.first, unrolled.T + 1)
    x, inputs = _inputs([unrolled.x[t] for t in steps])
    size = len(found.targets[max(found.targets)])
    step = Step.of(unrolled.cell, None, found.loss, x, Vector(size) if size else None, _initial(unrolled))
    at: Literal["last", "every"] = "last" if list(found.targets) == [unrolled.T] else "every"
    return Source(step, inputs, [found.targets.get(t) for t in steps], unrolled.first, at, found.mean, found.whole)


def _initial(unrolled: Unrolled) -> object:
    """The numbers of the initial state, as `Step.of` takes them."""
    parts = [plain(unrolled[name][unrolled.first - 1]) for name in unrolled.state_names]
    return tuple(parts) if len(parts) > 1 else parts[0]


def _values(state: object) -> tuple[Quantity, ...]:
    return tuple(map(as_quantity, state if isinstance(state, tuple) else (state,)))


def _inputs(series: Sequence[Quantity]) -> tuple[Kind, list[list[float]]]:
    """The kind of the inputs, and their numbers."""
    if all(isinstance(x, OneHot) for x in series):
        return Symbols(len(series[0])), [[float(x.hot)] for x in series]
    if any(isinstance(x, OneHot) for x in series) or len({_length(x) for x in series}) > 1:
        raise CompileError(
            "the inputs of the time steps have different shapes", remedy="Give every time step as many numbers"
        )
    size = _length(series[0])
    numbers = [[float(entry.data) for entry in entries(x)] for x in series]
    return Number() if size is None else Vector(size), numbers


def _length(quantity: Quantity) -> int | None:
    return None if isinstance(quantity, Value) else len(quantity)


def plain(quantity: object) -> object:
    """Values as numbers."""
    if isinstance(quantity, Value):
        return quantity.data
    return [plain(entry) for entry in quantity] if is_vector(quantity) else quantity


def _target_kind(targets: Sequence[Any], first: Callable[[], Quantity]) -> Kind:
    """The kind of the targets: a class where they are whole numbers and the first prediction has several entries. A
    single entry is compared with them, unless all name it.
    """
    given = [target for target in targets if target is not None]
    vectors = [is_vector(target) for target in given]
    if given and all(vectors) and len({len(target) for target in given}) == 1:
        return Vector(len(given[0]))
    if any(vectors):
        raise CompileError("the targets of the time steps have different shapes", remedy="Give each as many numbers")
    if all(hasattr(target, "__index__") and not isinstance(target, bool) for target in given):
        with no_grad():
            predicted = first()
        if not isinstance(predicted, Value) and (len(predicted) > 1 or not any(given)):
            return Symbols(len(predicted))
    if not all(isinstance(plain(target), Real) for target in given):
        raise ArgumentError(f"a target is a {type(given[0]).__name__}", remedy="Give numbers, or lists of numbers")
    return Number()
