"""The arguments of optimizers, schedules and clipping: parameters, and numbers within their range.

Optimizers and schedules keep each as an attribute of the same name.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Mapping, Set
from typing import Any

from ..engine.arithmetic import number
from ..engine.value import Value
from ..errors import ArgumentError
from ..nn.trees import is_a

State = dict[str, Any]  # JSON: numbers, and lists of numbers
SMALLEST = math.ulp(0.0)  # the least number above 0


def each_once(parameters: Iterable[Value]) -> list[Value]:
    """Return the parameters in order, without repetitions. A single Value is also accepted.

    Raises:
        ArgumentError: something among them is not a Value; the remedy depends on what it is. Or they are a set, whose
            order, and so that of an optimizer's state, is another in every process.
    """
    if isinstance(parameters, Value):
        parameters = [parameters]
    if not isinstance(parameters, Iterable):
        remedy = f"Give {'its .' if hasattr(parameters, 'parameters') else 'model.'}parameters()"
        raise ArgumentError(f"a {type(parameters).__name__} where parameters are expected", remedy=remedy)
    if isinstance(parameters, Set):
        raise ArgumentError("a set of parameters, which has no order", remedy="Give a list, or model.parameters()")
    given = list(parameters)
    for each in given:
        if not is_a(each, Value):
            raise _not_a_parameter(each)
    return list(dict.fromkeys(given))


def _not_a_parameter(each: object) -> ArgumentError:
    what, remedy = f"{each!s:.40} is a {type(each).__name__}, not a parameter", "Give model.parameters()"
    if isinstance(each, Mapping):
        what, remedy = "parameter groups are not supported", "Make an optimizer for each group"
    elif isinstance(each, tuple) and len(each) == 2 and isinstance(each[0], str):
        what = "names where parameters are expected"
        remedy = "Give model.parameters() instead of model.named_parameters()"
    elif isinstance(each, list):
        what, remedy = (
            "a list among parameters",
            "Give Values in one row: model.parameters(), or nn.quantities.entries(W)",
        )
    return ArgumentError(what, remedy=remedy)


def within(name: str, data: object, least: float = 0.0, below: float = math.inf, most: float | None = None) -> float:
    """Return ``data`` as a float, if least <= data < below (or <= most).

    Raises:
        ArgumentError: it is out of this range.
        OperandError: it is not a number.
    """
    given = number(data, name)
    if not (least <= given and (given < below if most is None else given <= most)):
        above = "a number above 0" if least == SMALLEST else f"a number of at least {least:g}"
        bound = f" and below {below:g}" if below < math.inf else ""
        raise ArgumentError(f"{name} is {given!r}", remedy=f"Give {above}{bound}")
    return given


#: Arguments that checkpoints of 0.1.0 do not have. They are left out where they have their defaults.
_LATER = frozenset({"dampening", "centered", "amsgrad", "maximize"})


def settings_of(thing: object, *without: str) -> dict[str, Any]:
    """Return the arguments of an object's constructor, read from its attributes, in the order of the signature."""
    arguments = inspect.signature(type(thing)).parameters
    settings = {name: getattr(thing, name) for name in arguments if name not in without}
    return {name: each for name, each in settings.items() if name not in _LATER or each != arguments[name].default}
