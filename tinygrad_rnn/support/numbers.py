"""The types of Python, NumPy and PyTorch that count as numbers. All checks of the package are based on this.

A real number may be Python's, a scalar of NumPy or PyTorch, or an array or tensor without dimensions. A bool counts as
0 or 1 there, as in Python's own arithmetic; it is never a size, a count, an index or a seed.
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from operator import index
from typing import Any, TypeVar

from ..errors import ArgumentError

N = TypeVar("N", int, float)


def is_real(data: object) -> bool:
    """Whether ``data`` can stand for one real number.

    A string, a complex number, a date, a masked entry or an array cannot.
    """
    if is_not_real(data) or getattr(data, "ndim", 0) > 0:
        return False
    return isinstance(data, Real) or hasattr(data, "__float__") or hasattr(data, "__index__")


def is_not_real(data: Any) -> bool:
    """Whether an array, a tensor or one of their entries is masked, or holds something other than real numbers."""
    dtype = getattr(data, "dtype", None)
    if dtype is None:
        return False
    if is_masked(data):
        return True
    kind = getattr(dtype, "kind", "c" if getattr(dtype, "is_complex", False) else "f")
    if kind == "O":
        return getattr(data, "ndim", 0) == 0 and not is_real(data.item())
    return kind not in "biuf"


def is_masked(data: object) -> bool:
    """Whether this is a masked entry of an array, or an array with one."""
    mask: Any = getattr(data, "mask", False)
    return bool(mask.any() if hasattr(mask, "any") else mask)


def check_no_table(data: object) -> None:
    """Check that this is not a data frame of pandas or polars, which yields columns or their names, not rows.

    Raises:
        ArgumentError: it is one.
    """
    if hasattr(data, "columns") and hasattr(data, "shape"):
        raise ArgumentError(
            f"a {type(data).__name__} is a table of columns, not a sequence",
            remedy="Give one column, or the rows: table.to_numpy()",
        )


def is_bool(data: object) -> bool:
    """Whether this is a bool of Python, NumPy or PyTorch, or an array of them."""
    return isinstance(data, bool) or str(getattr(data, "dtype", "")) in ("bool", "torch.bool")


def as_lists(data: Any) -> Any:
    """An array or a tensor of real numbers as nested lists; anything else as it is, also a tensor without data.

    Raises:
        ArgumentError: it is a data frame.
    """
    check_no_table(data)
    if not hasattr(data, "tolist") or is_not_real(data):
        return data
    try:
        return data.tolist()
    except RuntimeError:  # without data
        return data


def typed(text: str) -> float | None:
    """The number that a text is: as `float` reads it, in ASCII, without the underscores of ``1_000``; else None."""
    return _read(float, text)


def typed_whole(text: str) -> int | None:
    """The whole number that a text is, in the same way; else None."""
    return _read(int, text)


def _read(kind: Callable[[str], N], text: str) -> N | None:
    try:
        return kind(text) if text.isascii() and "_" not in text else None
    except ValueError:
        return None


def whole(data: Any) -> int | None:
    """``data`` as an int if it stands for one whole number; else None."""
    if data.__class__ is int:
        return data
    if is_bool(data) or is_not_real(data) or getattr(data, "ndim", 0) > 0:
        return None
    try:
        return index(data)
    except (TypeError, ValueError, RuntimeError):  # RuntimeError: of a tensor without data
        return None
