"""A compiled program and the memory it works in."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Sequence

from ..errors import ShapeError
from ..support.memory import require_memory
from ..support.sums import add_up
from .boundary import Area, Doubles, area, check_room, doubles
from .driver import MOVE, PER_RUN, RUN_AREAS, WORKING, driver
from .elementary import definitions
from .emit import Module
from .memory import GRADIENT, LOSS, PACKED, SAVED, SEED, STATE, STATE_GRADIENT, TARGET, Sizes, X, Y
from .native import Native
from .plan import STATE_GRADIENT_ROWS, Functions, Plan
from .schedule import schedule
from .trace import Trace


class WorkingMemory:
    """The memory in which compiled code works, for all runs up to some length.

    Args:
        T: the most time steps.
        window: the longest window.
        sizes: the sizes of one sequence.
        lanes: sequences computed side by side.
        packed: the number of packed parameters.

    Attributes:
        addresses: those of `driver.WORKING`.
        seed: where the gradient of each loss stands.

    Raises:
        TooLargeError: the system says that it does not have that much.
        MemoryError: there is not enough.
    """

    def __init__(self, T: int, window: int, sizes: Sizes, lanes: int, packed: int) -> None:
        self.T, self.window = T, window

        def counted(T: int) -> dict[str, int]:
            steps = min(window, T)
            rows = {
                X: T, TARGET: T, Y: T, LOSS: T, SAVED: steps, STATE: steps + 1, STATE_GRADIENT: STATE_GRADIENT_ROWS,
            }  # fmt: skip
            counts = {region.name: count * sizes.row(region) * lanes for region, count in rows.items()}
            return counts | {GRADIENT.name: sizes.parameters * lanes, PACKED.name: packed, SEED.name: 1}

        require_memory("T", T, lambda T: ctypes.sizeof(ctypes.c_double) * add_up(counted(T).values()))
        counts = counted(T)
        memory = {name: doubles(counts[name]) for name in WORKING}
        self._keep = memory
        self.seed = memory[SEED.name]
        self.addresses = tuple(map(ctypes.addressof, memory.values()))


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
        self.functions: list[Functions] = []
        for number, (trace, live) in enumerate(variants):
            forward, backward = module.add(schedule(trace.passes(live, f"v{number}")), trace.labels)
            self.functions.append((forward, backward))
        self.lanes, self.sizes = lanes, sizes._replace(saved=module.saved)
        self.text = "\n".join((
            *module.functions.values(),
            driver(list(module.functions), module.packed_slots, lanes, self.sizes),
            definitions(module.calls, fast),
        ))  # fmt: skip
        self._native = Native(self.text, "run")  # deleting it would free the code
        self._run = self._native.call
        self._packed = len(module.packed_slots)
        self._memory: WorkingMemory | None = None
        self._zeros = doubles(sizes.parameters * lanes)
        self._fields = (ctypes.c_int64 * len(PER_RUN + WORKING))()
        self._address = ctypes.addressof(self._fields)

    def _reserved(self, T: int, window: int) -> WorkingMemory:
        """Working memory for this many time steps; that of earlier runs if it is large enough."""
        memory = self._memory
        if memory is None or memory.T < T or memory.window < window:
            if memory is not None:
                T, window = max(T, memory.T), max(window, memory.window)
            self._memory = memory = None  # freed before the larger one is made
            self._memory = memory = WorkingMemory(T, window, self.sizes, self.lanes, self._packed)
        return memory

    def run(self, plan: Plan, groups: int, seed: float, areas: Sequence[Area], start: Doubles | None = None) -> bool:
        """Run, and return whether there was an alarm. Only one thread at a time may be here: runs share memory.

        Args:
            plan: the moves.
            groups: number of groups of sequences, each as many as there are lanes.
            seed: the gradient of each loss.
            areas: those of `driver.RUN_AREAS` from the parameters on.
            start: gradients to add to (for one lane), from `boundary.doubles`; by default zeros.

        Raises:
            TooLargeError, MemoryError: there is not enough working memory.
            ShapeError: compiled code would leave an area, or has no such functions.
        """
        if plan.functions != self.functions:
            raise ShapeError("a plan for other functions than the compiled ones")
        memory, sizes, T = self._reserved(plan.T, plan.window), self.sizes, plan.T
        windows, B, P, S = -(-T // plan.window), groups * self.lanes, sizes.parameters, sizes.state
        x, target, y = T * sizes.x, T * sizes.target, T * sizes.y
        given = (Area(*plan.moves.buffer_info()), area(self._zeros if start is None else start), *areas)
        needed = (0, P * self.lanes, P, B * x, B * target, B * S, B * S, B * S, P, B * windows, B * y)
        check_room(RUN_AREAS, given, needed)
        memory.seed[0] = seed
        self._fields[:] = (  # type: ignore[call-overload]
            groups, len(plan.moves) // len(MOVE), windows, x, target, y, T % (plan.window + 1),
            *[address for address, _ in given], *memory.addresses,
        )  # fmt: skip
        return bool(self._run(self._address))
