"""`Linear`: the read-out of a recurrent network."""

from __future__ import annotations

from collections.abc import Sequence

from ..engine.value import Operand
from ..support.checks import truth, whole_number
from ..support.pytorch import refuses_options
from .gate import fits, plus, product
from .module import Module
from .parameters import Seed, Vector, matrix, uniform, vector


class Linear(Module):
    """y = V h + c.

    Args:
        in_features: length of h.
        out_features: length of y.
        bias: whether there is a c.
        seed: an int, or a `random.Random` to draw from.

    Attributes:
        V: weights, out_features × in_features, drawn from U(-k, k) with k = 1/√in_features, as in PyTorch.
        c: bias, out_features long, drawn likewise; or None.

    Raises:
        ArgumentError: a size is not a whole number of at least 1.
    """

    @refuses_options
    def __init__(self, in_features: int, out_features: int, bias: bool = True, *, seed: Seed = 0) -> None:
        rows, columns = whole_number("out_features", out_features), whole_number("in_features", in_features)
        draw = uniform(seed, columns)
        self.V = matrix("V", rows, columns, draw)
        self.c: Vector | None = vector("c", rows, draw) if truth("bias", bias) else None

    @refuses_options
    def __call__(self, h: Sequence[Operand]) -> Vector:
        """y for one h; for a one-hot h, V h is a column of V.

        Raises:
            ShapeError: h does not have in_features entries.
        """
        fits("h", h, "V", self.V)
        return plus(product(self.V, h), self.c)

    def __repr__(self) -> str:
        return f"Linear({len(self.V[0])} → {len(self.V)})"
