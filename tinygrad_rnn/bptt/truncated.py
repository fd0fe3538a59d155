"""Truncated BPTT: gradients cut off after so many steps, memory that does not grow with the sequence.

With k1 and k2 as named by Sutskever (2013, "Training recurrent neural networks", section 2.8.6): every k1
steps forward, one backward pass through k2 steps. It is BPTT(h; h') of Williams and Peng (1990, "An efficient
gradient-based algorithm for on-line training of recurrent network trajectories") with h = k2 and h' = k1.

Precisely: there is a backward pass after each of the steps e = k1, 2 k1, … (the last one after step T, where the
sequence ends before its e). The pass of e

- takes the losses of the steps since the previous pass, e - k1 < t <= e, so that every loss step is taken
  exactly once;
- counts the uses of the parameters in its *window*, the steps e - k2 < k <= e;
- takes the state after step e - k2 as a constant: there the gradient is cut.

So the loss of step t reaches the use at step k if and only if k > e - k2, e being the first multiple of k1 at or
after t: at least all lags up to k2 - k1, at most those up to k2 - 1. The forward pass is never cut; the state
flows on.

- *Chunked*, k1 = k2: the windows lie side by side; each time step is computed once.
- *Sliding*, k1 < k2: the windows overlap, and each time step is computed again in about k2/k1 of them.
- *Full BPTT*, k1 = k2 = T (or more): one window, nothing is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import Any

from ..engine.backward import gradients_kept, propagate, topological_order
from ..engine.gradcheck import gradcheck
from ..engine.sums import total
from ..engine.value import Value
from ..errors import ArgumentError, DataError
from ..nn.cells import Cell
from ..nn.losses import mse_loss
from ..support.checks import whole_number
from .anatomy import Anatomy, Numbers, TimeStep, flatten, norm
from .unroll import Unrolled, unroll

Loss = Callable[[Any, Any], Value]


@dataclass(frozen=True, eq=False)
class Window:
    """What one backward pass of truncated BPTT sees.

    Attributes:
        unrolled: the time steps of the window, numbered as in the whole sequence; the state before them is a
            constant, unless they are the first.
        losses: the losses that this pass takes, by time step: those that no earlier pass took.
    """

    unrolled: Unrolled
    losses: dict[int, Value]

    @property
    def loss(self) -> Value:
        """The sum of the losses."""
        return total(self.losses.values())


def windows(
    cell: Cell | Callable[..., Any],
    inputs: Iterable[Any],
    targets: Iterable[Any],
    k1: int,
    k2: int,
    *,
    loss: Loss = mse_loss,
    readout: Callable[[Any], Any] | None = None,
    h0: Any = None,
) -> Iterator[Window]:
    """The windows of truncated BPTT, one after the other; see `tinygrad_rnn.bptt.truncated` for which is which.

    Each is computed when it is asked for, so that parameters may be updated in between, and nothing of it is
    kept here once its successor is made: memory is that of two windows, however long the sequence.

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
        ArgumentError: k1 or k2 is no whole number of at least 1, or k1 > k2: then some losses would reach
            nothing.
        DataError: inputs and targets differ in number, or an input is NaN or infinite.
        ShapeError: an input or the state has the wrong size.
    """
    _check_sizes(k1, k2)
    pairs = _paired(inputs, targets)
    recent: list[Any] = []  # the inputs of the current window
    end = 0
    unrolled: Unrolled | None = None
    while new := list(islice(pairs, k1)):
        end += len(new)
        start = max(0, _round_up(end, k1) - k2)
        recent = [*recent, *(x for x, _ in new)][start - end :]
        initial = h0 if start == 0 or unrolled is None else _constant_state(unrolled, start)
        unrolled = unroll(cell, recent, initial, readout, first=start + 1)
        outputs = _outputs(unrolled, readout)
        first_loss = end - len(new) + 1
        yield Window(
            unrolled,
            {t: loss(outputs[t], target) for t, (_, target) in enumerate(new, first_loss) if target is not None},
        )


def truncated_bptt(
    cell: Cell | Callable[..., Any],
    inputs: Iterable[Any],
    targets: Iterable[Any],
    k1: int,
    k2: int,
    *,
    loss: Loss = mse_loss,
    readout: Callable[[Any], Any] | None = None,
    h0: Any = None,
    after_window: Callable[[Window], object] | None = None,
) -> float:
    """Add the gradient of the sum of all losses, truncated, to the parameters; see `tinygrad_rnn.bptt.truncated`.

    As with ``backward()``, gradients add up until ``zero_grad()``. With k1 = k2 >= T nothing is cut, and they
    are those of full BPTT.

    Args:
        cell, inputs, targets, k1, k2, loss, readout, h0: as for `windows`.
        after_window: called with each window after its backward pass, to take an optimizer step, say.

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


def truncated_gradcheck(
    cell: Cell | Callable[..., Any],
    inputs: Sequence[Any],
    targets: Sequence[Any],
    k1: int,
    k2: int,
    parameters: Sequence[Value],
    *,
    loss: Loss = mse_loss,
    readout: Callable[[Any], Any] | None = None,
    h0: Any = None,
    eps: float = 1e-5,
    atol: float = 1e-8,
    rtol: float = 1e-6,
    raise_exception: bool = True,
) -> bool:
    """Whether `truncated_bptt` agrees with central differences *of what it differentiates*.

    A truncated gradient is not the derivative of the loss: it is the derivative with every detached state
    frozen. Central differences of the loss itself would therefore disagree with a correct implementation,
    by the truncation's bias. Here each window starts from the state it had before anything was shifted.

    Args:
        cell, inputs, targets, k1, k2, loss, readout, h0: as for `windows`.
        parameters: what to differentiate by; their data and gradients are restored.
        eps, atol, rtol, raise_exception: as for `gradcheck`.

    Raises:
        GradcheckError: they disagree.
    """
    frozen: list[tuple[int, int, tuple[int, ...], Any]] = []

    def note(window: Window) -> None:
        first, last = window.unrolled.first, window.unrolled.T
        initial = _constant_state(window.unrolled, first - 1) if first > 1 else h0
        frozen.append((first, last, tuple(window.losses), initial))

    with gradients_kept(parameters):
        truncated_bptt(cell, inputs, targets, k1, k2, loss=loss, readout=readout, h0=h0, after_window=note)
        truncated = [parameter.grad for parameter in parameters]

    def with_states_frozen(*_: Value) -> Value:
        losses = 0.0
        for first, last, steps, initial in frozen:
            unrolled = unroll(cell, inputs[first - 1 : last], initial, readout, first=first)
            outputs = _outputs(unrolled, readout)
            losses += sum(loss(outputs[t], targets[t - 1]).data for t in steps)
        return Value.custom(losses, parameters, truncated, op="truncated_bptt")

    return gradcheck(with_states_frozen, parameters, eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception)


@dataclass(frozen=True)
class CutTerm:
    """A term of the full gradient that truncated BPTT leaves out.

    Attributes:
        name: what the parameter is called.
        k: use step.
        t: loss step.
        contribution: what reaches the parameter from the loss of step t through its use at step k.
    """

    name: str
    k: int
    t: int
    contribution: Numbers

    @property
    def size(self) -> float:
        """The magnitude of the contribution: absolute value, or Euclidean norm."""
        return norm(self.contribution)

    def __str__(self) -> str:
        shown = f"{self.contribution:.6g}" if isinstance(self.contribution, float) else f"norm {self.size:.6g}"
        return f"(∂L_{self.t}/∂{self.name})_{self.k} = {shown}, lag {self.t - self.k}"


@dataclass(frozen=True, eq=False)
class Truncation:
    """A full gradient, parted into what truncated BPTT keeps and what it cuts: the truncation's bias.

    Attributes:
        full: the full gradient.
        kept: the same, with zeros where truncated BPTT cuts. Its total is what `truncated_bptt` computes,
            up to the order in which the terms are added.
        cut: the rest; its total is the bias, with the sign reversed.
        k1: steps between two backward passes.
        k2: steps through which a backward pass goes.
    """

    full: Anatomy
    kept: Anatomy
    cut: Anatomy
    k1: int
    k2: int

    def keeps(self, k: TimeStep, t: TimeStep) -> bool:
        """Whether the loss of step t reaches a use at step k."""
        return keeps(k, t, self.k1, self.k2)

    def cut_terms(self) -> list[CutTerm]:
        """Every term that was cut, the largest first."""
        terms = [
            CutTerm(self.full.name, k, t, contribution)
            for k, t, contribution in self.full.terms()
            if k is not None and t is not None and not self.keeps(k, t)
        ]
        return sorted(terms, key=lambda term: (-term.size, -term.t, -term.k))


def truncation(full: Anatomy, k1: int, k2: int) -> Truncation:
    """What truncated BPTT would keep, and what it would cut, of a gradient that was split by `anatomy`.

    Nothing is computed anew: since truncation cuts no forward pass, its gradient is a part of the full sum.

    Args:
        full: the gradient, with one loss per loss step.
        k1, k2: as for `windows`.

    Raises:
        ArgumentError: k1 or k2 is no whole number of at least 1, or k1 > k2.
    """
    _check_sizes(k1, k2)
    kept = full.where(lambda k, t: keeps(k, t, k1, k2))
    cut = full.where(lambda k, t: not keeps(k, t, k1, k2))
    return Truncation(full, kept, cut, k1, k2)


def truncated_backward(unrolled: Unrolled, loss: Value, losses: Mapping[int, Value], k1: int, k2: int) -> None:
    """The passes of truncated BPTT on the graph of a whole sequence, to see in it what each node gets.

    Leaves add up what all passes bring, as with ``backward()``: with the losses of `windows` it is what
    `truncated_bptt` brings them. Any other node is left with the gradient of the latest pass that reached it.

    Args:
        unrolled: the whole sequence.
        loss: the loss, computed from ``losses``: their sum or mean, say.
        losses: the loss of each time step.
        k1, k2: as for `windows`.

    Raises:
        ArgumentError: k1 or k2 is no whole number of at least 1, or k1 > k2.
        DomainError: a local gradient has no finite value.
    """
    _check_sizes(k1, k2)
    by_step = list(losses.values())
    propagate({loss: 1.0}, stop=by_step)  # from the loss to those of the single steps nothing is cut
    gradients = {node: node.grad for node in by_step}
    for e in _passes(unrolled, k1):
        new = [node for t, node in losses.items() if e - k1 < t <= e]
        cut = unrolled.state(e - k2) if e - k2 >= unrolled.first else []
        with gradients_kept(cut):  # what the edges that are cut bring is dropped
            propagate({node: gradients[node] for node in new}, stop=cut)


def cut_edges(unrolled: Unrolled, k1: int, k2: int, after: int | None = None) -> list[tuple[Value, Value]]:
    """The edges of the graph of a whole sequence at which truncated BPTT cuts.

    Args:
        unrolled: the whole sequence.
        k1, k2: as for `windows`.
        after: only the cut of the pass of this e, a multiple of k1. By default of all passes if k1 = k2, where
            no cut lies within the window of another pass; otherwise of the last pass.

    Returns:
        Pairs (parent, child): an entry of the state, and what the next time step computes from it.

    Raises:
        ArgumentError: k1 or k2 is no whole number of at least 1, or k1 > k2, or there is no such pass.
    """
    _check_sizes(k1, k2)
    passes = _passes(unrolled, k1)
    if after is not None and after not in passes:
        raise ArgumentError(f"no backward pass after time step {after}", remedy=f"There is one every {k1} steps")
    if after is None and k1 < k2:
        after = passes[-1]
    steps = [e - k2 for e in passes if after in (None, e) and e - k2 >= unrolled.first]
    cut_off = {entry: s for s in steps for entry in unrolled.state(s)}
    roots = [entry for name in unrolled.names for quantity in unrolled[name].values() for entry in flatten(quantity)]
    return [
        (parent, node)
        for node in reversed(topological_order(*roots))
        for parent in dict.fromkeys(node.parents)
        if parent in cut_off and node.time_step is not None and node.time_step > cut_off[parent]
    ]


def keeps(k: TimeStep, t: TimeStep, k1: int, k2: int) -> bool:
    """Whether, under truncation, the loss of step t reaches a use of a parameter at step k."""
    return k is None or t is None or k > _round_up(t, k1) - k2


def _passes(unrolled: Unrolled, k1: int) -> range:
    """Every e; the last may lie beyond T."""
    return range(k1, unrolled.T + k1, k1)


def _round_up(t: int, k1: int) -> int:
    return -(-t // k1) * k1


def _check_sizes(k1: int, k2: int) -> None:
    if whole_number("k1", k1) > whole_number("k2", k2):
        raise ArgumentError(
            f"k1 = {k1} steps between backward passes of k2 = {k2} steps: some losses would reach nothing",
            remedy="Take k1 of at most k2",
        )


def _outputs(unrolled: Unrolled, readout: Callable[[Any], Any] | None) -> dict[int, Any]:
    return unrolled.h if readout is None else unrolled.y


def _constant_state(unrolled: Unrolled, t: int) -> Any:
    """The state after time step t as fresh leaves, in the form in which `unroll` takes it."""
    parts = tuple(
        quantity.detach() if isinstance(quantity, Value) else [entry.detach() for entry in quantity]
        for quantity in (unrolled[name][t] for name in unrolled.state_names)
    )
    return parts if len(parts) > 1 else parts[0]


def _paired(inputs: Iterable[Any], targets: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    ended = object()
    for t, (x, target) in enumerate(zip_longest(inputs, targets, fillvalue=ended), start=1):
        if x is ended or target is ended:
            missing = "input" if x is ended else "target"
            raise DataError(
                f"there is no {missing} for this step",
                time_step=t,
                remedy="Give as many targets as inputs; None where there is no loss",
            )
        yield x, target
