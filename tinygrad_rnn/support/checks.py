"""Checks of arguments."""

from __future__ import annotations

from operator import index
from typing import Any

from ..errors import ArgumentError


def whole_number(name: str, number: Any, least: int = 1, why: str = "") -> int:
    """``number`` as an int, NumPy's whole numbers included.

    Args:
        name: what it is, for the error.
        number: what to check.
        least: the smallest that is accepted.
        why: the reason for ``least``, for the error.

    Raises:
        ArgumentError: it is not a whole number of at least ``least``.
    """
    try:
        whole = None if isinstance(number, bool) else index(number)
    except TypeError:
        whole = None
    if whole is None or whole < least:
        reason = f": {why}" if why else ""
        raise ArgumentError(
            f"{name} is {number!r:.40}", remedy=f"{name} must be a whole number of at least {least}{reason}"
        )
    return whole


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
