"""The checker is checked: what is right passes, what is slightly wrong does not."""

from __future__ import annotations

import inspect
import math
import random
from dataclasses import replace
from typing import Any

import pytest

from tinygrad_rnn import RNNCell, Value, gradcheck, mse_loss, unroll
from tinygrad_rnn.engine import ops as table
from tinygrad_rnn.engine.backward import gradients
from tinygrad_rnn.engine.ops import OPS
from tinygrad_rnn.errors import GradcheckError, OperandError

OPERANDS = (0.7, 1.3)  # in the domain of every op, away from kinks
every_op = pytest.mark.parametrize("name", OPS)


@every_op
def test_every_op_passes(name: str) -> None:
    assert gradcheck(lambda *xs: Value.apply(name, *xs), OPERANDS[: OPS[name].arity])


@every_op
def test_a_derivative_wrong_by_a_thousandth_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = OPS[name]
    for operand in range(right.arity):

        def wrong(out: Any, *xs: Any, operand: int = operand) -> tuple[Any, ...]:
            return tuple(g * 1.001 if i == operand else g for i, g in enumerate(right.local_gradients(out, *xs)))

        if not right.local_gradients(right.forward(*OPERANDS[: right.arity]), *OPERANDS[: right.arity])[operand]:
            operands = OPERANDS[right.arity - 1 :: -1]  # max and min: the other one has the gradient
        else:
            operands = OPERANDS[: right.arity]
        monkeypatch.setitem(table.OPS, name, replace(right, local_gradients=wrong))
        with pytest.raises(GradcheckError) as caught:
            gradcheck(lambda *xs: Value.apply(name, *xs), operands)
        assert f"input {operand}" in str(caught.value)
        assert not gradcheck(lambda *xs: Value.apply(name, *xs), operands, raise_exception=False)
        monkeypatch.undo()


@pytest.mark.parametrize("exponent", [-1.5, 2.0, 3.0])
def test_a_fixed_power_wrong_by_a_thousandth_is_caught(exponent: float) -> None:
    def power(x: Value, factor: float) -> Value:
        return Value.custom(x.data**exponent, [x], [factor * exponent * x.data ** (exponent - 1.0)])

    assert gradcheck(lambda x: power(x, 1.0), 1.3)
    assert not gradcheck(lambda x: power(x, 1.001), 1.3, raise_exception=False)


def test_a_closure_that_forgets_to_add_is_caught() -> None:
    def wrong(x: Value) -> Value:
        out = Value(x.data * x.data, (x,), "square")

        def _backward() -> None:
            x.grad = 2 * x.data * out.grad  # = instead of +=

        out._backward = _backward  # type: ignore[method-assign, assignment]
        return out

    assert gradcheck(wrong, 3.0)
    assert not gradcheck(lambda x: wrong(x) + wrong(x), 3.0, raise_exception=False)


def test_an_rnn_passes_and_a_detached_step_does_not() -> None:
    rng = random.Random(0)
    cell = RNNCell(2, 3)
    inputs = [[rng.gauss(0, 1) for _ in range(2)] for _ in range(4)]

    def loss(*_: Value, cut: bool = False) -> Value:
        halfway = unroll(cell, inputs[:2]).h[2]
        h = [entry.detach() for entry in halfway] if cut else halfway
        return mse_loss(unroll(cell, inputs[2:], h0=h).h[2], [0.1, 0.2, 0.3])

    assert gradcheck(loss, cell.parameters())
    with pytest.raises(GradcheckError, match=r"W\[0,0\]"):
        gradcheck(lambda *xs: loss(*xs, cut=True), cell.parameters())


def test_several_outputs_and_inputs() -> None:
    assert gradcheck(lambda x, y: (x * y, x + y, x / y), (2.0, 3.0))
    with pytest.raises(GradcheckError, match="∂output 1/∂input 0"):
        gradcheck(lambda x, y: [x * y, Value.custom(x.data, [x], [1.001])], [2.0, 3.0])


def test_large_and_small_inputs() -> None:
    assert gradcheck(lambda x: x * x, 1e8)
    assert gradcheck(lambda x: x.log(), 1e6)
    assert gradcheck(lambda x: x.sin() * 1e-3, 1e-9)


def test_what_was_there_is_restored() -> None:
    x, y = Value(2.0), Value(3.0)
    root = x * y
    root.backward()
    before = [(node.data, node.grad) for node in (x, y, root)]
    gradcheck(lambda a, b: a * b, [x, y])
    assert not gradcheck(lambda a, b: Value.custom(1.0, [a, b], [5.0, 5.0]), [x, y], raise_exception=False)
    with pytest.raises(ZeroDivisionError):
        gradcheck(lambda a, b: Value(1.0 / (a.data - 2.0)), [x, y])
    assert [(node.data, node.grad) for node in (x, y, root)] == before
    assert gradients(root, [x, y]) == [3.0, 2.0]
    assert [(node.data, node.grad) for node in (x, y, root)] == before


def test_a_function_that_is_none_is_refused() -> None:
    state = iter(range(100))
    with pytest.raises(GradcheckError, match=r"at one call and .* at the next"):
        gradcheck(lambda x: x * next(state), 2.0)
    for nothing in (3.0, None, [], [1.0], "xx"):
        with pytest.raises(OperandError, match="did not return"):
            gradcheck(lambda x, nothing=nothing: nothing, 2.0)  # type: ignore[misc]
    with pytest.raises(OperandError):
        gradcheck(lambda x: x, "a")  # type: ignore[arg-type]


def test_nan_does_not_pass() -> None:
    assert not gradcheck(lambda x: x * math.nan, 2.0, raise_exception=False)
    assert not gradcheck(lambda x: Value.custom(x.data, [x], [math.nan]), 2.0, raise_exception=False)


def test_the_arguments_have_pytorchs_names() -> None:
    names = list(inspect.signature(gradcheck).parameters)
    assert names == ["func", "inputs", "eps", "atol", "rtol", "raise_exception"]
    assert gradcheck(lambda x: Value.custom(x.data, [x], [1.05]), 2.0, rtol=0.1)
    assert gradcheck(lambda x: Value.custom(x.data, [x], [1.05]), 2.0, atol=0.1)
    assert gradcheck(func=lambda x: x**3, inputs=[2.0], eps=1e-3, rtol=1e-3)
