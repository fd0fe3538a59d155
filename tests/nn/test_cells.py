"""The plain recurrent cells: what they compute, what they start from, what they refuse."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn import RNNCell, ScalarRNNCell, Value, gradcheck, total, unroll
from tinygrad_rnn.errors import ArgumentError, OperandError, ShapeError
from tinygrad_rnn.nn import Cell

NONLINEARITIES = {"tanh": math.tanh, "relu": lambda z: max(z, 0.0), "identity": lambda z: z}
each_nonlinearity = pytest.mark.parametrize("nonlinearity", NONLINEARITIES)
numbers = st.floats(-2, 2)


@each_nonlinearity
@given(w=numbers, u=numbers, b=numbers, h=numbers, x=numbers)
def test_the_scalar_cell_computes_its_equation(
    nonlinearity: str, w: float, u: float, b: float, h: float, x: float
) -> None:
    named = ScalarRNNCell(w, u, b, nonlinearity).step(x, Value(h))
    assert named["z"].data == w * h + u * x + b
    assert named["h"].data == NONLINEARITIES[nonlinearity](named["z"].data)


@each_nonlinearity
@pytest.mark.parametrize("bias", [True, False])
@given(seed=st.integers(0, 1000), H=st.integers(1, 4), D=st.integers(1, 3))
def test_the_cell_computes_its_equation(nonlinearity: str, bias: bool, seed: int, H: int, D: int) -> None:
    rng = random.Random(seed)
    cell = RNNCell(D, H, bias=bias, nonlinearity=nonlinearity, seed=seed)
    h, x = [rng.gauss(0, 1) for _ in range(H)], [rng.gauss(0, 1) for _ in range(D)]
    named = cell.step(x, [Value(entry) for entry in h])
    for i in range(H):
        z = sum(w.data * entry for w, entry in zip(cell.W[i], h))
        z += sum(u.data * entry for u, entry in zip(cell.U[i], x))
        z += cell.b[i].data if cell.b else 0.0
        assert named["z"][i].data == pytest.approx(z, rel=1e-13, abs=1e-13)
        assert named["h"][i].data == NONLINEARITIES[nonlinearity](named["z"][i].data)
    assert [entry.data for entry in cell(x, [Value(entry) for entry in h])] == [entry.data for entry in named["h"]]


@each_nonlinearity
def test_gradients_of_every_parameter_state_and_input(nonlinearity: str) -> None:
    rng = random.Random(7)
    cell = RNNCell(2, 3, nonlinearity=nonlinearity, seed=2)
    h, x = [Value(rng.gauss(0, 1)) for _ in range(3)], [Value(rng.gauss(0, 1)) for _ in range(2)]
    assert gradcheck(lambda *_: cell(x, h), [*cell.parameters(), *h, *x])
    scalar = ScalarRNNCell(0.7, -0.4, 0.2, nonlinearity)
    assert gradcheck(lambda *_: scalar(x[0], h[0]), [scalar.w, scalar.u, scalar.b, h[0], x[0]])


def test_parameters_are_labelled_by_their_place() -> None:
    assert [p.label for p in RNNCell(1, 2).parameters()] == [
        "W[0,0]", "W[0,1]", "W[1,0]", "W[1,1]", "U[0,0]", "U[1,0]", "b[0]", "b[1]",
    ]  # fmt: skip
    assert [p.label for p in ScalarRNNCell().parameters()] == ["w", "u", "b"]
    assert len(RNNCell(2, 3, bias=False).parameters()) == 9 + 6


def test_starting_numbers_come_from_the_seed_alone() -> None:
    assert RNNCell(2, 3, seed=4).state_dict() == RNNCell(2, 3, seed=4).state_dict()
    assert RNNCell(2, 3, seed=4).state_dict() != RNNCell(2, 3, seed=5).state_dict()
    assert RNNCell(2, 3).state_dict() == RNNCell(2, 3).state_dict()
    every = [p.data for p in RNNCell(8, 25, seed=0).parameters()]
    bound = 1 / math.sqrt(25)  # as in PyTorch
    assert max(map(abs, every)) <= bound < 1.01 * max(map(abs, every))
    assert abs(sum(every)) / len(every) < 0.1 * bound
    # The seed's numbers are part of what the package promises: a book may have printed them.
    assert RNNCell(1, 1, seed=0).W[0][0].data == random.Random(0).uniform(-1, 1)


def test_a_scalar_cell_shares_the_values_it_is_given() -> None:
    w = Value(0.5)
    cell = ScalarRNNCell(w, 1.0, 0.0, "identity")
    assert cell.w is w
    assert w.label == ""
    unrolled = unroll(cell, [1.0, 0.0, 0.0])
    unrolled.h[3].backward()
    assert w.grad == 2 * 0.5


def test_the_state_starts_at_zero() -> None:
    assert [entry.data for entry in RNNCell(2, 3).initial_state()[0]] == [0.0] * 3
    assert ScalarRNNCell().initial_state()[0].data == 0.0
    cell = RNNCell(2, 3)
    assert [v.data for v in cell([1.0, 2.0])] == [v.data for v in cell([1.0, 2.0], [Value(0.0)] * 3)]


@pytest.mark.parametrize("make", [lambda f: ScalarRNNCell(nonlinearity=f), lambda f: RNNCell(1, 1, nonlinearity=f)])
def test_an_unknown_nonlinearity_is_refused(make: Any) -> None:
    with pytest.raises(ArgumentError, match=r"'softplus'.*tanh, tanh_exact, relu, identity"):
        make("softplus")


def test_wrong_sizes_name_both_sizes_and_the_parameter() -> None:
    cell = RNNCell(2, 3)
    h = cell.initial_state()[0]
    with pytest.raises(ShapeError, match=r"x is 3 numbers, but U is 3 × 2.*x as 2 numbers"):
        cell([1.0, 2.0, 3.0], h)
    with pytest.raises(ShapeError, match="x is a single number, but U is 3 × 2"):
        cell(1.0, h)
    with pytest.raises(ShapeError, match="h is 2 numbers, but W is 3 × 3"):
        cell([1.0, 2.0], h[:2])
    with pytest.raises(ShapeError, match="x is 1 number, but w, u, b are single"):
        ScalarRNNCell()([1.0])
    with pytest.raises(ShapeError, match="h is 2 numbers"):
        ScalarRNNCell()(1.0, h[:2])
    with pytest.raises(OperandError, match="'a' is a str"):
        cell(["a", 2.0], h)
    with pytest.raises(OperandError):
        ScalarRNNCell(w="0.9")  # type: ignore[arg-type]


def test_reprs_say_what_it_is() -> None:
    assert repr(RNNCell(2, 3)) == "RNNCell(2 → 3, nonlinearity='tanh')"
    assert repr(ScalarRNNCell(0.5, 1, nonlinearity="relu")) == "ScalarRNNCell(w=0.5, u=1, b=0, nonlinearity='relu')"


class TwoParts(Cell):
    """A user's own cell: a moving average c and what it is compared with, h."""

    state_names = ("h", "c")

    def __init__(self) -> None:
        self.decay = Value(0.5, label="decay")

    def step(self, x: Any, *state: Any) -> dict[str, Any]:
        h, c = state
        c = self.decay * c + (1 - self.decay) * x
        return {"c": c, "h": (h + x - c).tanh()}

    def initial_state(self) -> tuple[Any, ...]:
        return Value(0.0), Value(0.0)


def test_a_cell_of_ones_own() -> None:
    cell = TwoParts()
    assert cell.parameters() == [cell.decay]
    h, c = cell(Value(2.0))
    assert c.data == 1.0
    assert h.data == math.tanh(1.0)
    unrolled = unroll(cell, [1.0, 2.0, 3.0])
    assert unrolled["c"][3].label == "c_3"
    assert gradcheck(lambda *_: total(list(unroll(cell, [1.0, 2.0, 3.0]).h.values())), [cell.decay])
