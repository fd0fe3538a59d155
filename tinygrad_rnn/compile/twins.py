"""Twins: copies of what a user wrote (cells, read-outs, losses), which tracing may change as it likes.

A twin is made of everything from which a Value can be reached; the rest is shared with the original. Unlike
`copy.deepcopy`, this copies functions, too: with twins of what is held by their closures, their defaults and the global
variables that they name. `pickle` takes everything apart and puts it together again, but not what is shared.

Classes and Python modules are never copied. A Value that only one of them holds (``Model.scale``) has no twin.
"""

from __future__ import annotations

import copy
import dis
import gc
import pickle
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from io import BytesIO
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, TypeVar

from ..engine.value import Value
from ..errors import CompileError

T = TypeVar("T")

_PACKAGE = __name__.partition(".")[0]


def twin(original: T) -> tuple[T, dict[Value, Value]]:
    """A copy, and for the twin of each Value in it that Value. The twin of a Value is always a leaf.

    Raises:
        CompileError: something that holds Values cannot be copied.
    """
    file = BytesIO()
    pickler = _Pickler(file, original)
    try:
        pickler.dump(original)
        copied: T = _Unpickler(BytesIO(file.getbuffer()), pickler.whole).load()
    except MemoryError:
        raise
    except Exception as error:
        raise CompileError(
            f"tracing needs a copy of everything that holds Values, but: {error}",
            remedy="Keep it apart from the cell, the read-out and the loss, or give its class a method __deepcopy__",
        ) from error
    return copied, pickler.originals()


# ---- where Values are -------------------------------------------------------------------------------------------

#: Where the search for Values ends.
_CLOSED = (type, ModuleType, CodeType, str, bytes, int, float, complex, type(None))


def _search(root: object) -> tuple[dict[int, object], set[int]]:
    """Everything that can be reached from an object, by its id, and the ids of what leads to a Value."""
    seen, users, to_visit = {id(root): root}, defaultdict[int, list[int]](list), [root]
    leading = [id(root)] if isinstance(root, Value) else []
    while to_visit:
        thing = to_visit.pop()
        for part in _parts(thing):
            if isinstance(part, Value):
                leading.append(id(thing))
            elif not isinstance(part, _CLOSED):
                users[id(part)].append(id(thing))
                if id(part) not in seen:
                    seen[id(part)] = part
                    to_visit.append(part)
    found: set[int] = set()
    while leading:
        each = leading.pop()
        if each not in found:
            found.add(each)
            leading += users[each]
    return seen, found


def _parts(thing: Any) -> Iterable[Any]:
    """What an object refers to; a function only to those global variables that it names."""
    if isinstance(thing, FunctionType):
        held = [each for cell in thing.__closure__ or () for each in _contents(cell)]
        return [*held, thing.__defaults__, thing.__kwdefaults__, vars(thing), *_named(thing).values()]
    if hasattr(type(thing), "dtype") and str(thing.dtype) == "object":  # NumPy does not tell the garbage collector
        return [thing.tolist()]
    return gc.get_referents(thing)


def _contents(cell: CellType) -> Iterator[Any]:
    """What a cell of a closure holds; an empty one holds nothing."""
    with suppress(ValueError):
        yield cell.cell_contents


def _named(function: FunctionType) -> dict[str, Any]:
    """The global variables that a function names; none of a function of this package, where none is a Value."""
    names, variables = _global_names(function.__code__), function.__globals__
    if str(variables.get("__name__")).partition(".")[0] == _PACKAGE:
        return {}
    return {name: variables[name] for name in names if name in variables}


@lru_cache(maxsize=1024)
def _global_names(code: CodeType) -> frozenset[str]:
    """The global variables that code names, and that functions within it name."""
    own = {each.argval for each in dis.get_instructions(code) if each.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return frozenset(own).union(*[_global_names(part) for part in code.co_consts if isinstance(part, CodeType)])


# ---- taking apart and putting together --------------------------------------------------------------------------


class _Pickler(pickle.Pickler):
    """Takes objects apart.

    Attributes:
        whole: what is not taken apart: what is shared, and what is a twin already.
    """

    def __init__(self, file: BytesIO, root: object) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self.whole: list[Any] = []
        self._seen, self._holders = _search(root)
        self._twins: dict[int, Any] = {}  # by the id of the original; the memo of `copy.deepcopy`
        self._new: dict[int, Any] = {}  # closures' cells and global variables, by the id of the original
        self._new_ids: set[int] = set()

    def originals(self) -> dict[Value, Value]:
        """For each twin of a Value, that Value."""
        copied = self._twins.get(id(self._twins), [])  # there `copy.deepcopy` lists what it has copied
        return {self._twins[id(value)]: value for value in copied if isinstance(value, Value)}

    def persistent_id(self, thing: Any) -> int | None:
        """Where in ``whole`` an object is; None if it is to be taken apart."""
        if isinstance(thing, Value):
            thing = self._leaf(thing)
        elif id(thing) in self._holders:
            if not hasattr(type(thing), "__deepcopy__"):
                return None
            thing = copy.deepcopy(thing, self._twins)
        elif not (
            id(thing) in self._seen
            or id(thing) in self._new_ids
            or isinstance(thing, (type, ModuleType, CodeType, FunctionType))
        ):
            return None
        self.whole.append(thing)
        return len(self.whole) - 1

    def reducer_override(self, thing: Any) -> Any:
        """How to make a method or a function anew; other objects know it themselves."""
        if isinstance(thing, MethodType):
            return MethodType, (thing.__func__, thing.__self__)
        if not isinstance(thing, FunctionType):
            return NotImplemented
        closure, named = thing.__closure__ or (), _named(thing)
        leading = {name: each for name, each in named.items() if isinstance(each, Value) or id(each) in self._holders}
        variables = self._anew(thing.__globals__, thing.__globals__.copy)
        cells = tuple([self._anew(cell, CellType) for cell in closure])
        contents = [list(_contents(cell)) for cell in closure]
        state = leading, contents, thing.__defaults__, thing.__kwdefaults__, vars(thing), thing.__qualname__
        return FunctionType, (thing.__code__, variables, thing.__name__, None, cells), state, None, None, _complete

    def _leaf(self, value: Value) -> Value:
        """The twin of a Value."""
        if id(value) not in self._twins:
            self._twins[id(value)] = value.detach()
            self._twins.setdefault(id(self._twins), []).append(value)
        return self._twins[id(value)]  # type: ignore[no-any-return]

    def _anew(self, original: object, make: Callable[[], object]) -> object:
        """The cell, or the global variables, of copied functions in place of this one."""
        if id(original) not in self._new:
            self._new[id(original)] = made = make()
            self._new_ids.add(id(made))
        return self._new[id(original)]


def _complete(function: FunctionType, state: tuple[Any, ...]) -> None:
    """Give a copied function what may lead back to itself, and so must wait until the function is there."""
    leading, contents, function.__defaults__, function.__kwdefaults__, attributes, function.__qualname__ = state
    function.__globals__.update(leading)
    for cell, content in zip(function.__closure__ or (), contents):
        for each in content:
            cell.cell_contents = each
    vars(function).update(attributes)


class _Unpickler(pickle.Unpickler):
    """Puts objects together again."""

    def __init__(self, file: BytesIO, whole: list[Any]) -> None:
        super().__init__(file)
        self._whole = whole

    def persistent_load(self, place: int) -> Any:
        """What was not taken apart."""
        return self._whole[place]
