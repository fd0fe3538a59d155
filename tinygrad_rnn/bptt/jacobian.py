"""The recurrent Jacobians J_t = ∂h_t/∂h_{t-1}, their products, and how fast these grow or vanish.

    ∂h_t/∂h_k = J_t J_{t-1} ⋯ J_{k+1},        J_t = diag(tanh'(z_t)) W

The entries are read off the recorded graph by the ordinary backward pass, stopped at h_{t-1}, so they exist for any
cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..engine.arithmetic import pow_
from ..engine.backward import gradients
from ..errors import GraphError
from ..nn.cells import RNNCell, ScalarRNNCell
from ..nn.linalg import Rows, identity, numbers, product, spectral_norm, spectral_radius
from ..support.checks import whole_number
from .unroll import Unrolled


def jacobian(unrolled: Unrolled, t: int, of: Sequence[str] = (), by: Sequence[str] = ()) -> Rows:
    """Return J_t, the derivative of the state after time step t by the state before it, all else held fixed.

    For a cell that carries h alone this is ∂h_t/∂h_{t-1}. For one that carries more it has a row and a
    column for every entry of every part. One backward pass per row, through time step t alone; the
    gradients in the graph are left as they were.

    Args:
        unrolled: the unrolled cell.
        t: time step, first … T.
        of: the parts of the state to differentiate, such as ``["c"]``; by default all.
        by: the parts of the previous state to differentiate by; by default all. The others are held fixed.

    Raises:
        ArgumentError: no such time step or part.
        GraphError: one Value stands in two places of the previous state, so that the graph cannot tell how
            the new state depends on each.
    """
    t = whole_number("t", t, least=None)
    before, columns = unrolled.state(t - 1), unrolled.state(t - 1, by)
    if len(set(before)) < len(before):
        raise GraphError(
            "one Value stands in two places of the state",
            time_step=t - 1,
            remedy="Give every entry of h0 a Value of its own",
        )
    return [gradients(root, columns, stop=before) for root in unrolled.state(t, of)]


def jacobian_products(unrolled: Unrolled, t: int | None = None) -> Iterator[tuple[int, Rows, Rows]]:
    """Multiply the Jacobians from time step t back, J_t J_{t-1} ⋯ J_{k+1} = ∂h_t/∂h_k.

    Args:
        unrolled: the unrolled cell.
        t: the later time step; by default T.

    Yields:
        For k = t, t - 1, … down to that of the initial state: k, the product, and J_{k+1}, its last factor. For k = t
        both are the identity.

    Raises:
        ArgumentError: no such time step.
        GraphError: as `jacobian`.
    """
    t = unrolled.T if t is None else whole_number("t", t, least=None)
    J = chain = identity(len(unrolled.state(t)))
    yield t, chain, J
    for k in range(t - 1, unrolled.first - 2, -1):
        J = jacobian(unrolled, k + 1)
        chain = product(chain, J)
        yield k, chain, J


@dataclass(frozen=True)
class ChainNorm:
    """The size of ∂h_T/∂h_k, and its bounds.

    Always ``norm <= product_of_norms <= bound``. Where tanh saturates, the bound is far above; where W is
    not normal, ``radius_law`` can be below ``norm`` at first, since powers of W grow before they decay.

    Attributes:
        k: the earlier time step.
        lag: T - k.
        norm: ‖J_T ⋯ J_{k+1}‖₂ = ‖∂h_T/∂h_k‖₂.
        product_of_norms: ‖J_T‖₂ ⋯ ‖J_{k+1}‖₂.
        bound: ‖W‖₂^(T-k), or None for a cell where it is not a bound.
        radius_law: ρ(W)^(T-k), the law for long lags of a linear cell; None where `bound` is None.
    """

    k: int
    lag: int
    norm: float
    product_of_norms: float
    bound: float | None
    radius_law: float | None


def chain_norms(unrolled: Unrolled, t: int | None = None) -> list[ChainNorm]:
    """Return the norm of ∂h_t/∂h_k for every k, from lag 0 on, with its bounds (Pascanu, Mikolov and Bengio 2013,
    section 2.1: they hold since |tanh'| <= 1).

    Args:
        unrolled: the unrolled cell.
        t: the later time step; by default T.

    Raises:
        MissingDependencyError: the state has more than one entry, and NumPy is missing.
    """
    W = recurrent_matrix(unrolled.cell)
    base = None if W is None else (spectral_norm(W), spectral_radius(W))
    product_of_norms = 1.0
    rows: list[ChainNorm] = []
    for lag, (k, chain, J) in enumerate(jacobian_products(unrolled, t)):
        bound, radius_law = (None, None) if base is None else (power(base[0], lag), power(base[1], lag))
        product_of_norms *= spectral_norm(J)
        rows.append(ChainNorm(k, lag, spectral_norm(chain), product_of_norms, bound, radius_law))
    return rows


def recurrent_matrix(cell: object) -> Rows | None:
    """The numbers of W where h_t = f(W h_{t-1} + U x_t + b) with |f'| <= 1; else None."""
    if isinstance(cell, ScalarRNNCell) and type(cell).step is ScalarRNNCell.step:
        return [[cell.w.data]]
    if isinstance(cell, RNNCell) and type(cell).step is RNNCell.step:
        return numbers(cell.W)
    return None


def power(base: float, exponent: int) -> float:
    """``base ** exponent``, infinite with its sign where that overflows."""
    return float(pow_(base, float(exponent)))
