"""What names in an expression stand for: the parts of a step, and the nodes of the graph by label."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ..engine.steps import Step
from ..engine.value import Value
from ..errors import ArgumentError

STEP_NAMES: Mapping[str, Callable[[Step], Any]] = {
    "node": lambda step: step.node,
    "parent": lambda step: step.parent,
    "op": lambda step: step.op,
    "t": lambda step: step.time_step,
    "grad": lambda step: step.gradient,
    "local_gradient": lambda step: step.local_gradient,
    "contribution": lambda step: step.contribution,
    "before": lambda step: step.gradient_before,
    "after": lambda step: step.gradient_after,
}


class Labels:
    """The nodes of a graph by label.

    Attributes:
        order: all nodes, in the order of the walk.
    """

    def __init__(self, order: list[Value]) -> None:
        self.order = order
        self._nodes: dict[str, list[Value]] = {}
        for node in reversed(order):
            if node.label:
                self._nodes.setdefault(node.label, []).append(node)

    def __iter__(self) -> Any:
        return iter(self._nodes)

    def node(self, label: str) -> Value:
        """The node with this label.

        Raises:
            ArgumentError: there is none, or more than one.
        """
        nodes = self._nodes.get(label, [])
        if len(nodes) == 1:
            return nodes[0]
        if nodes:
            raise ArgumentError(f"{len(nodes)} nodes are called {label!r}", remedy="Give them different labels")
        if entries := self._entries(label):
            raise ArgumentError(f"{label!r} has {len(entries)} entries", remedy=f"Write {entries[0].label}, say")
        raise ArgumentError(f"no node is called {label!r}", remedy=self._hint(label))

    def entries(self, label: str) -> list[Value]:
        """The nodes with this label, or the entries of the vector or matrix of this name.

        Raises:
            ArgumentError: there are none.
        """
        found = self._nodes.get(label) or self._entries(label)
        if not found:
            raise ArgumentError(f"no node is called {label!r}", remedy=self._hint(label))
        return found

    def _entries(self, name: str) -> list[Value]:
        return [node for label, nodes in self._nodes.items() if label.startswith(f"{name}[") for node in nodes]

    def _hint(self, label: str) -> str:
        known = list(dict.fromkeys([*self._nodes, *(name.partition("[")[0] for name in self._nodes)]))
        close = get_close_matches(label, known, n=3, cutoff=0.5) or known[:8]
        return f"There is {', '.join(close)}" if close else "Nothing in this graph has a label"


@dataclass(frozen=True)
class NamesAt:
    """The names in an expression, at a step."""

    step: Step | None
    labels: Labels

    def named(self, name: str) -> Any:
        """A part of the step, or else the node with this label.

        Raises:
            ArgumentError: nothing has this name, or there is no step yet.
        """
        if name not in STEP_NAMES:
            return self.labels.node(name)
        if self.step is None:
            raise ArgumentError(f"there is no {name!r} before the first step", remedy="Take one: s")
        return STEP_NAMES[name](self.step)

    def labelled(self, label: str) -> Value:
        """The node with this label. Raises as `Labels.node` does."""
        return self.labels.node(label)
