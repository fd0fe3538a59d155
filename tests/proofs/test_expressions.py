"""Random expressions against an oracle that shares nothing with the package: mpmath, at 60 digits.

The oracle knows no rule of differentiation. It evaluates the expression at both sides of a point, 10^-20 away.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from inspect import signature
from typing import Any

import mpmath
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tinygrad_rnn import Value, gradcheck
from tinygrad_rnn.engine.backward import topological_order

# An expression is ("x", i), ("c", number) or (op, *expressions).
Expression = tuple[Any, ...]

OURS: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / (b * b + 1),
    "pow": lambda a, b: (a * a + 0.5) ** b.tanh(),
    "square": lambda a: a**2,
    "inverse": lambda a: (a.exp() + 1) ** -1,
    "rpow": lambda a: 2 ** a.tanh(),
    "rsub": lambda a: 1 - a,
    "rdiv": lambda a: 1 / (a * a + 2),
    "neg": lambda a: -a,
    "tanh": lambda a: a.tanh(),
    "exp": lambda a: a.sin().exp(),
    "log": lambda a: (a * a + 0.25).log(),
    "log1p": lambda a: (a * a * 0.001).log1p(),
    "sqrt": lambda a: (a * a + 0.25).sqrt(),
    "sigmoid": lambda a: a.sigmoid(),
    "sin": lambda a: a.sin(),
    "cos": lambda a: a.cos(),
    "relu": lambda a: a.relu(),
    "abs": lambda a: abs(a),
    "max": lambda a, b: a.maximum(b),
    "min": lambda a, b: a.minimum(b),
}
ORACLE: dict[str, Callable[..., Any]] = {
    **OURS,
    "pow": lambda a, b: mpmath.power(a * a + 0.5, mpmath.tanh(b)),
    "inverse": lambda a: 1 / (mpmath.exp(a) + 1),
    "rpow": lambda a: mpmath.power(2, mpmath.tanh(a)),
    "tanh": mpmath.tanh,
    "exp": lambda a: mpmath.exp(mpmath.sin(a)),
    "log": lambda a: mpmath.log(a * a + 0.25),
    "log1p": lambda a: mpmath.log1p(a * a * 0.001),
    "sqrt": lambda a: mpmath.sqrt(a * a + 0.25),
    "sigmoid": lambda a: 1 / (1 + mpmath.exp(-a)),
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "relu": lambda a: a if a > 0 else mpmath.mpf(0),
    "abs": lambda a: a if a > 0 else -a,
    "max": lambda a, b: a if a > b else b,
    "min": lambda a, b: a if a < b else b,
}
KINKED = {"relu", "abs", "max", "min"}
BINARY = {name for name, rule in OURS.items() if len(signature(rule).parameters) == 2}
VARIABLES = 3

leaves = st.tuples(st.just("x"), st.integers(0, VARIABLES - 1)) | st.tuples(st.just("c"), st.floats(-2, 2))
numbers = st.lists(st.floats(-2, 2), min_size=VARIABLES, max_size=VARIABLES)


def one_more(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    unary = st.tuples(st.sampled_from(sorted(OURS.keys() - BINARY)), inner)
    return unary | st.tuples(st.sampled_from(sorted(BINARY)), inner, inner)


expressions: st.SearchStrategy[Expression] = st.recursive(leaves, one_more, max_leaves=12)


def evaluate(
    expression: Expression, variables: list[Any], rules: dict[str, Callable[..., Any]], constant: Callable[[float], Any]
) -> Any:
    op, *operands = expression
    if op == "x":
        return variables[operands[0]]
    if op == "c":
        return constant(operands[0])
    return rules[op](*(evaluate(operand, variables, rules, constant) for operand in operands))


def distance_to_a_kink(expression: Expression, variables: list[Any]) -> Any:
    """How close any operand of abs, relu, max or min comes to where it has no derivative."""
    op, *operands = expression
    if op in ("x", "c"):
        return mpmath.inf
    distance = min(distance_to_a_kink(operand, variables) for operand in operands)
    if op in KINKED:
        values = [evaluate(operand, variables, ORACLE, mpmath.mpf) for operand in operands]
        distance = min(distance, abs(values[0] - (values[1] if len(values) == 2 else 0)))
    return distance


@pytest.mark.slow
@settings(max_examples=200)
@given(expressions, numbers)
def test_values_and_gradients_agree_with_60_digits(expression: Expression, at: list[float]) -> None:
    assume(distance_to_a_kink(expression, [mpmath.mpf(x) for x in at]) > 1e-9)
    compare_with_60_digits(expression, at)


def compare_with_60_digits(expression: Expression, at: list[float]) -> None:
    with mpmath.workdps(60):
        h = mpmath.mpf(10) ** -20
        exact = evaluate(expression, [mpmath.mpf(x) for x in at], ORACLE, mpmath.mpf)
        slopes = []
        for i in range(VARIABLES):
            high, low = (
                evaluate(expression, [mpmath.mpf(x) + by * (j == i) for j, x in enumerate(at)], ORACLE, mpmath.mpf)
                for by in (h, -h)
            )
            slopes.append((high - low) / (2 * h))
    variables = [Value(x) for x in at]
    root = evaluate(expression, variables, OURS, Value)
    root.backward()
    # How much rounding may do: an ulp or so of every number on the way, carried to the end.
    rounding = 4e-16 * sum(abs(node.grad * node.data) + abs(node.grad) for node in topological_order(root))
    assert math.isclose(root.data, float(exact), rel_tol=1e-13, abs_tol=rounding)
    magnitude = sum(abs(node.grad) for node in topological_order(root)) * (1.0 + max(map(abs, at)))
    for x, slope in zip(variables, slopes):
        assert math.isclose(x.grad, float(slope), rel_tol=1e-10, abs_tol=1e-12 * magnitude)


@settings(max_examples=50)
@given(expressions, numbers)
def test_gradcheck_agrees(expression: Expression, at: list[float]) -> None:
    assume(distance_to_a_kink(expression, [mpmath.mpf(x) for x in at]) > 1e-3)
    assert gradcheck(lambda *xs: evaluate(expression, list(xs), OURS, Value), at, atol=1e-6, rtol=1e-4)


@given(expressions, numbers)
def test_reusing_a_subexpression_and_writing_it_twice_agree(expression: Expression, at: list[float]) -> None:
    once, twice = [Value(x) for x in at], [Value(x) for x in at]
    shared = evaluate(expression, once, OURS, Value)
    (shared * shared).backward()
    (evaluate(expression, twice, OURS, Value) * evaluate(expression, twice, OURS, Value)).backward()
    for a, b in zip(once, twice):
        assert math.isclose(a.grad, b.grad, rel_tol=1e-9, abs_tol=1e-9)


@given(expressions, numbers)
def test_the_same_expression_gives_the_same_bits(expression: Expression, at: list[float]) -> None:
    results = []
    for _ in range(2):
        variables = [Value(x) for x in at]
        root = evaluate(expression, variables, OURS, Value)
        root.backward()
        results.append([root.data.hex(), *(x.grad.hex() for x in variables)])
    assert results[0] == results[1]
