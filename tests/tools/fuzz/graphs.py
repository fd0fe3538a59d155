"""Random expression graphs: values and gradients against mpmath at 60 digits and, where it is installed, JAX."""

from __future__ import annotations

import importlib.util
import json
import math
import random
from collections.abc import Callable
from functools import cache
from typing import Any

import mpmath

from tinygrad_rnn import Value
from tinygrad_rnn.engine.backward import topological_order

from ...proofs.test_expressions import (
    BINARY,
    OURS,
    VARIABLES,
    Expression,
    compare_with_60_digits,
    distance_to_a_kink,
    evaluate,
)

UNARY = sorted(OURS.keys() - BINARY)


def generate(rng: random.Random) -> bytes:
    """An expression and where to evaluate it, as JSON."""
    at = [rng.choice((rng.uniform(-2, 2), rng.gauss(0, 1e-3), float(rng.randint(-2, 2)))) for _ in range(VARIABLES)]
    return json.dumps([_expression(rng, rng.randint(1, 30)), at]).encode()


def _expression(rng: random.Random, size: int) -> Expression:
    if size <= 1:
        return ("x", rng.randrange(VARIABLES)) if rng.random() < 0.8 else ("c", rng.uniform(-2, 2))
    if rng.random() < 0.4:
        return rng.choice(UNARY), _expression(rng, size - 1)
    left = rng.randint(1, size - 1)
    return rng.choice(sorted(BINARY)), _expression(rng, left), _expression(rng, size - left)


def check(data: bytes, with_jax: bool = True) -> bool:
    """Value and gradients agree; False where the expression is too near a kink, or overflows."""
    expression, at = json.loads(data)
    if distance_to_a_kink(expression, [mpmath.mpf(x) for x in at]) < 1e-9:
        return False
    variables = [Value(x) for x in at]
    root = evaluate(expression, variables, OURS, Value)
    root.backward()
    if not all(math.isfinite(x) for x in (root.data, *(x.grad for x in variables))):
        return False
    compare_with_60_digits(expression, at)
    reference = _jax() if with_jax else None
    if reference is not None:
        value, slopes = reference(expression, at)
        size = sum(abs(node.grad * node.data) + abs(node.grad) for node in topological_order(root))
        assert math.isclose(root.data, value, rel_tol=1e-12, abs_tol=1e-14 * size), (root.data, value)
        for x, slope in zip(variables, slopes):
            assert math.isclose(x.grad, slope, rel_tol=1e-9, abs_tol=1e-12 * size), (x.grad, slope)
    return True


@cache
def _jax() -> Callable[[Expression, list[float]], tuple[float, list[float]]] | None:
    if importlib.util.find_spec("jax") is None:
        return None
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    rules: dict[str, Callable[..., Any]] = {
        **{name: OURS[name] for name in ("add", "sub", "mul", "div", "square", "rsub", "rdiv", "neg", "abs")},
        "pow": lambda a, b: (a * a + 0.5) ** jnp.tanh(b),
        "inverse": lambda a: 1 / (jnp.exp(a) + 1),
        "rpow": lambda a: 2.0 ** jnp.tanh(a),
        "tanh": jnp.tanh,
        "exp": lambda a: jnp.exp(jnp.sin(a)),
        "log": lambda a: jnp.log(a * a + 0.25),
        "log1p": lambda a: jnp.log1p(a * a * 0.001),
        "sqrt": lambda a: jnp.sqrt(a * a + 0.25),
        "sigmoid": jax.nn.sigmoid,
        "sin": jnp.sin,
        "cos": jnp.cos,
        "relu": jax.nn.relu,
        "max": jnp.maximum,
        "min": jnp.minimum,
    }

    def value_and_slopes(expression: Expression, at: list[float]) -> tuple[float, list[float]]:
        def function(*xs: Any) -> Any:
            return jnp.asarray(evaluate(expression, list(xs), rules, float), dtype=float)

        value, slopes = jax.value_and_grad(function, argnums=tuple(range(VARIABLES)))(*map(float, at))
        return float(value), [float(slope) for slope in slopes]

    return value_and_slopes
