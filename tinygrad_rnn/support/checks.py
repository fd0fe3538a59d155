"""Checks of arguments."""

from __future__ import annotations

import sys
from collections.abc import Collection
from contextlib import suppress

from ..errors import ArgumentError
from .numbers import is_bool, is_masked, whole


def whole_number(
    name: str, number: object, least: int | None = 1, why: str = "", most: int | None = sys.maxsize
) -> int:
    """Return ``number`` as an int; `numbers` decides what counts as one.

    Args:
        name: what it is, for the error.
        number: what to check.
        least: the smallest that is accepted; None for any.
        why: the reason for ``least``, for the error.
        most: the largest that is accepted, by default that of a list's length; None for any.

    Raises:
        ArgumentError: it is not a whole number from ``least`` to ``most``.
    """
    value = whole(number)
    if value is None or (least is not None and value < least):
        bound = "" if least is None else f" of at least {least}"
        raise ArgumentError(
            f"{name} is {in_short(number)}", remedy=f"{name} must be a whole number{bound}{f': {why}' if why else ''}"
        )
    if most is not None and value > most:
        raise ArgumentError(f"{name} is {in_short(number)}", remedy=f"{name} must be at most {most}")
    return value


def step_or_none(name: str, step: object) -> int | None:
    """Return ``step``, a time step or None, as an int or None.

    Raises:
        ArgumentError: it is neither a whole number nor None.
    """
    return None if step is None else whole_number(name, step, least=None)


def one_of(what: str, name: str, names: Collection[str]) -> str:
    """Return ``name``, if it is one of these names of kinds of ``what``.

    Raises:
        ArgumentError: it is not; the error lists them.
    """
    if name not in tuple(names):
        raise ArgumentError(f"unknown {what} {in_short(name)}", remedy=f"Known ones: {', '.join(names)}")
    return name


def truth(name: str, value: object) -> bool:
    """Return ``value`` as a bool, if it is one, or 0 or 1. Anything else, such as a name, is taken for a mistake.

    Raises:
        ArgumentError: it is not.
    """
    if (is_bool(value) and getattr(value, "ndim", 0) == 0 and not is_masked(value)) or whole(value) in (0, 1):
        with suppress(RuntimeError):  # of a tensor without data
            return bool(value)
    raise ArgumentError(f"{name} is {in_short(value)}", remedy=f"{name} must be True or False")


def check_callable(name: str, value: object, form: str) -> None:
    """Check that ``value`` can be called; ``form`` says how it will be.

    Raises:
        ArgumentError: it cannot.
    """
    if not callable(value):
        raise ArgumentError(f"{name} is {in_short(value)}", remedy=f"{name} must be {form}")


def in_short(value: object, most: int = 40) -> str:
    """The repr of a value, cut off after ``most`` characters, for errors."""
    if isinstance(value, int) and value.bit_length() > 1000:
        return f"a number of {value.bit_length() * 30103 // 100000:,} digits"  # Python refuses to write so many
    return " ".join(f"{value!r}".split("\n"))[:most]


def check_set_to_none(set_to_none: bool) -> None:
    """Check an option of PyTorch's ``zero_grad``.

    Raises:
        ArgumentError: it is True.
    """
    if set_to_none:
        raise ArgumentError(
            "set_to_none=True: a gradient here is a number, never None",
            remedy="Leave it out; a gradient that is 0 counts as one in an optimizer, for momentum and weight decay",
        )
