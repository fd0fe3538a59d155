"""Gated cells: `LSTMCell` and `GRUCell`, with PyTorch's equations and order of gates.

Each gate has weights of its own, ``W_i``, ``U_i``, ``b_i`` and so on. PyTorch keeps those of all gates below each other
in one matrix; `tinygrad_rnn.interop` converts between the two.

The pre-activation of a gate is called ``z_`` and the gate's name, such as ``z_i``. So z alone keeps its meaning in the
literature: the pre-activation of an RNN, the update gate of a GRU.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..engine.value import Operand, Value
from ..errors import ArgumentError
from ..support.checks import whole_number
from ..support.pytorch import refuses_options
from .cells import Cell
from .gate import Gate, plus, product, weights_of
from .parameters import Seed, Vector, generator, uniform, vector


class _GatedCell(Cell):
    """A cell of several gates, whose weights are drawn from U(-k, k) with k = 1/√hidden_size."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        self.input_size = whole_number("input_size", input_size)
        self.hidden_size = whole_number("hidden_size", hidden_size)

    def _make_gates(self, names: str, bias: bool, seed: Seed) -> list[Gate]:
        draw = uniform(seed, self.hidden_size)
        return [Gate(name, self.input_size, self.hidden_size, bias, draw) for name in names]

    def check_sizes(self, x: Sequence[Operand], *state: Vector) -> None:
        """Check an input and a state against every gate.

        Raises:
            ShapeError: a length is wrong; the error names both sizes and the parameter.
        """
        for gate in self.gates:
            gate.check_sizes(x, *state)

    def initial_state(self) -> tuple[Vector, ...]:
        """Zeros."""
        return tuple([Value(0.0) for _ in range(self.hidden_size)] for _ in self.state_names)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.input_size} → {self.hidden_size})"


class LSTMCell(_GatedCell):
    """Long short-term memory with forget gate (Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000).

    i = σ(W_i h + U_i x + b_i), f = σ(W_f h + U_f x + b_f), g = tanh(W_g h + U_g x + b_g),
    o = σ(W_o h + U_o x + b_o), all from h_{t-1} and x_t; then c_t = f·c_{t-1} + i·g and h_t = o·tanh(c_t).

    The constant error path runs along c: apart from what comes back through h, ∂c_t/∂c_{t-1} = f_t. Forget gates at 1
    carry a gradient over any lag.

    Args:
        input_size: length of x_t.
        hidden_size: length of h_t and of c_t.
        bias: whether there are b_i, b_f, b_g, b_o.
        forget_bias: starting number of b_f. With 1 the cell starts by remembering (Gers 2000, Jozefowicz 2015). By
            default it is drawn like all others, as in PyTorch.
        seed: an int, or a `random.Random` to draw from.

    Attributes:
        i, f, g, o: the gates.
        W_i, W_f, W_g, W_o: recurrent weights, hidden_size × hidden_size.
        U_i, U_f, U_g, U_o: input weights, hidden_size × input_size.
        b_i, b_f, b_g, b_o: biases, hidden_size long; or None.

    Raises:
        ArgumentError: a size is not a whole number of at least 1, or there is a forget_bias, but no bias.
    """

    state_names = ("h", "c")
    pre_activation_names = ("z_i", "z_f", "z_g", "z_o")
    W_i, U_i, b_i = weights_of("i")
    W_f, U_f, b_f = weights_of("f")
    W_g, U_g, b_g = weights_of("g")
    W_o, U_o, b_o = weights_of("o")

    @refuses_options
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        forget_bias: float | None = None,
        seed: Seed = 0,
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.i, self.f, self.g, self.o = self._make_gates("ifgo", bias, seed)
        if forget_bias is not None:
            if self.f.b is None:
                raise ArgumentError("forget_bias without biases", remedy="Leave out one of the two")
            for entry in self.f.b:
                entry.data = forget_bias

    def step(self, x: Sequence[Operand], *state: Vector) -> dict[str, Vector]:
        """The pre-activations, the gates, c_t and h_t.

        Raises:
            ShapeError: x or the state has the wrong length.
        """
        self.check_sizes(x, *state)
        h, c = state
        z_i = self.i.affine(h, x)
        i = [z.sigmoid() for z in z_i]
        z_f = self.f.affine(h, x)
        f = [z.sigmoid() for z in z_f]
        z_g = self.g.affine(h, x)
        g = [z.tanh() for z in z_g]
        z_o = self.o.affine(h, x)
        o = [z.sigmoid() for z in z_o]
        c = [f_k * c_k + i_k * g_k for f_k, c_k, i_k, g_k in zip(f, c, i, g)]
        h = [o_k * c_k.tanh() for o_k, c_k in zip(o, c)]
        return {"z_i": z_i, "i": i, "z_f": z_f, "f": f, "z_g": z_g, "g": g, "z_o": z_o, "o": o, "c": c, "h": h}


class GRUCell(_GatedCell):
    """Gated recurrent unit (Cho et al. 2014) in the form of PyTorch, which resets after multiplying by W_n.

    r = σ(W_r h + U_r x + b_r), z = σ(W_z h + U_z x + b_z), n = tanh(r·(W_n h + b_hn) + U_n x + b_n), all from
    h_{t-1} and x_t; then h_t = (1 - z)·n + z·h_{t-1}.

    Args:
        input_size: length of x_t.
        hidden_size: length of h_t.
        bias: whether there are b_r, b_z, b_n, b_hn.
        seed: an int, or a `random.Random` to draw from.

    Attributes:
        r, z, n: the gates.
        W_r, W_z, W_n: recurrent weights, hidden_size × hidden_size.
        U_r, U_z, U_n: input weights, hidden_size × input_size.
        b_r, b_z, b_n, b_hn: biases, hidden_size long; or None. b_hn is the one that r acts on.

    Raises:
        ArgumentError: a size is not a whole number of at least 1.
    """

    pre_activation_names = ("z_r", "z_z", "z_n")
    W_r, U_r, b_r = weights_of("r")
    W_z, U_z, b_z = weights_of("z")
    W_n, U_n, b_n = weights_of("n")

    @refuses_options
    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, *, seed: Seed = 0) -> None:
        super().__init__(input_size, hidden_size)
        rng = generator(seed)
        self.r, self.z, self.n = self._make_gates("rzn", bias, rng)
        self.b_hn: Vector | None = vector("b_hn", self.hidden_size, uniform(rng, self.hidden_size)) if bias else None

    def step(self, x: Sequence[Operand], *state: Vector) -> dict[str, Vector]:
        """The pre-activations, r, z, n and h_t.

        Raises:
            ShapeError: x or the state has the wrong length.
        """
        self.check_sizes(x, *state)
        (h,) = state
        z_r = self.r.affine(h, x)
        r = [a.sigmoid() for a in z_r]
        z_z = self.z.affine(h, x)
        z = [a.sigmoid() for a in z_z]
        from_h = plus(product(self.n.W, h), self.b_hn)
        from_x = plus(product(self.n.U, x), self.n.b)
        z_n = [r_k * a + b for r_k, a, b in zip(r, from_h, from_x)]
        n = [a.tanh() for a in z_n]
        new = [(1.0 - z_k) * n_k + z_k * h_k for z_k, n_k, h_k in zip(z, n, h)]
        return {"z_r": z_r, "r": r, "z_z": z_z, "z": z, "z_n": z_n, "n": n, "h": new}
