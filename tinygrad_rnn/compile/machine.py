"""A compiled program and the memory it works in."""

from __future__ import annotations

import ctypes
import threading
from array import array
from collections.abc import Iterable, Sequence
from typing import Any

from .driver import MOVE, PER_RUN, WORKING, driver
from .elementary import definitions
from .emit import Module
from .memory import GRADIENT, LOSS, PACKED, SAVED, SEED, STATE, STATE_GRADIENT, TARGET, Sizes, X, Y
from .native import Native
from .plan import STATE_GRADIENT_ROWS
from .schedule import schedule
from .trace import Trace


def doubles(count: int) -> Any:
    """Memory for ``count`` doubles, and for one at least."""
    return (ctypes.c_double * max(1, count))()


class Machine:
    """Machine code for one or several variants of a time step, and its working memory, which all runs share.

    Args:
        variants: traces, each with the entries of the new state from which a gradient comes.
        lanes: sequences computed side by side.
        sizes: how many parameters there are, and how long x, target, state and y are.

    Attributes:
        text: the LLVM assembly.
        functions: for each variant, the numbers of the functions of the forward and of the backward pass.
        sizes: the same sizes, with the numbers that are saved for the backward pass.
    """

    def __init__(self, variants: Sequence[tuple[Trace, Iterable[int]]], lanes: int, sizes: Sizes) -> None:
        fast = variants[0][0].tape.fast
        module = Module(lanes, fast)
        self.functions = []
        for number, (trace, live) in enumerate(variants):
            forward, backward = module.add(schedule(trace.passes(live, f"v{number}")), trace.labels)
            self.functions.append((forward, backward))
        self.lanes, self.sizes = lanes, sizes._replace(saved=module.saved)
        self.text = "\n".join((
            *module.functions.values(),
            driver(list(module.functions), module.packed_slots, lanes, self.sizes),
            definitions(module.calls, fast),
        ))  # fmt: skip
        self._native = Native(self.text)  # deleting it would free the code
        self._run = self._native.function("run")
        self._fields = (ctypes.c_int64 * len(PER_RUN + WORKING))()
        self._address = ctypes.addressof(self._fields)
        self._memory: dict[str, Any] = {}
        self._shape = (0, 0)
        self._lock = threading.Lock()
        for name, size in (
            ("start", sizes.parameters * lanes), (GRADIENT.name, sizes.parameters * lanes),
            (PACKED.name, len(module.packed_slots)), (SEED.name, 1),
        ):  # fmt: skip
            self._put(name, doubles(size))

    def _put(self, name: str, memory: Any) -> None:
        self._memory[name] = memory
        self._fields[len(PER_RUN) + WORKING.index(name)] = ctypes.addressof(memory)

    def _reserve(self, T: int, window: int) -> None:
        """Working memory for this many time steps."""
        if self._shape[0] < T or self._shape[1] < window:
            self._shape = T, window = max(T, self._shape[0]), max(window, self._shape[1])
            for region, rows in (
                (X, T), (TARGET, T), (Y, T), (LOSS, T), (SAVED, window), (STATE, window + 1),
                (STATE_GRADIENT, STATE_GRADIENT_ROWS),
            ):  # fmt: skip
                self._put(region.name, doubles(rows * self.sizes.row(region) * self.lanes))

    def run(
        self, T: int, window: int, plan: array[int], groups: int, seed: float, addresses: Sequence[int],
        start: Sequence[float] = (),
    ) -> bool:  # fmt: skip
        """Run, and return whether there was an alarm. Threads wait here for each other: they share the memory.

        Args:
            T: number of time steps.
            window: steps after which the gradient is cut.
            plan: the moves, from `plan.moves`.
            groups: number of groups of sequences, each as many as there are lanes.
            seed: the gradient of each loss.
            addresses: the fields of `driver.PER_RUN`, from the parameters on.
            start: gradients to add to; by default zeros (for one lane).
        """
        sizes, windows = self.sizes, -(-T // window)
        with self._lock:
            self._reserve(T, window)
            self._memory[SEED.name][0] = seed
            self._fields[: len(PER_RUN)] = (  # type: ignore[call-overload]
                groups, len(plan) // len(MOVE), windows, T * sizes.x, T * sizes.target, T * sizes.y,
                T % (window + 1), plan.buffer_info()[0], *addresses,
            )  # fmt: skip
            self._memory["start"][: len(start)] = start
            alarm = self._run(self._address)
            self._memory["start"][: len(start)] = [0.0] * len(start)
            return bool(alarm)
