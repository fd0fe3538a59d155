"""Quantities of a time step: a single Value in a scalar cell, a list of Values in any other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Set
from typing import Any

from ..engine.value import Value, as_value
from ..errors import ArgumentError, DataError
from ..support.numbers import check_no_table
from .one_hot import OneHot
from .trees import is_vector

#: A Value for a scalar cell, a Vector for any other. Only the cell knows which, so a union type would have to be
#: narrowed at every use, as in ``unrolled.h[3].grad``; a type parameter of cells and of `Unrolled` would have to be
#: written wherever either is named, mostly as ``[Any]``.
Quantity = Any
Readout = Callable[[Quantity], Quantity]  # computes the prediction y_t from h_t
Loss = Callable[[Quantity, Any], Value]  # computes the loss of a time step from a prediction and a target


def entries(quantity: object) -> list[Any]:
    """The entries in a row: of a vector, of a matrix row by row, or the single number or Value itself."""
    if isinstance(quantity, (Value, float)) or not is_vector(quantity):
        return [quantity]
    return [entry for part in quantity for entry in entries(part)]


def in_order(inputs: object, what: str = "inputs") -> Iterable[Any]:
    """Return the inputs, checked to have an order: a sequence, an array or an iterator.

    Raises:
        ArgumentError: they have none, as a set, or are something else.
    """
    check_no_table(inputs)
    if (
        not isinstance(inputs, Iterable)
        or isinstance(inputs, (bytes, bytearray, Mapping, Set))
        or getattr(inputs, "ndim", 1) == 0
    ):
        raise ArgumentError(f"{what} of type {type(inputs).__name__}", remedy="Give a sequence, one for each time step")
    return inputs


def as_sequence(inputs: object, what: str = "inputs") -> list[object]:
    """The inputs x_1 … x_T, or the targets, in a list: in a series of pandas, [0] would be a label.

    Raises:
        ArgumentError: they are not a sequence, or an empty one.
    """
    sequence = list(in_order(inputs, what))
    if not sequence:
        raise ArgumentError("the sequence is empty", remedy="Give at least one input")
    return sequence


def as_quantity(data: Any) -> Quantity:
    """A number as a Value, a sequence of them as a list of Values; Values are used as they are."""
    if isinstance(data, OneHot):
        return data
    return [as_value(entry) for entry in data] if is_vector(data) else as_value(data)


def finite(data: object, name: str, t: int) -> Quantity:
    """An input or initial state as a Quantity.

    Raises:
        DataError: one of its numbers is NaN or infinite.
    """
    quantity = as_quantity(data)
    if not isinstance(quantity, OneHot):
        for entry in entries(quantity):
            if not math.isfinite(entry.data):
                raise DataError(f"{name} is {entry.data}", time_step=t, remedy="Remove or replace it")
    return quantity
