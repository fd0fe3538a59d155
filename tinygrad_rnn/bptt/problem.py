"""A problem of backpropagation through time: a cell, a sequence with targets, and a loss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..engine.recording import time_step
from ..engine.sums import total
from ..engine.value import Value
from ..errors import ArgumentError, DataError
from ..nn.cells import Cell
from ..nn.losses import mse_loss
from ..nn.module import Module
from ..nn.quantities import Loss, Quantity, Readout, as_sequence
from ..nn.stacked import Recurrent
from ..support.text import count
from .unroll import Unrolled, unroll


@dataclass(frozen=True)
class Problem:
    """A cell unrolled over a sequence, with its losses.

    Attributes:
        cell: the cell; of several layers, the one cell that they make.
        readout: computes the prediction y_t from h_t; None where h_t itself is the prediction.
        criterion: computes the loss of a time step, ``criterion(prediction, target)``.
        unrolled: the unrolled cell; with a loss at every time step, it includes the read-out.
        targets: what the prediction of each time step should be.
        losses: one loss per time step that counts, in order, each labelled L_t and with its ``time_step``.
        loss: their mean, or the only one; labelled L.
    """

    cell: Cell
    readout: Readout | None
    criterion: Loss
    unrolled: Unrolled
    targets: Sequence[Any]
    losses: list[Value]
    loss: Value

    def named_parameters(self) -> Iterator[tuple[str, Value]]:
        """Yield every parameter of the cell and the read-out, with its name."""
        yield from self.cell.named_parameters()
        if isinstance(self.readout, Module):
            yield from self.readout.named_parameters()


def problem(
    cell: Cell | Recurrent,
    inputs: Sequence[object],
    targets: Sequence[object],
    *,
    readout: Readout | None = None,
    loss: Loss = mse_loss,
    at: Literal["last", "every"] = "last",
) -> Problem:
    """Unroll a cell over a sequence and compute the loss, as the command ``tinygrad-rnn`` does.

    >>> from tinygrad_rnn import ScalarRNNCell, problem
    >>> posed = problem(ScalarRNNCell(w=0.5, u=1.0, nonlinearity="identity"), [1.0, 0.0, 0.0], [0.5, 0.25, 0.0])
    >>> posed.loss
    L = (h_3 - 0)^2: data 0.0625, grad not run
    >>> posed.loss.backward()
    >>> posed.unrolled.h[3].grad, posed.unrolled.h[1].grad
    (0.5, 0.125)

    Args:
        cell: the cell, or an `RNN`, `LSTM` or `GRU`, whose layers then make one cell.
        inputs: x_1 … x_T, as for `unroll`.
        targets: what the prediction of each time step should be; None for a time step without a loss.
        readout: computes the prediction y_t from h_t, such as a `Linear`. By default the prediction is h_t.
        loss: computes the loss of a time step, ``loss(prediction, target)``: `mse_loss`, `cross_entropy`, ….
        at: ``"last"`` for the loss of the last time step alone, which then is the only one to be read out, or
            ``"every"`` for the mean over all time steps.

    Raises:
        ArgumentError: ``at`` is something else, or no time step has a loss.
        DataError: inputs and targets differ in number, or an input is NaN or infinite.
        ShapeError: an input or a target has the wrong size.
    """
    if at not in ("last", "every"):
        raise ArgumentError(f"a loss at {at!r}", remedy='It is at the "last" time step, or at "every" one')
    inputs, targets = as_sequence(inputs), as_sequence(targets, "targets")
    if len(inputs) != len(targets):
        raise DataError(
            f"{count(len(inputs), 'input')} with {count(len(targets), 'target')}",
            remedy="Give one target per input",
        )
    unrolled = unroll(cell, inputs, readout=readout if at == "every" else None)
    losses = []
    for t in range(1 if at == "every" else unrolled.T, unrolled.T + 1):
        target = targets[t - 1]
        if target is None:
            continue
        with time_step(t):
            losses.append(loss(prediction(unrolled, readout, t), target))
            losses[-1].label = f"L_{t}"
    if not losses:
        raise ArgumentError("no time step has a loss", remedy="Give a target for at least one that counts")
    mean = losses[0] if len(losses) == 1 else total(losses) / len(losses)
    mean.label = "L"
    return Problem(unrolled.cell, readout, loss, unrolled, targets, losses, mean)


def prediction(unrolled: Unrolled, readout: Readout | None, t: int) -> Quantity:
    """h_t, or its read-out y_t, which is computed here if `unroll` has not done so.

    Args:
        unrolled: the unrolled cell.
        readout: as in `problem`.
        t: the time step.
    """
    if readout is None:
        return unrolled.h[t]
    if "y" in unrolled.names:
        return unrolled.y[t]
    y: Quantity = readout(unrolled.h[t])
    if isinstance(y, Value):
        y.label = f"y_{t}"
    else:
        for i, entry in enumerate(y):
            entry.label = f"y_{t}[{i}]"
    return y
