"""Which function runs when, and where in memory: all that tells one time step from another."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence

from ..errors import ArgumentError, CompileError, ShapeError
from .trace import Trace

#: What the rows of the region of state gradients are for. The others are written and read in turn.
OF_H0, ZEROS, IN_TURN = 0, 1, 2
STATE_GRADIENT_ROWS = 4

Functions = tuple[Sequence[int], Sequence[int]]  # numbers of the functions of a forward and of a backward pass


def moves(kinds: Sequence[int], functions: Sequence[Functions], window: int, backward: bool) -> array[int]:
    """The entries of `driver.MOVE` for a run, one after the other: forward through each window and back again.

    States and saved numbers are kept for one window only, in rows that are used again and again.

    Args:
        kinds: the kind of each time step.
        functions: those of each kind.
        window: time steps after which the gradient is cut.
        backward: whether to go back at all.
    """
    entries = array("q")
    for start in range(0, len(kinds), window):
        steps = range(start, min(start + window, len(kinds)))
        for direction, order in enumerate((steps, reversed(steps)) if backward else (steps,)):
            for t in order:
                later = ZEROS if t == steps[-1] else IN_TURN + (t + 1) % 2
                earlier = OF_H0 if t == 0 else IN_TURN + t % 2
                state, new_state, saved = t % (window + 1), (t + 1) % (window + 1), t % window
                for number in functions[kinds[t]][direction]:
                    entries.extend((number, t, t, state, new_state, saved, start // window, t, earlier, later))
    return entries


#: Kinds of time steps that are told apart at most. A shift register of n numbers needs n, each with code of its own.
MOST_KINDS = 256


class Kinds:
    """The kinds of time steps, which differ in which nodes a gradient reaches.

    At the last step none reaches the new state; before, one reaches those entries that later steps read. Steps
    without a loss differ too. Usually all nodes are reached anyway, and one kind is enough. In ``h_t = [a_t, b_t]``
    with ``a_t = b_{t-1}``, b of the last step is read by nobody, and gets no gradient; b of any step before does.

    Args:
        traces: the time step with a loss (True) and without.
        asks: at which steps there is a loss: ``"every"``, ``"last"`` or ``"any"``.

    Attributes:
        all: per kind, whether there is a loss, and the entries of the new state that have a gradient.

    Raises:
        CompileError: there are more than `MOST_KINDS`.
    """

    def __init__(self, traces: Mapping[bool, Trace], asks: str) -> None:
        self.asks = asks
        self._before: dict[tuple[bool, frozenset[int]], frozenset[int]] = {}  # live entries of the old state
        open_ends: list[frozenset[int]] = [frozenset()]
        while open_ends:
            live = open_ends.pop()
            for key in [
                (loss, live) for loss in {"every": (True,), "last": (not live, False)}.get(asks, (True, False))
            ]:
                if key not in self._before:
                    if len(self._before) == MOST_KINDS:
                        raise CompileError(
                            f"time steps differ in more than {MOST_KINDS} ways in which entries of the state get a "
                            "gradient",
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

    def of(self, T: int, window: int, asked: Sequence[bool] | None) -> list[int]:
        """The kind of each time step, worked out from the end of each window.

        Raises:
            ArgumentError, ShapeError: ``asked`` does not fit.
        """
        kinds, live = [0] * T, frozenset[int]()
        mask = self.mask(T, asked)
        for t in range(T - 1, -1, -1):
            if (t + 1) % window == 0 or t == T - 1:
                live = frozenset()
            kinds[t], live = self._number[mask[t], live], self._before[mask[t], live]
        return kinds

    def mask(self, T: int, asked: Sequence[bool] | None) -> list[bool]:
        """Whether there is a loss, for each time step."""
        if (asked is not None) != (self.asks == "any"):
            raise ArgumentError("asked goes with asks='any'", remedy="Give both or neither")
        if asked is None:
            return [self.asks == "every" or t == T - 1 for t in range(T)]
        if len(asked) != T:
            raise ShapeError(f"asked has {len(asked)} entries for {T} time steps")
        return [bool(entry) for entry in asked]
