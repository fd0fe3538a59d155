"""The plan of a run, which function when and where in memory: everything in which time steps differ."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..errors import ArgumentError, CompileError, ShapeError
from ..support.text import count
from .trace import Trace

#: The use of the rows of `STATE_GRADIENT`: of h_0, zeros, and two that are written and read in turn.
OF_H0, ZEROS, IN_TURN = 0, 1, 2
STATE_GRADIENT_ROWS = 4

Functions = tuple[Sequence[int], Sequence[int]]  # numbers of the functions of a forward and of a backward pass


class Plan(NamedTuple):
    """The plan of a run.

    Attributes:
        moves: the entries of `driver.MOVE`, one after the other.
        T: the number of time steps.
        window: time steps after which the gradient is cut, T at most.
        functions: those of each variant, whose numbers are in the moves.
    """

    moves: array[int]
    T: int
    window: int
    functions: Sequence[Functions]


def plan(variants: Sequence[int], functions: Sequence[Functions], window: int, backward: bool) -> Plan:
    """The plan of a run: forward through each window and back again.

    States and saved numbers are kept for one window only, in rows that are used again and again.

    Args:
        variants: the variant of each time step.
        functions: the functions of each variant.
        window: time steps after which the gradient is cut.
        backward: whether there is a backward pass.
    """
    entries = array("q")
    for start in range(0, len(variants), window):
        steps = range(start, min(start + window, len(variants)))
        for direction, order in enumerate((steps, reversed(steps)) if backward else (steps,)):
            for t in order:
                later = ZEROS if t == steps[-1] else IN_TURN + (t + 1) % 2
                earlier = OF_H0 if t == 0 else IN_TURN + t % 2
                state, new_state, saved = t % (window + 1), (t + 1) % (window + 1), t % window
                for number in functions[variants[t]][direction]:
                    entries.extend((number, t, t, state, new_state, saved, start // window, t, earlier, later))
    return Plan(entries, len(variants), window, functions)


class Course(NamedTuple):
    """Everything about a run that its plan depends on.

    Attributes:
        T: the number of time steps.
        window: time steps after which the gradient is cut.
        mask: per time step, whether there is a loss; None unless each run has a mask.
        backward: whether there is a backward pass.
    """

    T: int
    window: int
    mask: tuple[bool, ...] | None
    backward: bool

    @property
    def windows(self) -> int:
        """The number of windows."""
        return -(-self.T // self.window)


#: The most variants of a time step. A shift register of n numbers needs n, each with code of its own.
MOST_VARIANTS = 256

#: At which time steps there can be a loss. With ``"mask"``, each run says at which.
LOSS_AT = ("every", "last", "mask")


class Variants:
    """The variants of a time step, which differ in the nodes that a gradient reaches.

    At the last step no gradient reaches the new state. Before, one reaches the entries that later steps read. Steps
    without a loss are variants of their own. Usually all nodes are reached anyway, and one variant is enough.
    An exception: in ``h_t = [a_t, b_t]`` with ``a_t = b_{t-1}``, nothing reads b of the last step, so it gets no
    gradient; b of any earlier step gets one.

    Args:
        traces: the time step with a loss (True) and without.
        loss_at: at which steps there is a loss: ``"every"``, ``"last"`` or ``"mask"``.

    Attributes:
        all: per variant, whether there is a loss, and the entries of the new state that have a gradient.

    Raises:
        CompileError: there are more than `MOST_VARIANTS`.
    """

    def __init__(self, traces: Mapping[bool, Trace], loss_at: str) -> None:
        self.loss_at = loss_at
        self._before: dict[tuple[bool, frozenset[int]], frozenset[int]] = {}  # live entries of the old state
        open_ends: list[frozenset[int]] = [frozenset()]
        while open_ends:
            live = open_ends.pop()
            for key in [(has_loss, live) for has_loss in self._choices(live)]:
                if key not in self._before:
                    if len(self._before) == MOST_VARIANTS:
                        raise CompileError(
                            f"gradients reach the entries of the state in more than {MOST_VARIANTS} different ways",
                            remedy="Keep a shorter history in the state, or use the eager engine",
                        )
                    self._before[key] = traces[key[0]].live_before(live)
                    open_ends.append(self._before[key])
        merged: dict[tuple[bool, frozenset[object]], tuple[bool, frozenset[int]]] = {}
        homes = {}
        for key in sorted(self._before, key=lambda key: (key[0], len(key[1]), sorted(key[1]))):
            homes[key] = key[0], frozenset(traces[key[0]].reached(key[1]))
            merged[homes[key]] = key  # of those that reach the same nodes, the one with most live entries
        self.all = list(merged.values())
        self._number = {key: list(merged).index(home) for key, home in homes.items()}

    def _choices(self, live: frozenset[int]) -> tuple[bool, ...]:
        """Whether a time step with these live entries of the new state may have a loss, or none."""
        if self.loss_at == "every":
            return (True,)
        return (False,) if self.loss_at == "last" and live else (True, False)

    def of(self, course: Course) -> list[int]:
        """The variant of each time step, found from the end of each window backwards."""
        T, has_loss = course.T, self.has_loss(course.T, course.mask)
        variants, live = [0] * T, frozenset[int]()
        for t in range(T - 1, -1, -1):
            if (t + 1) % course.window == 0 or t == T - 1:
                live = frozenset()
            key = has_loss[t], live
            variants[t], live = self._number[key], self._before[key]
        return variants

    def check_mask(self, T: int, mask: Sequence[object] | None) -> tuple[bool, ...] | None:
        """The mask of a run as truth values.

        Raises:
            ArgumentError, ShapeError: it does not fit.
        """
        if not (mask is None or hasattr(mask, "__len__")):
            raise ArgumentError(f"mask is {mask!r}", remedy="Give a truth value per time step")
        if (mask is not None) != (self.loss_at == "mask"):
            raise ArgumentError("a mask goes with loss_at='mask'", remedy="Give both or neither")
        if mask is None:
            return None
        if len(mask) != T:
            raise ShapeError(f"mask has {count(len(mask), 'entry', 'entries')} for {count(T, 'time step')}")
        return tuple(map(bool, mask))

    def has_loss(self, T: int, mask: tuple[bool, ...] | None) -> tuple[bool, ...]:
        """Per time step, whether there is a loss."""
        return (self.loss_at == "every",) * (T - 1) + (True,) if mask is None else mask
