"""The boundary: the checks before native code sees an address."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, Union

from ..engine.arithmetic import number
from ..errors import OperandError, ShapeError
from ..support.checks import in_short
from ..support.numbers import as_lists, check_no_table, whole
from ..support.text import count as number_of

Numbers = Union[Sequence[object], memoryview, "array[float]"]  # or anything with a buffer of doubles, a NumPy array say

Doubles: TypeAlias = "ctypes.Array[ctypes.c_double]"

_CODES = {"d": "doubles (float64)", "q": "whole numbers (int64)"}
_PLAIN: dict[str, set[type]] = {"d": {float, int}, "q": {int}}  # types that need no look at each entry


class Area(NamedTuple):
    """An area of memory that native code may use: its address, and how many numbers of 8 bytes it has room for."""

    address: int = 0
    room: int = 0

    def after(self, count: int) -> Area:
        """The part of it behind the first ``count`` numbers."""
        return Area(self.address + 8 * count, self.room - count)


def doubles(count: int) -> Doubles:
    """Memory for ``count`` doubles, and for one at least.

    Raises:
        MemoryError: there is not enough.
    """
    try:
        return (ctypes.c_double * max(1, count))()
    except (MemoryError, OverflowError, ValueError) as error:
        raise MemoryError(
            f"no memory for {number_of(count, 'number')}. "
            "Give fewer sequences or time steps at once, or a shorter window"
        ) from error


def area(memory: Doubles) -> Area:
    """The area of an array that `doubles` returned."""
    return Area(ctypes.addressof(memory), len(memory))


def check_room(names: Sequence[str], areas: Sequence[Area], needed: Sequence[int]) -> None:
    """Check that native code stays within the areas that it is about to use.

    Raises:
        ShapeError: it would leave one.
    """
    for name, given, count in zip(names, areas, needed):
        if given.room < count:
            raise ShapeError(f"{name} has room for {number_of(given.room, 'number')}, where compiled code uses {count}")


class Buffer:
    """Numbers side by side in memory. They stay alive and in place as long as this object.

    Attributes:
        view: the numbers as a memoryview.
        area: where they lie.
        shape: their shape.
    """

    __slots__ = ("_keep", "area", "shape", "view")
    _keep: ctypes.c_char | None
    shape: tuple[int, ...]
    view: Any

    def __init__(self, view: memoryview[Any]) -> None:
        if view.readonly or view.format != "d":  # a whole number that changed after its check could lead anywhere
            view = memoryview(bytearray(view)).cast(view.format, view.shape or ())  # type: ignore[call-overload]
        self.view, self.shape = view, view.shape or ()
        self._keep = ctypes.c_char.from_buffer(view) if view.nbytes else None
        self.area = Area() if self._keep is None else Area(ctypes.addressof(self._keep), view.nbytes // 8)

    def flat(self) -> list[Any]:
        """All numbers in a row."""
        return self.view.cast("B").cast("d" if self.view.format == "d" else "q").tolist()  # type: ignore[no-any-return]


def real(name: str, given: object) -> float:
    """Return a single number as a float.

    Raises:
        OperandError: it is not one, or is too large for a double.
    """
    return given if type(given) is float else number(given, name)


def numbers(name: str, given: Any, shape: tuple[int | None, ...], code: str = "d") -> Buffer:
    """Return numbers as a buffer of this shape. Doubles that are in a buffer already are not copied.

    Args:
        name: their name, for error messages.
        given: an object with a buffer of doubles (or, for code ``"q"``, of whole numbers), nested sequences, or any
            other array or tensor of real numbers.
        shape: the necessary shape, with None for any size.
        code: ``"d"`` for real numbers, ``"q"`` for whole ones.

    Raises:
        ShapeError: they have another shape, or are not contiguous.
        OperandError: they are of another type.
    """
    view: Any = None
    try:
        view = given if type(given) is memoryview else memoryview(given)
        kind = "q" if view.format == "l" and view.itemsize == 8 else view.format
    except (TypeError, ValueError):  # not a buffer, or one of a type without memoryviews, such as dates
        kind = None
    if kind != code or hasattr(given, "mask"):  # entry by entry
        if kind is not None and not hasattr(given, "dtype"):
            raise OperandError(f"{name} holds numbers of format {view.format!r}", remedy=f"Give {_CODES[code]}")
        view = _flattened(name, given, len(shape), code)
    if not view.c_contiguous:
        raise ShapeError(f"{name} is not contiguous in memory", remedy="Give a copy (with NumPy: ascontiguousarray)")
    found, fits = view.shape or (), view.ndim == len(shape)
    for want, have in zip(shape, found):
        fits = fits and want in (None, have)
    if not fits:
        expected = " × ".join("any" if size is None else str(size) for size in shape)
        shown = " × ".join(map(str, found)) or "a single number"
        raise ShapeError(f"{name} is {shown}, but must be {expected}")
    if 0 in found:
        raise ShapeError(f"{name} is empty")
    return Buffer(view)


def _is_nested(entry: object) -> bool:
    """Whether something has entries in an order; a dict or a set does not."""
    check_no_table(entry)
    in_order = hasattr(entry, "__len__") and hasattr(entry, "__getitem__") and getattr(entry, "ndim", 1) != 0
    return in_order and not isinstance(entry, (str, bytes, bytearray, Mapping))


def _flattened(name: str, given: object, depth: int, code: str) -> memoryview[Any]:
    shape: list[int] = []
    level: list[Any] = [as_lists(given)]
    for _ in range(depth):
        if not all(_is_nested(entry) for entry in level):
            raise ShapeError(f"{name} must be nested {depth} deep", remedy="Check the brackets")
        sizes = {len(entry) for entry in level}
        if len(sizes) > 1:
            raise ShapeError(f"{name} has parts of different lengths: {', '.join(map(str, sorted(sizes)))}")
        shape.append(sizes.pop() if sizes else 0)
        level = [number for entry in level for number in entry]
    if not set(map(type, level)) <= _PLAIN[code]:
        level = [_entry(name, entry, code) for entry in level]
    try:
        flat = array(code, level)
    except OverflowError as error:
        raise OperandError(f"{name}: {error}", remedy=f"Give {_CODES[code]}") from error
    if not flat:
        raise ShapeError(f"{name} is empty")
    view: memoryview[Any] = memoryview(flat).cast("B").cast(code, shape)  # type: ignore[call-overload]
    return view


def _entry(name: str, given: object, code: str) -> float:
    if code == "d":
        return real(f"an entry of {name}", given)
    entry = whole(given)
    if entry is None:
        raise OperandError(f"an entry of {name} is {in_short(given)}", remedy=f"Give {_CODES[code]}")
    return entry
