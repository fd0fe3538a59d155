"""Trees: a single Value, a list of Values, a list of rows of them, and so on; and the same of plain numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias, TypeGuard, TypeVar

from ..engine.arithmetic import is_number
from ..engine.value import Value
from ..errors import ArgumentError, ShapeError
from ..support.numbers import check_no_table

K = TypeVar("K")
Tree: TypeAlias = "Value | Sequence[Tree]"
NestedNumbers: TypeAlias = "float | Sequence[NestedNumbers]"


def is_vector(tree: object) -> TypeGuard[Sequence[Any]]:
    """Whether this is a list, some other sequence or an array, and not a text, a single Value or a number.

    Raises:
        ArgumentError: it is a data frame.
    """
    check_no_table(tree)
    is_text = isinstance(tree, (str, bytes, bytearray))
    return (isinstance(tree, Sequence) and not is_text) or getattr(tree, "ndim", 0) > 0


def shape(tree: object) -> tuple[int, ...]:
    """The shape of nested lists or of an array, read off the first entries: ``()`` for a number or Value."""
    sizes = []
    while is_vector(tree):
        sizes.append(len(tree))
        if not sizes[-1]:
            break
        tree = next(iter(tree))  # [0] is a label in a series of pandas
    return tuple(sizes)


def pairs(what: str, tree: object, other_name: str, other: object) -> Iterator[tuple[Any, Any]]:
    """The leaves of two trees side by side.

    Raises:
        ShapeError: their shapes differ, at the top or anywhere below.
    """
    if shape(tree) != shape(other):
        raise ShapeError(f"{what} has shape {shape(tree)}, {other_name} has shape {shape(other)}")
    if is_vector(tree) and is_vector(other):
        for i, (entry, other_entry) in enumerate(zip(tree, other)):
            yield from pairs(f"{what}[{i}]", entry, f"{other_name}[{i}]", other_entry)
    else:
        yield tree, other


def with_index(tree: object, index: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], object]]:
    """Whatever nested lists and tuples hold, each with its index; a single object has an empty one."""
    if isinstance(tree, (list, tuple)):
        for i, entry in enumerate(tree):
            yield from with_index(entry, (*index, i))
    else:
        yield index, tree


def is_a(thing: object, kind: type[K]) -> TypeGuard[K]:
    """`isinstance`, except that a `weakref.proxy` is not what it points to: it holds nothing, and has no hash."""
    return issubclass(type(thing), kind)


def leaves(tree: object) -> Iterator[tuple[tuple[int, ...], Value]]:
    """The Values that nothing computed in nested lists, each with its index."""
    for index, entry in with_index(tree):
        if is_a(entry, Value) and not entry.parents:
            yield index, entry


def numbers(tree: Tree) -> NestedNumbers:
    """The numbers of a tree, as nested lists; of a single Value, a float."""
    return tree.data if isinstance(tree, Value) else [numbers(entry) for entry in tree]


def check_replacement(before: object, new: object, name: str) -> None:
    """Check what is to replace parameters: a number, or a computed Value, would silently never be trained.

    Args:
        before: what is to be replaced. If it holds no parameter, anything may be put there.
        new: what is to replace it.
        name: the name of a parameter without a label.

    Raises:
        ArgumentError: it is, or holds, a number or a Value that was computed; the error names the ways to set numbers.
    """
    first = next((parameter for _, parameter in leaves(before)), None)
    if first is not None:
        _check_new(f"{first.label or name} is a parameter, and what is put in its place", new)


def _check_new(place: str, new: object) -> None:
    if isinstance(new, Value):
        if new.parents:
            raise ArgumentError(
                f"{place} is a result, {new.name:.40}",
                remedy="Change its number (w.data -= lr * w.grad, or an optimizer's step), or put a new Value there",
            )
    elif is_vector(new):
        for entry in new:
            _check_new(place, entry)
    elif is_number(new):
        raise ArgumentError(
            f"{place} is the number {new!s:.40}, which is not trained",
            remedy="Set its number: w.data = 0.5 for one, nn.init.set_(W, rows) for a matrix, load_state_dict for all",
        )
