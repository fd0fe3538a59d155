"""Values that a `Module` holds where it does not look for parameters. They would silently never be trained."""

from __future__ import annotations

import gc
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from itertools import accumulate, starmap
from types import (
    AsyncGeneratorType,
    BuiltinMethodType,
    CellType,
    CoroutineType,
    FunctionType,
    GeneratorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
)
from typing import Any
from weakref import ProxyTypes, ReferenceType

from ..engine.value import Value
from .trees import is_a

Named = tuple[str, object]

#: Types whose objects hold no other object.
_PLAIN = frozenset({int, float, complex, bool, str, bytes, type(None)})

#: Types whose objects have attributes, and hold others beside them.
_WITH_MORE = (partial, type(lru_cache(int)), BuiltinMethodType, MethodType, MethodWrapperType)

#: The flag of classes that a program made, and not C.
_WRITTEN_IN_PYTHON = 1 << 9

#: Types whose objects make what they hold by calls yet to come.
_YET_TO_COME = (AsyncGeneratorType, CoroutineType, GeneratorType, map, starmap, accumulate, type(iter(int, 1)))


def attributes(thing: object) -> Iterator[Named]:
    """The attributes of an object, those in slots included, except those whose names begin with an underscore."""
    own: dict[str, object] = getattr(thing, "__dict__", {})
    yield from ((name, attribute) for name, attribute in own.items() if not name.startswith("_"))
    for kind in type(thing).__mro__[:-1]:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if not name.startswith("_") and hasattr(thing, name):
                yield name, getattr(thing, name)


def class_attributes(kind: type) -> Iterator[Named]:
    """The attributes of a class itself that may hold something, except those whose names begin with an underscore."""
    if kind.__flags__ & _WRITTEN_IN_PYTHON:
        for name, attribute in vars(kind).items():
            if not name.startswith("_") and not hasattr(type(attribute), "__get__"):  # no method, property or slot
                yield name, attribute


def values_out_of_sight(
    things: Iterable[tuple[str, object, object]], parts: Callable[[object], Iterable[Named] | None], seen: set[int]
) -> Iterator[tuple[str, object, Value | None]]:
    """Find the leaf Values in objects that are not searched for parameters.

    Args:
        things: where to begin: a path, an object, and the object that hides it, or None.
        parts: returns the parts of an object that is searched, with their names; None for any other object.
        seen: ids of objects that need not be looked at.

    Returns:
        an iterator over the path to an object that is not searched, that object, and the Value that it holds. For a
        generator, a ``map`` and their like, whose contents cannot be known, None stands in place of the Value.
    """
    to_visit = list(things)[::-1]
    while to_visit:
        path, thing, hidden_by = to_visit.pop()
        if type(thing) in _PLAIN or id(thing) in seen:
            continue
        seen.add(id(thing))
        if is_a(thing, Value):
            if hidden_by is not None and not thing.parents:
                yield path, hidden_by, thing
            continue
        if isinstance(thing, (list, tuple, set, frozenset, deque)) and _PLAIN.issuperset(map(type, thing)):
            continue
        named = parts(thing)
        if named is None:
            hidden_by = thing if hidden_by is None else hidden_by
            if isinstance(thing, _YET_TO_COME):
                yield path, hidden_by, None
            named = [("", part) for part in _contents(thing)]
        to_visit += [
            (f"{path}.{name}" if hidden_by is None else path, part, hidden_by) for name, part in list(named)[::-1]
        ]


def _contents(thing: object) -> list[object]:
    """The objects that an object of any type holds."""
    if isinstance(thing, ModuleType):
        return []
    if issubclass(type(thing), ReferenceType):
        return [thing()]  # type: ignore[operator]
    if type(thing) in ProxyTypes:  # its methods are those of what it points to
        return [getattr(thing, "__init__").__self__]  # noqa: B009
    if isinstance(thing, type):
        return [attribute for kind in thing.__mro__ for _, attribute in class_attributes(kind)]
    if isinstance(thing, FunctionType):  # not its globals, which are the whole program
        cells = [_content(cell) for cell in thing.__closure__ or ()]
        return [*cells, *(thing.__defaults__ or ()), *(thing.__kwdefaults__ or {}).values(), *vars(thing).values()]
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None and isinstance(thing, numpy.ndarray):
        array: Any = thing
        return [array.tolist()] if array.dtype.hasobject else []
    held = [attribute for _, attribute in attributes(thing)] + [getattr(thing, "__wrapped__", None), type(thing)]
    has_attributes = hasattr(thing, "__dict__") or any("__slots__" in vars(kind) for kind in type(thing).__mro__)
    if isinstance(thing, _WITH_MORE) or not has_attributes:
        held += gc.get_referents(thing)  # Python's garbage collector knows better than we do
    return held


def _content(cell: CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # of a variable that has no value yet
        return None
