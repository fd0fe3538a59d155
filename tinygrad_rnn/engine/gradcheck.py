"""Derivatives checked against central differences."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

from ..errors import GradcheckError, OperandError
from ..support.pytorch import refuses_options
from ..support.uninterrupted import Uninterrupted
from . import notation
from .arithmetic import number
from .backward import gradients
from .value import Operand, Value, as_value

Result = Value | Sequence[Value]


class _Shifted(Uninterrupted):
    """A context in which a leaf holds another number. It holds its own again afterwards, even if Ctrl-C ends it."""

    def __init__(self, leaf: Value, by: float) -> None:
        own, other = leaf.data, number(leaf.data + by)
        self.begin, self.close = partial(setattr, leaf, "_data", other), partial(setattr, leaf, "_data", own)


@refuses_options
def gradcheck(
    func: Callable[..., Result],
    inputs: Operand | Sequence[Operand],
    *,
    eps: float = 1e-5,
    atol: float = 1e-8,
    rtol: float = 1e-6,
    raise_exception: bool = True,
) -> bool:
    """Whether ``backward()`` through ``func`` agrees with (f(x + ε) - f(x - ε)) / 2ε at every input.

    The arguments are PyTorch's; the tolerances are tighter, since everything here is a double.

    Args:
        func: takes the inputs as Values, returns a Value or a sequence of them.
        inputs: Values or numbers. A Value is the very object that ``func`` gets, so that ``func`` may also
            reach it some other way (as a parameter of a cell, say). Its data and gradient are restored.
        eps: half the distance of the difference, relative to max(1, abs(input)).
        atol, rtol: agreement means abs(analytic - numeric) <= atol + rtol * abs(numeric).
        raise_exception: raise instead of returning False.

    Raises:
        GradcheckError: a derivative disagrees, or ``func`` gives different results for the same inputs.
        OperandError: ``func`` returned something other than Values, or eps, atol or rtol is not a number.
    """
    eps, atol, rtol = number(eps, "eps"), number(atol, "atol"), number(rtol, "rtol")
    leaves = [as_value(x) for x in (inputs if isinstance(inputs, Sequence) else [inputs])]

    def outputs() -> list[Value]:
        result = func(*leaves)
        values = [result] if isinstance(result, Value) else result
        if not isinstance(values, Sequence) or not values or not all(isinstance(value, Value) for value in values):
            raise OperandError("func did not return a Value or a sequence of Values", node=repr(result)[:40])
        return list(values)

    def shifted(leaf: Value, by: float) -> list[float]:
        with _Shifted(leaf, by):
            return [output.data for output in outputs()]

    def complaint() -> str | None:
        first, second = outputs(), outputs()
        for n, (a, b) in enumerate(zip(first, second)):
            if a.data != b.data and not (math.isnan(a.data) and math.isnan(b.data)):
                return f"output {n} is {a.data!r} at one call and {b.data!r} at the next, for the same inputs"
        analytic = [gradients(output, leaves) for output in first]
        for i, leaf in enumerate(leaves):
            step = eps * max(1.0, abs(leaf.data))
            above, below = shifted(leaf, step), shifted(leaf, -step)
            width = (leaf.data + step) - (leaf.data - step)
            for n, (high, low) in enumerate(zip(above, below)):
                exact, numeric = analytic[n][i], (high - low) / width
                # Not the reverse comparison: a NaN must fail.
                if not abs(exact - numeric) <= atol + rtol * abs(numeric):
                    return (
                        f"∂output {n}/∂input {i} ({leaf.name}): backward() says "
                        f"{notation.number(exact, 10)}, central differences say {notation.number(numeric, 10)}"
                    )
        return None

    message = complaint()
    if message and raise_exception:
        raise GradcheckError(message, remedy="Check the local gradients of the ops between them")
    return message is None
