"""The straight path along a part of the state: the share of a gradient that arrives without passing a pre-activation.

An LSTM hands c_{t-1} on to c_t through one multiplication by f_t, a GRU h_{t-1} to h_t through one by z_t: no
matrix and no nonlinearity lies on that path. Along it the error stays constant as long as the gate is open: the
*constant error carousel* (Hochreiter & Schmidhuber 1997, section 3.2). Everything else that the state feeds goes
through a pre-activation, W h + U x + b, of the next time step. So the straight path is the graph with all
pre-activations cut, for any cell; in a plain RNN nothing is left of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..engine.backward import gradients
from ..engine.value import Value
from ..nn.gated import GRUCell, LSTMCell
from ..nn.quantities import entries
from ..nn.stacked import StackedCell
from .anatomy import state_gradients
from .unroll import Unrolled


@dataclass(frozen=True)
class Straight:
    """The straight path along one part of the state, from time step T back to the initial state.

    Attributes:
        name: the part, such as ``"c"``.
        factor_name: the name of the factors in the cell, such as ``"f"``; empty where they have none.
        factors: by time step t, for each unit, ∂c_t/∂c_{t-1} along the straight path.
        gradients: by time step k, for each unit, ∂L/∂c_k, as ``backward()`` gives it.
        straight: by time step k, for each unit, the part of it that came from the losses along the straight path.
    """

    name: str
    factor_name: str
    factors: dict[int, list[float]]
    gradients: dict[int, list[float]]
    straight: dict[int, list[float]]

    @property
    def exists(self) -> bool:
        """Whether any factor of the path is other than 0."""
        return any(factor for row in self.factors.values() for factor in row)

    def products(self) -> dict[int, list[float]]:
        """By time step k, for each unit, the product of the factors of all steps from k + 1 to T."""
        after = [1.0] * len(next(iter(self.straight.values())))
        found = {max(self.straight): after}
        for t in sorted(self.factors, reverse=True):
            after = [a * factor for a, factor in zip(after, self.factors[t])]
            found[t - 1] = after
        return found


def straight_gate(cell: object) -> tuple[str, str] | None:
    """The part of the state of a cell of ours that has a straight path, and the gate that it is multiplied by there.

    They are c and f of an LSTM, h and z of a GRU; of stacked cells those of the top layer. None: there is none.
    """
    if isinstance(cell, StackedCell) and type(cell).step is StackedCell.step:
        return straight_gate(cell.cells[-1])
    for kind, part, gate in ((LSTMCell, "c", "f"), (GRUCell, "h", "z")):
        if isinstance(cell, kind) and type(cell).step is kind.step:
            return part, gate
    return None


def straight_path(unrolled: Unrolled, loss: Value, name: str) -> Straight:
    """Split ∂L/∂c_k, for every k, into the part that came along the straight path and the rest.

    This takes two backward walks from the loss, and one per unit and time step through that step alone. The gradients
    in the graph are left as they were.

    Args:
        unrolled: what the loss was computed from.
        loss: the loss L.
        name: a part of the state.

    Raises:
        ArgumentError: no such part.
    """
    states = {t: unrolled.state(t, [name]) for t in range(unrolled.first - 1, unrolled.T + 1)}
    cut = {
        t: [node for pre in getattr(unrolled.cell, "pre_activation_names", ()) for node in entries(unrolled[pre][t])]
        for t in range(unrolled.first, unrolled.T + 1)
    }
    factors = {
        t: [
            gradients(unit, [before], stop=[*cut[t], *unrolled.state(t - 1)])[0]
            for unit, before in zip(states[t], states[t - 1])
        ]
        for t in cut
    }
    nodes = [unit for units in states.values() for unit in units]
    flat = iter(gradients(loss, nodes, stop=[node for nodes_cut in cut.values() for node in nodes_cut]))
    return Straight(
        name,
        _factor_name(unrolled, factors),
        factors,
        {t: entries(gradient) for t, gradient in state_gradients(unrolled, loss, name).items()},
        {t: [next(flat) for _ in units] for t, units in states.items()},
    )


def _factor_name(unrolled: Unrolled, factors: Mapping[int, list[float]]) -> str:
    """The name of the quantity that equals the factors; empty if there is none."""
    for name in unrolled.names:
        series = unrolled[name]
        if all(t in series and [node.data for node in entries(series[t])] == row for t, row in factors.items()):
            return name
    return ""
