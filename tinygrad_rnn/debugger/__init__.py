"""A debugger for the backward pass.

    from tinygrad_rnn import debug

    debug(loss)  # or, for the problem of the main command, at a shell: tinygrad-rnn step

To read it, follow a pass from its steps to the prompt:

1. `rewind`: a backward pass that can be undone, step by step, and looked at one step ahead.
2. `reach`: how far a pass has come.
3. `names`: what a person may type for a node: its label, a variable, the formula that is printed, a pattern.
4. `expressions`: what a person may evaluate at a step: Python, with the names of the step and of the nodes in view.
5. `breakpoints`: at which steps to stop.
6. `session`: `Debugger`, which puts these together: a plain object, for notebooks and scripts.
7. `picture`: the graph of an incomplete pass.
8. `commands`: the commands by name, and what is typed; `wording`: what is printed.
9. `terminal`: `Terminal`, the commands in front of a `Debugger`, with pdb's names.

One rule holds everywhere: the step in view is the *next* one, like the line that pdb shows. Its `gradient`,
`local_gradient` and `contribution` are already computed, but nothing has been added yet: ``parent.grad`` still has its
old value. At the end of the pass no step is in view.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..bptt import Unrolled
from ..engine.backward import topological_order
from ..engine.value import Value
from ..support.progress import late_clock
from .breakpoints import Breakpoint
from .names import nodes_among
from .session import ChainRow, Debugger
from .terminal import Terminal

if TYPE_CHECKING:
    from .picture import draw_flow

__all__ = ["Breakpoint", "ChainRow", "Debugger", "Terminal", "debug", "draw_flow"]


def __getattr__(name: str) -> Any:
    if name != "draw_flow":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .picture import draw_flow  # as slow to import as all else together

    return draw_flow


def debug(loss: Value, unrolled: Unrolled | None = None, undo: bool = True, constants: bool = False) -> Debugger:
    """Step through the backward pass of a loss, by commands at a prompt (``help`` lists them).

    This runs the pass itself: do not call ``loss.backward()`` as well. In a notebook, `Debugger` does the same as a
    plain object.

    While it runs, nodes without a label are labelled after the caller's variables that hold them, directly or in a
    list: after ``z = w*h + 1; debug(loss)``, ``p z`` and ``b z`` mean this node. Local variables go before global ones.
    Expressions can use all of them.

    Args:
        loss: where the pass starts.
        unrolled: what the loss was computed from, for the commands ``chain`` and ``graph``.
        undo: keep every step, for the commands ``back``, ``rc``, ``why``, ``w``, ``u`` and ``d``. Without it memory
            does not grow from step to step.
        constants: show the steps to constants as well: to leaves without a label that no variable holds.

    Returns:
        the debugger in the state in which it was left. To go on, call ``debugger.finish()`` or ``reset()``.
    """
    caller = sys._getframe(1)
    variables = {**caller.f_locals, **caller.f_globals, **caller.f_locals}  # the local ones come first, and count
    with _labelled(loss, variables):
        with late_clock("graph"):
            debugger = Debugger(loss, unrolled, undo, constants, variables)
        Terminal(debugger).run()
    return debugger


@contextmanager
def _labelled(loss: Value, variables: Mapping[str, object]) -> Iterator[None]:
    """A context manager that labels the unlabelled nodes of a graph after the variables that hold them."""
    order = topological_order(loss)
    unlabelled, labels = {node for node in order if not node.label}, {node.label for node in order}
    named: dict[Value, str] = {}
    for name, node in nodes_among(variables):
        if node in unlabelled and node not in named and name not in labels:
            named[node] = name
    for node, name in named.items():
        node.label = name
    try:
        yield
    finally:
        for node in named:
            node.label = ""
