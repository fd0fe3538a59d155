"""A compiled program and the memory it works in."""

from __future__ import annotations

import ctypes
import threading
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .driver import MOVE, PER_RUN, WORKING, driver
from .elementary import definitions
from .emit import Module
from .native import Native
from .plan import STATE_GRADIENT_ROWS
from .schedule import schedule
from .trace import Trace


def doubles(count: int) -> Any:
    """Memory for so many doubles, and at least one."""
    return (ctypes.c_double * max(1, count))()


class Machine:
    """Machine code for one or several kinds of time steps, and its working memory, which all runs share.

    Args:
        kinds: traces, each with the entries of the new state from which a gradient comes.
        lanes: sequences computed side by side.
        fast: whether rounding may differ from eager.
        parameters: number of parameters.
        row: numbers per time step and sequence of ``"x"``, ``"target"``, ``"state"`` and ``"y"``.

    Attributes:
        text: the LLVM assembly.
        functions: for each kind, the numbers of the functions of the forward and of the backward pass.
        outputs: numbers per time step of ``"y"``.
    """

    def __init__(
        self,
        kinds: Iterable[tuple[Trace, Iterable[int]]],
        lanes: int,
        fast: bool,
        parameters: int,
        row: Mapping[str, int],
    ) -> None:
        module = Module(lanes, fast)
        self.functions = []
        for number, (trace, live) in enumerate(kinds):
            forward, backward = module.add(schedule(trace.passes(live, f"v{number}")), trace.labels)
            self.functions.append((forward, backward))
        self.lanes, self.outputs = lanes, row["y"]
        self._row = {**row, "saved": module.saved, "loss": 1, "state_gradient": row["state"]}
        self.text = "\n".join((
            *module.functions.values(),
            driver(list(module.functions), module.packed_slots, lanes, parameters, self._row),
            definitions(module.calls, fast),
        ))  # fmt: skip
        self._native = Native(self.text)  # kept: its code goes with it
        self._run = self._native.function("run")
        self._fields = (ctypes.c_int64 * len(PER_RUN + WORKING))()
        self._address = ctypes.addressof(self._fields)
        self._memory: dict[str, Any] = {}
        self._shape = (0, 0)
        self._lock = threading.Lock()
        for name, size in (
            ("start", parameters * lanes), ("gradient", parameters * lanes), ("packed", len(module.packed_slots)),
            ("seed", 1),
        ):  # fmt: skip
            self._put(name, doubles(size))

    def _put(self, name: str, memory: Any) -> None:
        self._memory[name] = memory
        self._fields[len(PER_RUN) + WORKING.index(name)] = ctypes.addressof(memory)

    def _reserve(self, T: int, window: int) -> None:
        """Working memory for this many time steps."""
        if self._shape[0] < T or self._shape[1] < window:
            self._shape = T, window = max(T, self._shape[0]), max(window, self._shape[1])
            for name, rows in (
                ("x", T), ("target", T), ("y", T), ("loss", T), ("saved", window), ("state", window + 1),
                ("state_gradient", STATE_GRADIENT_ROWS),
            ):  # fmt: skip
                self._put(name, doubles(rows * self._row[name] * self.lanes))

    def run(
        self, T: int, window: int, plan: array[int], groups: int, seed: float, addresses: Sequence[int],
        start: Sequence[float] = (),
    ) -> bool:  # fmt: skip
        """Run; whether an alarm was raised. Threads wait here for each other, since they share the memory.

        Args:
            T: number of time steps.
            window: steps after which the gradient is cut.
            plan: what `plan.moves` gave.
            groups: number of groups of sequences, each as many as there are lanes.
            seed: the gradient of each loss.
            addresses: those of `driver.PER_RUN`, from the parameters on.
            start: what the gradients are already, if not 0 (for one lane).
        """
        row, windows = self._row, -(-T // window)
        with self._lock:
            self._reserve(T, window)
            self._memory["seed"][0] = seed
            self._fields[: len(PER_RUN)] = (  # type: ignore[call-overload]
                groups, len(plan) // len(MOVE), windows, T * row["x"], T * row["target"], T * row["y"],
                T % (window + 1), plan.buffer_info()[0], *addresses,
            )  # fmt: skip
            self._memory["start"][: len(start)] = start
            alarm = self._run(self._address)
            self._memory["start"][: len(start)] = [0.0] * len(start)
            return bool(alarm)
