"""`Module`: an object that owns parameters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..engine.arithmetic import is_number
from ..engine.arithmetic import number as to_number
from ..engine.node import set_numbers
from ..engine.value import Value
from ..errors import ArgumentError
from ..support.checks import check_set_to_none
from ..support.pytorch import refuses_options
from .out_of_sight import Named, attributes, class_attributes, values_out_of_sight
from .trees import NestedNumbers, Tree, check_replacement, is_a, leaves, numbers, pairs, with_index

_FROM_PYTORCH = "tinygrad_rnn.interop.from_torch_state_dict"
_UNTRAINED = "Give what is not to be trained a name that begins with _"


class Module:
    """Base class of cells, layers and models, with PyTorch's methods.

    Parameters are the leaf Values (computed from no others) among the attributes, also those in lists, tuples, dicts
    and modules, however nested. Attributes whose names begin with an underscore are left out; use one for a Value that
    is not to be trained.

    A parameter ``W[0,1]`` is an entry of the lists in the attribute W. Modules in lists, and whatever is in a dict, go
    by their index or key: ``layers.0.W[0,1]``, ``embedding.a``.
    """

    @refuses_options
    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Value]]:
        """Every parameter once, with its name, such as ``W[0,1]`` or ``cell.b[2]``, in order of assignment.

        Raises:
            ArgumentError: there is a Value where parameters are not looked for (in a set, an array, a function …), what
                may make one (a generator, a ``map`` …), a number among parameters, or two parameters would have the
                same name.
        """
        before = f"{prefix}." if prefix else ""
        named: dict[Value, str] = {}
        for path, tree in self._found().items():
            for index, value in leaves(tree):
                named.setdefault(value, before + _indexed(path, index))
        return iter([(name, value) for value, name in named.items()])

    @refuses_options
    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules that this one is made of, but not those in them, with their paths, in order of assignment."""
        for name, attribute in attributes(self):
            yield from _children_below(name, attribute, (self,))

    @refuses_options
    def modules(self) -> list[Module]:
        """This module and all modules that it is made of, each once, in order of assignment."""
        found: dict[Module, None] = {}
        to_visit: list[Module] = [self]
        while to_visit:
            module = to_visit.pop()
            if module not in found:
                found[module] = None
                to_visit += [child for _, child in module.named_children()][::-1]
        return list(found)

    @refuses_options
    def parameters(self) -> list[Value]:
        """Every parameter once. Raises the errors of `named_parameters`."""
        return [parameter for _, parameter in self.named_parameters()]

    @refuses_options
    def zero_grad(self, set_to_none: bool = False) -> None:
        """Set the gradient of every parameter to 0.

        Args:
            set_to_none: as in PyTorch, except that it cannot be True: a gradient here is always a number.

        Raises:
            ArgumentError: set_to_none is True.
        """
        check_set_to_none(set_to_none)
        for parameter in self.parameters():
            parameter.zero_grad()

    @refuses_options
    def state_dict(self) -> dict[str, NestedNumbers]:
        """The numbers of every parameter: a float, or lists of floats, by attribute path.

        Raises the errors of `named_parameters`.
        """
        return {path: numbers(tree) for path, tree in self._found().items()}

    @refuses_options
    def load_state_dict(self, state_dict: Mapping[str, NestedNumbers]) -> None:
        """Load numbers as `state_dict` returns them: all of them, or none if anything does not fit or Ctrl-C comes.

        Raises:
            ArgumentError: names are missing or unknown, a parameter with two names has two numbers, or this is not a
                state.
            ShapeError: a size differs.
            OperandError: an entry is not a number.
        """
        if not hasattr(state_dict, "keys"):
            what = type(state_dict).__name__
            remedy = "Give its state_dict(), a dict of numbers by name"
            if type(state_dict).__module__.partition(".")[0] == "torch":
                remedy = f"Give its .state_dict() to {_FROM_PYTORCH}"
            raise ArgumentError(f"a {what} is not a state", remedy=remedy)
        own = self._found()
        missing, unknown = own.keys() - state_dict.keys(), state_dict.keys() - own.keys()
        if missing or unknown:
            parts = [("missing", missing), ("unknown", unknown)]
            remedy = f"This model has {', '.join(own)}"
            if any(str(name).rpartition(".")[2].startswith(("weight", "bias")) for name in unknown):
                remedy += f". PyTorch's names are for {_FROM_PYTORCH}"
            raise ArgumentError(
                "the state does not fit the model: "
                + "; ".join(f"{what} {', '.join(sorted(map(str, names)))}" for what, names in parts if names),
                remedy=remedy,
            )
        news: dict[Value, float] = {}
        for path, tree in own.items():
            for parameter, each in pairs(f"parameter {path}", tree, "the state's", state_dict[path]):
                number = to_number(each)
                if repr(news.setdefault(parameter, number)) != repr(number):
                    raise ArgumentError(
                        f"{path} is {number!r} in the state, and under another name of the same parameter "
                        f"{news[parameter]!r}",
                        remedy="Load the state of a model that shares the same parameters",
                    )
        set_numbers(news)

    def __setattr__(self, name: str, attribute: object) -> None:
        if not name.startswith("_"):
            check_replacement(vars(self).get(name), attribute, name)
        super().__setattr__(name, attribute)

    def _found(self) -> dict[str, Tree]:
        """Everything that holds parameters, by path. A Value where parameters are not looked for is an error."""
        found: dict[str, Tree] = {}
        for path, tree in self._trees():
            if path in found:
                raise ArgumentError(f"two parameters would be called {path}", remedy="Rename an attribute or a key")
            found[path] = tree
        known = {value for tree in found.values() for _, value in leaves(tree)}
        inside = [(name, attribute, None) for name, attribute in attributes(self)]
        of_classes = [each for module in self.modules() for each in _class_attributes(module)]
        seen = {id(tree) for tree in found.values()}
        for path, holder, value in values_out_of_sight([*inside, *of_classes], _parts, seen):
            what = "class attribute" if isinstance(holder, type) else type(holder).__name__
            if value is None:
                raise ArgumentError(
                    f"{path} is a {type(holder).__name__}, which may hold parameters and cannot be looked into",
                    remedy=f"Hold a list, and iterate over that. {_UNTRAINED}",
                )
            if value not in known:
                raise ArgumentError(
                    f"{path} is a {what} with a Value in it, {value.name:.40}, which would not be found as a parameter",
                    remedy=f"Hold parameters in attributes, lists, tuples, dicts and Modules. {_UNTRAINED}",
                )
        return found

    def _trees(self, path: str = "", within: tuple[object, ...] = ()) -> Iterator[tuple[str, Tree]]:
        """Attributes, and entries of lists and dicts, that hold parameters, with their paths.

        Args:
            path: the path of this module.
            within: the modules and containers in which it is.
        """
        for name, attribute in attributes(self):
            yield from _trees_below(f"{path}.{name}" if path else name, attribute, (*within, self))


def _parts(thing: object) -> Iterable[Named] | None:
    """The parts of what may hold parameters, with their names; None for anything else."""
    if is_a(thing, Module):
        return attributes(thing)
    if isinstance(thing, (list, tuple)):
        return ((str(i), entry) for i, entry in enumerate(thing))
    if isinstance(thing, Mapping):
        return ((str(key), entry) for key, entry in thing.items())
    return None


def _children_below(path: str, thing: object, within: tuple[object, ...]) -> Iterator[tuple[str, Module]]:
    if is_a(thing, Module):
        yield path, thing
    elif not any(thing is outer for outer in within):
        for name, part in _parts(thing) or ():
            yield from _children_below(f"{path}.{name}", part, (*within, thing))


def _class_attributes(module: Module) -> Iterator[tuple[str, object, object]]:
    """The class attributes of a module that might hold a parameter: the path, the attribute, and the class."""
    for kind in (kind for kind in type(module).__mro__ if kind not in Module.__mro__):
        for name, attribute in class_attributes(kind):
            if name not in vars(module):
                yield f"{kind.__name__}.{name}", attribute, kind


def _trees_below(path: str, thing: object, within: tuple[object, ...]) -> Iterator[tuple[str, Tree]]:
    if is_a(thing, Value):
        if not thing.parents:
            yield path, thing
        return
    if _parts(thing) is None:
        return
    if any(thing is outer for outer in within):
        raise ArgumentError(f"{path} leads back to what it is in", remedy="Give it a name that begins with _")
    if is_a(thing, Module):
        yield from thing._trees(path, within)
    elif isinstance(thing, Mapping):
        if any(any(leaves(entry)) for entry in thing.values()):
            _check_no_numbers(path, [((key, *i), x) for key, tree in thing.items() for i, x in with_index(tree)])
        for key, entry in thing.items():
            yield from _trees_below(f"{path}.{_name_of(path, key)}", entry, (*within, thing))
    elif isinstance(thing, (list, tuple)):
        kinds = _kinds(path, thing, within)
        if any(issubclass(kind, (Module, Mapping)) for kind in kinds):
            for i, entry in enumerate(thing):
                yield from _trees_below(f"{path}.{i}", entry, (*within, thing))
        elif any(issubclass(kind, Value) for kind in kinds):
            yield from _trees_of_values(path, thing)


def _kinds(path: str, entries: list[object] | tuple[object, ...], within: tuple[object, ...]) -> set[type]:
    """The types of what nested lists hold."""
    if any(entries is outer for outer in within):
        raise ArgumentError(f"{path} leads back to what it is in", remedy="Give it a name that begins with _")
    kinds = set(map(type, entries))
    if any(issubclass(kind, (list, tuple)) for kind in kinds):
        for entry in entries:
            if isinstance(entry, (list, tuple)):
                kinds |= _kinds(path, entry, (*within, entries))
    return kinds


def _trees_of_values(path: str, tree: list[Any] | tuple[Any, ...]) -> Iterator[tuple[str, Tree]]:
    """The tree as a whole, if it holds nothing but parameters; else each parameter in it by itself."""
    parameters = list(leaves(tree))
    others = [(index, entry) for index, entry in with_index(tree) if not isinstance(entry, Value) or entry.parents]
    if parameters:
        _check_no_numbers(path, others)
    if not others:
        yield path, tree
    else:
        yield from ((_indexed(path, index), parameter) for index, parameter in parameters)


def _check_no_numbers(path: str, entries: Iterable[tuple[tuple[object, ...], object]]) -> None:
    for index, entry in entries:
        if is_number(entry):
            raise ArgumentError(
                f"{_indexed(path, index)} is the number {entry!s:.40} among parameters, and is not trained",
                remedy=f"Value({entry!s:.40}) is a parameter. {_UNTRAINED}",
            )


def _indexed(path: str, index: tuple[object, ...]) -> str:
    return f"{path}[{','.join(map(str, index))}]" if index else path


def _name_of(path: str, key: object) -> str:
    """The name of an entry of a dict."""
    if isinstance(key, Value) or type(key).__repr__ is object.__repr__:
        raise ArgumentError(
            f"{path} has a key, {key!r:.40}, that makes no name for a parameter", remedy="Use texts or numbers as keys"
        )
    return str(key)
