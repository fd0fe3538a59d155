"""A debugger for the backward pass."""

from __future__ import annotations

from ..bptt import Unrolled
from ..engine.value import Value
from .breakpoints import Breakpoint
from .picture import draw_flow
from .session import ChainRow, Debugger
from .terminal import Terminal

__all__ = ["Breakpoint", "ChainRow", "Debugger", "Terminal", "debug", "draw_flow"]


def debug(loss: Value, unrolled: Unrolled | None = None, undo: bool = True) -> Debugger:
    """Step through the backward pass of a loss, by commands at a prompt (``help`` lists them).

    The pass is this one: there is no need to call ``loss.backward()`` as well. In a notebook, `Debugger` does
    the same as a plain object.

    Args:
        loss: where the pass starts.
        unrolled: what the loss was computed from, for the commands ``chain`` and ``graph``.
        undo: keep every step, for the commands ``back``, ``why``, ``w``, ``u`` and ``d``; without it memory does
            not grow from step to step.

    Returns:
        the debugger as it was left, with which one can go on: ``debugger.steps.finish()``, or ``reset()``.
    """
    debugger = Debugger(loss, unrolled, undo)
    Terminal(debugger).run()
    return debugger
