"""`truncated_gradcheck`: truncated BPTT against central differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_rnn import Value, gradcheck, mse_loss, unroll
from tinygrad_rnn.bptt.truncated import Loss, Window, truncated_bptt
from tinygrad_rnn.engine.backward import gradients_kept


def truncated_gradcheck(
    cell: Any,
    inputs: Sequence[Any],
    targets: Sequence[Any],
    k1: int,
    k2: int,
    parameters: Sequence[Value],
    *,
    loss: Loss = mse_loss,
    readout: Callable[[Any], Any] | None = None,
    h0: Any = None,
    **tolerances: float,
) -> bool:
    """Whether `truncated_bptt` agrees with central differences *of what it differentiates*.

    A truncated gradient is not the derivative of the loss: it is the derivative with every detached state
    frozen. Central differences of the loss itself would therefore disagree with a correct implementation,
    by the truncation's bias. Here each window starts from the state it had before anything was shifted.

    Args:
        cell, inputs, targets, k1, k2, loss, readout, h0: as for `windows`.
        parameters: what to differentiate by; their data and gradients are restored.
        tolerances: those of `gradcheck`.

    Raises:
        GradcheckError: they disagree.
    """
    frozen: list[tuple[int, int, tuple[int, ...], Any]] = []

    def note(window: Window) -> None:
        unrolled = window.unrolled
        before = tuple(_numbers(unrolled[name][unrolled.first - 1]) for name in unrolled.state_names)
        initial = h0 if unrolled.first == 1 else before if len(before) > 1 else before[0]
        frozen.append((unrolled.first, unrolled.T, tuple(window.losses), initial))

    with gradients_kept(parameters):
        truncated_bptt(cell, inputs, targets, k1, k2, loss=loss, readout=readout, h0=h0, after_window=note)
        truncated = [parameter.grad for parameter in parameters]

    def with_states_frozen(*_: Value) -> Value:
        losses = 0.0
        for first, last, steps, initial in frozen:
            unrolled = unroll(cell, inputs[first - 1 : last], initial, readout, first=first)
            outputs = unrolled.h if readout is None else unrolled.y
            losses += sum(loss(outputs[t], targets[t - 1]).data for t in steps)
        return Value.custom(losses, parameters, truncated, op="truncated_bptt")

    return gradcheck(with_states_frozen, parameters, **tolerances)


def _numbers(quantity: Any) -> Any:
    return quantity.data if isinstance(quantity, Value) else [entry.data for entry in quantity]
