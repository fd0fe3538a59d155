"""Truncated BPTT: gradients are cut off after a number of steps, so that memory does not grow with the sequence.

With k1 and k2 as named by Sutskever (2013, "Training recurrent neural networks", section 2.8.6): every k1
steps forward, one backward pass through k2 steps. It is BPTT(h; h') of Williams and Peng (1990, "An efficient
gradient-based algorithm for on-line training of recurrent network trajectories") with h = k2 and h' = k1.

Precisely: there is a backward pass after each of the steps e = k1, 2 k1, … (the last one after step T, where the
sequence ends before its e). The pass of e

- takes the losses of the steps since the previous pass, e - k1 < t <= e, so that every loss counts exactly once;
- counts the uses of the parameters in its *window*, the steps e - k2 < k <= e;
- takes the state after step e - k2 as a constant: there the gradient is cut.

So the loss of step t reaches the use at step k if and only if k > e - k2, e being the first multiple of k1 at or
after t: at least all lags up to k2 - k1, at most those up to k2 - 1. The forward pass is never cut; the state
flows on.

- *Chunked*, k1 = k2: the windows lie side by side; each time step is computed once.
- *Sliding*, k1 < k2: the windows overlap, and each time step is computed again in about k2/k1 of them.
- *Full BPTT*, k1 = k2 = T (or more): one window, nothing is cut.

Where a single number is given, it means chunks, k1 = k2: ``tinygrad-rnn truncate --k2 35`` and ``train --truncate 35``,
`train.Settings.truncate`, and ``window=35`` of `compile.Recurrence`.

This module runs it; `truncation` shows what it cuts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, zip_longest

from ..engine.sums import total
from ..engine.value import Value
from ..errors import ArgumentError, DataError
from ..nn.cells import Cell
from ..nn.losses import mse_loss
from ..nn.quantities import Loss, Readout, in_order
from ..support.checks import whole_number
from .unroll import Unrolled, unroll


@dataclass(frozen=True, eq=False)
class Window:
    """The time steps that one backward pass of truncated BPTT sees.

    Attributes:
        unrolled: the time steps of the window, numbered as in the whole sequence; the state before them is a
            constant, unless they are the first.
        losses: the losses of this pass, by time step: those that no earlier pass has counted.
    """

    unrolled: Unrolled
    losses: dict[int, Value]

    @property
    def loss(self) -> Value:
        """The sum of the losses."""
        return total(self.losses.values())


def windows(
    cell: Cell | Callable[..., object],
    inputs: Iterable[object],
    targets: Iterable[object],
    k1: int,
    k2: int,
    *,
    loss: Loss = mse_loss,
    readout: Readout | None = None,
    h0: object = None,
) -> Iterator[Window]:
    """Yield the windows of truncated BPTT, in order of time; `tinygrad_rnn.bptt.truncated` defines them.

    Each window is computed only when the iterator reaches it, so parameters may be updated in between. It is released
    once the next one exists: memory is that of two windows, however long the sequence.

    Args:
        cell: a `Cell`, or a function ``cell(x, *state)``, as for `unroll`.
        inputs: x_1, x_2, …; may be an iterator, and is read k1 at a time.
        targets: what the output of each step should be; None for a step without a loss.
        k1: steps between two backward passes.
        k2: steps through which a backward pass goes.
        loss: ``loss(output, target)``, the output being y_t, or h_t without a read-out.
        readout: applied to h_t within each time step.
        h0: the initial state, as for `unroll`.

    Raises:
        ArgumentError: k1 or k2 is not a whole number of at least 1, or k1 > k2, so that some losses would reach no
            time step.
        DataError: inputs and targets differ in number, or an input is NaN or infinite.
        ShapeError: an input or the state has the wrong size.
    """
    k1, k2 = check_period(k1, k2)
    pairs = _paired(inputs, targets)
    recent: list[object] = []  # the inputs of the current window
    end = 0
    unrolled: Unrolled | None = None
    while new := list(islice(pairs, k1)):
        end += len(new)
        start = max(0, round_up(end, k1) - k2)
        recent = [*recent, *(x for x, _ in new)][start - end :]
        initial = h0 if start == 0 or unrolled is None else _constant_state(unrolled, start)
        unrolled = unroll(cell, recent, initial, readout, first=start + 1)
        outputs = unrolled.h if readout is None else unrolled.y
        first_loss = end - len(new) + 1
        yield Window(
            unrolled,
            {t: loss(outputs[t], target) for t, (_, target) in enumerate(new, first_loss) if target is not None},
        )


def truncated_bptt(
    cell: Cell | Callable[..., object],
    inputs: Iterable[object],
    targets: Iterable[object],
    k1: int,
    k2: int,
    *,
    loss: Loss = mse_loss,
    readout: Readout | None = None,
    h0: object = None,
    after_window: Callable[[Window], object] | None = None,
) -> float:
    """Add the truncated gradient of the sum of all losses to the parameters; see `tinygrad_rnn.bptt.truncated`.

    As with ``backward()``, gradients add up until ``zero_grad()``. With k1 = k2 >= T nothing is cut, and they
    are those of full BPTT.

    Args:
        cell, inputs, targets, k1, k2, loss, readout, h0: as for `windows`.
        after_window: called with each window after its backward pass, for example to take an optimizer step.

    Returns:
        The sum of all losses.

    Raises:
        ArgumentError, DataError, ShapeError: as for `windows`.
    """
    losses = 0.0
    for window in windows(cell, inputs, targets, k1, k2, loss=loss, readout=readout, h0=h0):
        if window.losses:
            root = window.loss
            root.backward()
            losses += root.data
        if after_window is not None:
            after_window(window)
    return losses


def round_up(t: int, k1: int) -> int:
    """The time step whose backward pass takes the loss of step t: the first multiple of k1 at or after t."""
    return -(-t // k1) * k1


def check_period(k1: int, k2: int) -> tuple[int, int]:
    """Return k1 and k2 as ints.

    Raises:
        ArgumentError: one is not a whole number of at least 1, or k1 > k2, so some losses would reach no time step.
    """
    k1, k2 = whole_number("k1", k1), whole_number("k2", k2)
    if k1 > k2:
        raise ArgumentError(
            f"k1 = {k1} is more than k2 = {k2}: some losses would reach nothing",
            remedy="Take k1 of at most k2",
        )
    return k1, k2


def _constant_state(unrolled: Unrolled, t: int) -> object:
    """The state after time step t as fresh leaves, in the form that `unroll` accepts."""
    parts = tuple(
        quantity.detach() if isinstance(quantity, Value) else [entry.detach() for entry in quantity]
        for quantity in (unrolled[name][t] for name in unrolled.state_names)
    )
    return parts[0] if len(parts) == 1 else parts


def _paired(inputs: Iterable[object], targets: Iterable[object]) -> Iterator[tuple[object, object]]:
    ended = object()
    both = zip_longest(in_order(inputs), in_order(targets, "targets"), fillvalue=ended)
    for t, (x, target) in enumerate(both, start=1):
        if x is ended or target is ended:
            missing = "input" if x is ended else "target"
            raise DataError(
                f"there is no {missing} for this step",
                time_step=t,
                remedy="Give as many targets as inputs; None where there is no loss",
            )
        yield x, target
