"""Numbers: what is taken for one, and the functions with which the rules of the op table are written.

The functions are written for floats, and also work on anything else that does arithmetic. On a float they call `math`;
on a number that is not known yet (`Symbolic`) they call its method of the same name. So a rule that is written with
them serves the eager engine and the compiler alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from typing import Any, TypeVar

from ..errors import OperandError
from ..support.checks import in_short
from ..support.numbers import is_masked, is_real

Rule = Callable[..., Any]
T = TypeVar("T")


class Symbolic:
    """A number, or an index, that is only known when compiled code runs. Rules ask it for what needs a decision."""

    __slots__ = ()

    def select(self, if_true: Any, if_false: Any) -> Any:
        """``if_true if self else if_false``, for a condition."""
        raise NotImplementedError

    def require(self) -> bool:
        """Note that compiled code has to give way to the eager engine unless this condition holds; return False."""
        raise NotImplementedError

    def choose(self, options: Any) -> Any:
        """``options[self]``, for an index."""
        raise NotImplementedError

    def without(self, options: Any) -> Any:
        """All options except ``options[self]``, in order, for an index."""
        raise NotImplementedError


# ---- what is a number -------------------------------------------------------------------------------------------


def is_number(data: object) -> bool:
    """Whether ``data`` can stand for one real number: see `support.numbers`. A Value cannot, a symbol can."""
    return isinstance(data, Symbolic) or (not hasattr(data, "operation") and is_real(data))


def number(data: Any, name: str = "") -> float:
    """``data`` as a float.

    Args:
        data: what stands for a number.
        name: what it is called in an error.

    Raises:
        OperandError: it is not a real number, or one that does not fit a double.
    """
    if data.__class__ is float or (data.__class__ is int and data.bit_length() < 1024):
        return float(data)
    if not is_number(data):
        raise OperandError(f"{_is(data, name)} a {type(data).__name__}, not a number", remedy=_remedy(data))
    if isinstance(data, Symbolic):
        return data  # type: ignore[return-value]
    try:
        converted = float(data)
        if math.isinf(converted) and data != converted:  # such as Decimal("1e400")
            raise OverflowError("too large")
        return converted
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise OperandError(f"{_is(data, name)} not a real number that fits a double: {error}") from error


def _is(data: object, name: str) -> str:
    return f"{name} is {in_short(data)}," if name else f"{in_short(data)} is"


def _remedy(data: object) -> str | None:
    if hasattr(data, "operation"):
        return "Use its .data, or .detach(), if you mean its number"
    if is_masked(data):
        return "The entry is masked: leave it out, or fill it"
    return None


# ---- functions for rules ----------------------------------------------------------------------------------------


#: The elementary functions, as `math` calls them. Numbers that are not known yet have a method for each, and compiled
#: code calls the same functions of the C library.
ELEMENTARY = ("exp", "log", "log1p", "tanh", "sin", "cos", "sqrt")


def _elementary(name: str) -> Callable[[float], float]:
    on_float: Callable[[float], float] = getattr(math, name)

    def function(x: float) -> float:
        try:
            return on_float(x) if isinstance(x, float) else getattr(x, name)()
        except OverflowError:  # exp is the one that can
            return math.inf

    function.__name__ = function.__qualname__ = name
    function.__code__ = function.__code__.replace(co_name=name)  # for debuggers, tracebacks and profilers
    return function


exp, log, log1p, tanh, sin, cos, sqrt = map(_elementary, ELEMENTARY)


def pow_(base: float, exponent: float) -> float:
    """``base ** exponent`` over the reals: `math.pow` refuses what would be complex, and 0 to a negative power."""
    if not (isinstance(base, float) and isinstance(exponent, float)):
        return base**exponent
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0.0 and exponent % 2.0 == 1.0 else math.inf


def select(condition: bool | Symbolic, if_true: float, if_false: float) -> float:
    """``if_true if condition else if_false``, also for symbolic conditions. Both branches are evaluated."""
    return (if_true if condition else if_false) if isinstance(condition, bool) else condition.select(if_true, if_false)


def refuted(condition: bool | Symbolic) -> bool:
    """Whether a condition does not hold.

    For a symbolic condition this is not known yet. Then compiled code checks it and, where it does not hold, calls the
    eager engine, which raises the error.
    """
    return not condition if isinstance(condition, bool) else condition.require()


def choose(options: Sequence[T], index: int | Symbolic) -> T:
    """``options[index]``, also for a symbolic index."""
    return index.choose(options) if isinstance(index, Symbolic) else options[index]


def without(options: Sequence[T], index: int | Symbolic) -> list[T]:
    """A list of all options except ``options[index]``, also for a symbolic index."""
    return index.without(options) if isinstance(index, Symbolic) else [*options[:index], *options[index + 1 :]]


def largest(numbers: Iterable[float]) -> float:
    """``max(numbers)``, also of symbolic numbers."""
    return max(numbers) if all(isinstance(each, float) for each in numbers) else reduce(maximum, numbers)


def maximum(a: float, b: float) -> float:
    """The larger of two numbers; NaN if one of them is."""
    # a + b is NaN when neither comparison holds, that is, when an operand is.
    return select(a > b, a, select(b >= a, b, a + b))
