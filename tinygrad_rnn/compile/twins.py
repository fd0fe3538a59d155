"""Twins: copies of what a user wrote (cells, read-outs, losses), which tracing may change as it likes.

Every object from which a Value can be reached is copied; the rest is shared with the original. Unlike `copy.deepcopy`,
this also copies functions, with twins of what their closures, their defaults and the global variables that they name
hold.

Classes and Python modules are never copied. A Value that only one of these holds (``Model.scale``) has no twin.
"""

from __future__ import annotations

import copy
import copyreg
import dis
import gc
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NoReturn, TypeVar

from ..engine.value import Value
from ..errors import CompileError

T = TypeVar("T")

_PACKAGE = __name__.partition(".")[0]


class Compiled:
    """Base of compiled programs. They belong to their process, and to the Values of which they were made.

    A twin shares them.
    """

    def __reduce__(self) -> NoReturn:
        raise CompileError(
            f"a compiled {type(self).__name__} cannot be copied or pickled",
            remedy="Copy or send what it was made of, and compile that",
        )


def twin(original: T) -> tuple[T, dict[Value, Value]]:
    """A copy, and for the twin of each Value in it that Value. The twin of a Value is always a leaf.

    Raises:
        CompileError: something that holds Values cannot be copied.
    """
    copier = _Copier(original)
    try:
        copied: T = copier.copy(original)
    except MemoryError:
        raise
    except Exception as error:
        raise CompileError(
            f"tracing needs a copy of everything that holds Values, but: {error}",
            remedy="Keep it apart from the cell, the read-out and the loss, or give its class a method __deepcopy__",
        ) from error
    return copied, copier.originals()


# ---- where Values are -------------------------------------------------------------------------------------------

#: Where the search for Values ends.
_CLOSED = (Compiled, type, ModuleType, CodeType, str, bytes, int, float, complex, type(None))


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


def _parts(thing: Any) -> Iterable[object]:
    """The objects that an object refers to; a function only to those global variables that it names."""
    if isinstance(thing, FunctionType):
        held = [each for cell in thing.__closure__ or () for each in _contents(cell)]
        return [*held, thing.__defaults__, thing.__kwdefaults__, vars(thing), *_named(thing).values()]
    if hasattr(type(thing), "dtype") and str(thing.dtype) == "object":  # hidden from the garbage collector
        return [thing.tolist()]
    return gc.get_referents(thing)


def _contents(cell: CellType) -> Iterator[object]:
    """The contents of a cell of a closure, which may be empty."""
    with suppress(ValueError):
        yield cell.cell_contents


def _named(function: FunctionType) -> dict[str, object]:
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


# ---- copying ----------------------------------------------------------------------------------------------------


class _Copier:
    """Copies what holds Values.

    Args:
        root: the object from which everything to copy can be reached.
    """

    def __init__(self, root: object) -> None:
        self._seen, self._holders = _search(root)
        self._copies: dict[int, Any] = {}  # by the id of the original: the memo of `copy.deepcopy`

    def originals(self) -> dict[Value, Value]:
        """For each twin of a Value, that Value."""
        copied = self._copies.get(id(self._copies), [])
        return {self._copies[id(value)]: value for value in copied if isinstance(value, Value)}

    def copy(self, thing: object) -> Any:
        """The copy of an object; the object itself if no Value can be reached from it."""
        if id(thing) in self._copies:
            return self._copies[id(thing)]
        if isinstance(thing, Value):
            return self._keep(thing, thing.detach())
        if isinstance(thing, _CLOSED) or (id(thing) in self._seen and id(thing) not in self._holders):
            return thing
        if hasattr(type(thing), "__deepcopy__"):
            return copy.deepcopy(thing, self._copies)
        copiers: dict[type, Callable[[Any], Any]] = {
            list: self._list,
            dict: self._dict,
            tuple: self._tuple,
            FunctionType: self._function,
            MethodType: self._method,
        }
        return copiers.get(type(thing), self._object)(thing)

    def _keep(self, thing: object, copied: T) -> T:
        """Note a copy, and keep the original alive, so that its id stays its own: as `copy.deepcopy` does."""
        self._copies[id(thing)] = copied
        self._copies.setdefault(id(self._copies), []).append(thing)
        return copied

    def _list(self, entries: list[object]) -> list[object]:
        copied: list[object] = self._keep(entries, [])
        copied += [self.copy(entry) for entry in entries]
        return copied

    def _dict(self, entries: dict[object, object]) -> dict[object, object]:
        copied: dict[object, object] = self._keep(entries, {})
        copied |= {self.copy(key): self.copy(entry) for key, entry in entries.items()}
        return copied

    def _tuple(self, entries: tuple[object, ...]) -> tuple[object, ...]:
        copied = tuple([self.copy(entry) for entry in entries])
        return self._copies.get(id(entries)) or self._keep(entries, copied)  # an entry may hold the tuple

    def _method(self, method: MethodType) -> MethodType:
        return MethodType(self.copy(method.__func__), self.copy(method.__self__))

    def _function(self, function: FunctionType) -> FunctionType:
        cells = function.__closure__ or ()
        variables = self._shared(function.__globals__, function.__globals__.copy)
        closure = tuple([self._shared(cell, CellType) for cell in cells])
        copied = self._keep(function, FunctionType(function.__code__, variables, function.__name__, None, closure))
        # The function is there, so what it holds may lead back to it.
        copied.__qualname__ = function.__qualname__
        copied.__defaults__ = self.copy(function.__defaults__)
        copied.__kwdefaults__ = self.copy(function.__kwdefaults__)
        vars(copied).update(self.copy(vars(function)))
        variables |= {name: self.copy(each) for name, each in _named(function).items()}
        for cell, new in zip(cells, closure):
            for content in _contents(cell):
                new.cell_contents = self.copy(content)
        return copied

    def _shared(self, part: object, make: Callable[[], object]) -> Any:
        """The one copy of a closure's cell, or of global variables, for all functions that share the original."""
        return self._copies[id(part)] if id(part) in self._copies else self._keep(part, make())

    def _object(self, thing: Any) -> Any:
        """A copy of any other object, rebuilt as its own `object.__reduce__` describes."""
        reduce = copyreg.dispatch_table.get(type(thing))
        reduced: Any = reduce(thing) if reduce else thing.__reduce_ex__(4)
        if isinstance(reduced, str):  # the name of a global, of which there is only one
            return thing
        missing: tuple[object, ...] = (None,) * (6 - len(reduced))
        make, arguments, state, entries, items, set_state = reduced + missing
        copied = self._keep(thing, make(*self.copy(arguments)))
        if state is not None:
            _set_state(copied, self.copy(state), set_state)
        for entry in entries or ():
            copied.append(self.copy(entry))
        for key, entry in items or ():
            copied[self.copy(key)] = self.copy(entry)
        return copied


def _set_state(copied: Any, state: Any, set_state: Any) -> None:
    if set_state is not None:
        set_state(copied, state)
    elif hasattr(copied, "__setstate__"):
        copied.__setstate__(state)
    else:
        attributes, slots = state if isinstance(state, tuple) else (state, None)
        if attributes:  # an object that has only slots has no dict
            vars(copied).update(attributes)
        for name, each in (slots or {}).items():
            setattr(copied, name, each)
