"""`Module`: an object that owns parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias, TypeGuard

from ..engine.arithmetic import number as to_number
from ..engine.value import Value
from ..errors import ArgumentError, ShapeError

Tree: TypeAlias = "Value | Sequence[Tree]"


class Module:
    """Base class of cells, layers and models, with PyTorch's methods.

    Parameters are the leaf Values among the attributes, also in lists (of lists), and those of attributes that are
    modules themselves. Attributes whose names begin with an underscore are left out.
    """

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Value]]:
        """Every parameter once, with its name, such as ``W[0,1]`` or ``cell.b[2]``, in order of assignment."""
        seen = set()
        for path, tree in self._trees(prefix):
            for index, value in _leaves(tree):
                if value not in seen:
                    seen.add(value)
                    yield f"{path}[{','.join(map(str, index))}]" if index else path, value

    def modules(self) -> list[Module]:
        """This module and all modules that it is made of, each once, in order of assignment."""
        return list(dict.fromkeys(_modules_in(self)))

    def parameters(self) -> list[Value]:
        """Every parameter once."""
        return [parameter for _, parameter in self.named_parameters()]

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to 0."""
        for parameter in self.parameters():
            parameter.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """The numbers of every parameter: a float, or lists of floats, by attribute path."""
        return {path: _numbers(tree) for path, tree in self._trees()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Load numbers as `state_dict` returns them. Nothing changes if anything does not fit.

        Raises:
            ArgumentError: names are missing or unknown.
            ShapeError: a size differs.
            OperandError: an entry is not a number.
        """
        own = dict(self._trees())
        missing, unknown = own.keys() - state_dict.keys(), state_dict.keys() - own.keys()
        if missing or unknown:
            parts = [("missing", missing), ("unknown", unknown)]
            raise ArgumentError(
                "the state does not fit the model: "
                + "; ".join(f"{what} {', '.join(sorted(names))}" for what, names in parts if names),
                remedy=f"This model has {', '.join(own)}",
            )
        news = [
            (parameter, to_number(number))
            for path, tree in own.items()
            for parameter, number in pairs(f"parameter {path}", tree, "the state's", state_dict[path])
        ]
        for parameter, number in news:
            parameter.data = number

    def _trees(self, prefix: str = "") -> Iterator[tuple[str, Tree]]:
        """Attributes that hold parameters, with their paths."""
        for name, attribute in vars(self).items():
            if not name.startswith("_"):
                yield from _trees_below(f"{prefix}.{name}" if prefix else name, attribute)


def _modules_in(attribute: object) -> Iterator[Module]:
    if isinstance(attribute, Module):
        yield attribute
        attribute = [part for name, part in vars(attribute).items() if not name.startswith("_")]
    if isinstance(attribute, (list, tuple)):
        for entry in attribute:
            yield from _modules_in(entry)


def _trees_below(path: str, attribute: Any) -> Iterator[tuple[str, Tree]]:
    if isinstance(attribute, Module):
        yield from attribute._trees(path)
    elif isinstance(attribute, (list, tuple)) and any(isinstance(entry, Module) for entry in attribute):
        for i, entry in enumerate(attribute):
            yield from _trees_below(f"{path}.{i}", entry)
    elif next(_leaves(attribute), None):
        yield path, attribute


def _leaves(tree: Tree, index: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Value]]:
    if isinstance(tree, Value) and not tree.parents:
        yield index, tree
    elif isinstance(tree, (list, tuple)):
        for i, entry in enumerate(tree):
            yield from _leaves(entry, (*index, i))


def _numbers(tree: Tree) -> Any:
    return tree.data if isinstance(tree, Value) else [_numbers(entry) for entry in tree]


def pairs(what: str, tree: Tree, other_name: str, other: Any) -> Iterator[tuple[Any, Any]]:
    """The leaves of two trees side by side.

    Raises:
        ShapeError: their shapes differ, at the top or anywhere below.
    """
    if shape(tree) != shape(other):
        raise ShapeError(f"{what} has shape {shape(tree)}, {other_name} has shape {shape(other)}")
    if is_vector(tree):
        for i, (entry, other_entry) in enumerate(zip(tree, other)):
            yield from pairs(f"{what}[{i}]", entry, f"{other_name}[{i}]", other_entry)
    else:
        yield tree, other


def is_vector(tree: object) -> TypeGuard[Sequence[Any]]:
    """Whether this is a list, some other sequence or an array, and not a single Value or number."""
    return (isinstance(tree, Sequence) and not isinstance(tree, str)) or getattr(tree, "ndim", 0) > 0


def shape(tree: object) -> tuple[int, ...]:
    """The shape of nested lists or of an array, read off the first entries: ``()`` for a number or Value."""
    sizes = []
    while is_vector(tree):
        sizes.append(len(tree))
        if not sizes[-1]:
            break
        tree = tree[0]
    return tuple(sizes)
