"""The names that a person may type for nodes: labels, variables, formulas, and patterns of these."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cached_property

from ..engine import notation
from ..engine.value import Value
from ..errors import ArgumentError
from ..support.text import count

_MOST_NAMES = 8  # listed in an error


class Names:
    """The nodes of a graph by name.

    Attributes:
        order: all nodes, in the order of the walk.
        variables: the variables of the program that is debugged. Those that hold a node of the graph name it.
    """

    def __init__(self, order: list[Value], variables: Mapping[str, object] | None = None) -> None:
        self.order = order
        self.variables = dict(variables or {})
        self._nodes: dict[str, list[Value]] = {}
        for node in reversed(order):
            if node.label:
                self._nodes.setdefault(node.label, []).append(node)
        labelled, inside = set(self._nodes), set(order)
        for name, node in nodes_among(self.variables):
            if name not in labelled and node in inside:
                self._nodes[name] = [node]
        self._named = frozenset(node for nodes in self._nodes.values() for node in nodes)

    def __iter__(self) -> Iterator[str]:
        return iter(self._nodes)

    def __contains__(self, name: str) -> bool:
        """Whether this is a label or a variable."""
        return name in self._nodes

    def is_named(self, node: Value) -> bool:
        """Whether a node has a label, or a variable that holds it."""
        return node in self._named

    def get(self, text: str) -> Value | None:
        """The node with this label, variable or formula; None if there is none, or more than one."""
        found = self._nodes.get(text) or [node for node in self._by_formula(text) if node.parents]
        return found[0] if len(found) == 1 else None

    def node(self, text: str, besides: Iterable[str] = ()) -> Value:
        """The node with this name.

        Args:
            besides: other names that would have been valid in its place, for the error.

        Raises:
            ArgumentError: there is none, or more than one.
        """
        found = self._nodes.get(text) or self._by_formula(text)
        if len(found) == 1:
            return found[0]
        if found:
            raise ArgumentError(f"{len(found)} nodes are called {text!r}", remedy="Give them different labels")
        if entries := self._entries(text):
            raise ArgumentError(
                f"{text!r} has {count(len(entries), 'entry', 'entries')}", remedy=f"Write {entries[0].label}, say"
            )
        raise ArgumentError(f"no node is called {text!r}", remedy=self._hint(text, besides))

    def find(self, text: str) -> list[Value]:
        """The nodes with this name, in order of creation: the entries of a vector or matrix such as ``W``, all that
        match a pattern such as ``h_*``, or those with one of several names such as ``h_1 h_2``. A name may be quoted.

        Raises:
            ArgumentError: there are none.
        """
        found = self._one(text) or self._one(_unquoted(text))
        if not found:
            words = text.split()
            if len(words) < 2:
                raise ArgumentError(f"no node is called {text!r}", remedy=self._hint(text))
            found = [node for word in words for node in self.find(word)]
        return list(dict.fromkeys(found))

    def matching(self, pattern: str) -> list[Value]:
        """The nodes that match a pattern such as ``h_*``, in order of creation; none for any other text."""
        return list(dict.fromkeys(self._one(pattern))) if set("*?") & set(pattern) else []

    def has_entries(self, name: str) -> bool:
        """Whether this is the name of a vector or matrix."""
        return bool(self._entries(name))

    def _one(self, text: str) -> list[Value]:
        if found := self._nodes.get(text) or self._entries(text) or self._by_formula(text):
            return found
        if not set("*?") & set(text):
            return []
        pattern = plain(text).replace("[", "[[]")  # W[0,* means what it looks like
        found = [node for name, nodes in self._nodes.items() if _matches(name, pattern) for node in nodes]
        return found or [node for name, nodes in self._formulas.items() if fnmatchcase(name, pattern) for node in nodes]

    def _entries(self, name: str) -> list[Value]:
        return [node for label, nodes in self._nodes.items() if label.startswith(f"{name}[") for node in nodes]

    def _by_formula(self, text: str) -> list[Value]:
        if text.isascii() and text.isidentifier():
            return []  # no formula looks like this, and writing all of them takes a while in a large graph
        text = plain(text)
        return self._formulas.get(text) or self._formulas.get(f"({text})") or []

    @cached_property
    def _formulas(self) -> dict[str, list[Value]]:
        """The nodes without a label, by each of the formulas by which they are printed."""
        found: dict[str, list[Value]] = {}
        for node in reversed(self.order):
            if not node.label:
                printed = {plain(notation.name(node)), plain(notation.gradient(node).removesuffix(".grad"))}
                for name in sorted(printed):
                    found.setdefault(name, []).append(node)
        return found

    def _hint(self, text: str, besides: Iterable[str] = ()) -> str:
        nodes = list(dict.fromkeys([*self._nodes, *(name.partition("[")[0] for name in self._nodes)]))
        known = [*besides, *nodes]
        if close := get_close_matches(text, known, n=3, cutoff=0.5):
            return f"Did you mean {' or '.join(close)}?"
        if not known:
            return "Nothing in this graph has a label"
        return f"There is {', '.join([*besides, *nodes[:_MOST_NAMES]])}{', …' if len(nodes) > _MOST_NAMES else ''}"


def _matches(label: str, pattern: str) -> bool:
    """Whether a label, or the name of the vector or matrix that it is an entry of, matches: ``W_i[0,1]`` or ``W_i``."""
    return fnmatchcase(label, pattern) or fnmatchcase(label.partition("[")[0], pattern)


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def plain(text: str) -> str:
    """A formula with the minus sign of a keyboard, and single spaces."""
    return " ".join(text.replace("−", "-").split())


def nodes_among(variables: Mapping[str, object]) -> Iterator[tuple[str, Value]]:
    """The nodes that variables hold, by name: ``w``; in a list, ``w[0]``; in a list of lists, ``w[0,1]``."""
    for name, value in variables.items():
        if not name.startswith("_"):
            yield from _nodes_in(name, (), value)


def _nodes_in(name: str, index: tuple[int, ...], value: object) -> Iterator[tuple[str, Value]]:
    if isinstance(value, Value):
        yield (f"{name}[{','.join(map(str, index))}]" if index else name), value
    elif isinstance(value, (list, tuple)) and len(index) < 2:
        for place, entry in enumerate(value):
            yield from _nodes_in(name, (*index, place), entry)
