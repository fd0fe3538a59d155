"""`Recurrence`: one time step, compiled once and replayed over time and over the sequences of a batch."""

from __future__ import annotations

import ctypes
import math
import threading
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from ..bptt.unroll import Unrolled
from ..errors import ArgumentError, DataError, ShapeError
from ..nn.one_hot import OneHot
from ..sums import total
from ..value import Value, time_step
from .boundary import Buffer, Numbers, numbers
from .driver import FIELDS, SCAN, driver_text, steps_text
from .emit import Module
from .graph import MODES, gather_packed, module_text
from .listing import listing
from .native import Native
from .schedule import schedule
from .step import Kind, Symbols, Traced, flat, make_step, size_of, trace

#: Sequences computed side by side in one vector: 8 doubles fill a 512-bit register.
LANES = 8

#: Instructions up to which a time step is written out once per number, with sequences as lanes. Beyond, the code
#: would not stay in the processor's cache, and the rows of a layer fill the vectors anyway.
LANES_UP_TO = 4000


class Run:
    """What a run gave. The views show memory of its own: a later run does not change it.

    Attributes:
        loss: the losses of all sequences, added in order.
    """

    __slots__ = ("_memory", "_sizes", "loss")

    def __init__(self, memory: memoryview[Any], B: int, P: int, S: int, differentiated: bool) -> None:
        self._memory, self._sizes = memory, (B, P, S, differentiated)
        self.loss = -0.0
        for loss in memory[:B]:  # sum() would compensate for rounding
            self.loss += loss

    @property
    def losses(self) -> memoryview[Any]:
        """The loss of each sequence."""
        return self._memory[: self._sizes[0]]

    @property
    def gradients(self) -> memoryview[Any]:
        """The gradient for each of the program's parameters, of all sequences added in order."""
        B, P, _, _ = self._sizes
        self._require_gradients()
        return self._memory[B : B + P]

    @property
    def state(self) -> memoryview[Any]:
        """The state of each sequence after the last step, B × state size, its parts in a row."""
        return self._rows(0)

    @property
    def state_gradients(self) -> memoryview[Any]:
        """∂loss/∂h_0 of each sequence, B × state size."""
        self._require_gradients()
        return self._rows(1)

    def _rows(self, which: int) -> memoryview[Any]:
        B, P, S, _ = self._sizes
        start = B + P + which * B * S
        rows: memoryview[Any] = self._memory[start : start + B * S]
        return rows.cast("B").cast("d", (B, S)) if S else rows

    def _require_gradients(self) -> None:
        if not self._sizes[3]:
            raise ArgumentError("a forward run has no gradients", remedy="Call forward_backward")


class Recurrence:
    """A recurrence as native code: compile time and code size depend on one time step only.

    Exact mode gives, bit for bit, for every sequence what `eager` records and ``backward()`` computes from it.
    The gradients of the sequences of a batch, each accumulated from 0, are then added in the order of the
    sequences: ((0 + g_1) + g_2) + …

    Args:
        cell: a `Cell`, an `RNN`, `LSTM` or `GRU`, or a function ``cell(x, *state)``. Any leaf that existed before
            is a parameter.
        x: what x_t is: a length, None for a single number, or `Symbols`.
        loss: ``loss(prediction, target)`` of one time step.
        target: what the target is, like ``x``; ``...`` if the loss takes none.
        readout: from h_t to the prediction; without it, the prediction is h_t.
        h0: the initial state (a tuple if it has parts); by default the cell's own.
        asks: at which time steps there is a loss: ``"every"``, ``"last"``, or ``"any"``: as each run says.
        mode: ``"exact"`` or ``"fast"``, see `compile`.
        lanes: sequences per vector; by default as the size of the step suggests.

    Attributes:
        parameters: the parameters, in the order of ``gradients``.
        numbers: the numbers of the parameters, to be read and changed in place.
        ir: the LLVM assembly of the variant for single sequences.

    Raises:
        CompileError: the step does not compile; the error says why.
        MissingDependencyError: llvmlite is not installed.
    """

    def __init__(
        self,
        cell: Any,
        x: Kind,
        loss: Callable[..., Value],
        target: Any = ...,
        readout: Callable[[Any], Any] | None = None,
        h0: Any = None,
        asks: str = "every",
        mode: str = "exact",
        lanes: int | None = None,
    ) -> None:
        if mode not in MODES:
            raise ArgumentError(f"mode {mode!r}", remedy=f"Known ones: {', '.join(MODES)}")
        if asks not in ("every", "last", "any"):
            raise ArgumentError(f"asks {asks!r}", remedy="Known ones: every, last, any")
        self.step = make_step(cell, x, target, readout, loss, h0)
        self.mode, self.asks = mode, asks
        self._traced = {asks: self._trace(asks) for asks in ([True] if asks == "every" else [True, False])}
        self.parameters: list[Value] = list(self._traced[True].parameters)
        self._variants, self._next = self._find_variants()
        self._numbers = (ctypes.c_double * max(1, len(self.parameters)))()
        self.numbers = memoryview(self._numbers).cast("B").cast("d")
        self.read_parameters()
        self._planned: tuple[Any, Any] = None, None
        self._initial = [entry.data for entry in flat(self.step.state)]
        self._lanes = lanes or (LANES if self._traced[True].forward_length <= LANES_UP_TO else 1)

    # ---- compiling --------------------------------------------------------------------------------------

    def _trace(self, asks: bool) -> Traced:
        return trace(self.step, asks, self.mode == "fast")

    def _find_variants(
        self,
    ) -> tuple[list[tuple[bool, frozenset[int]]], dict[tuple[bool, frozenset[int]], tuple[int, frozenset[int]]]]:
        """The kinds of time steps that differ in which nodes a gradient reaches.

        At the last step none reaches the new state; before, one reaches those entries that later steps read.
        Usually the loss reaches all nodes anyway, and one kind is enough.
        """
        start: frozenset[int] = frozenset()
        open_ends, keys, following = [start], set(), {}
        while open_ends:
            live = open_ends.pop()
            for asks in {"every": (True,), "last": (not live, False), "any": (True, False)}[self.asks]:
                if (asks, live) not in keys:
                    keys.add((asks, live))
                    following[asks, live] = self._traced[asks].live_before(live)
                    open_ends.append(following[asks, live])
        variants: dict[tuple[bool, frozenset[Value]], tuple[bool, frozenset[int]]] = {}
        homes = {}
        for asks, live in sorted(keys, key=lambda key: (key[0], len(key[1]), sorted(key[1]))):
            home = homes[asks, live] = (asks, frozenset(self._traced[asks].reached(live)))
            variants[home] = (asks, live)  # of those that reach the same nodes, the one with most live entries
        order = list(variants)
        table = {key: (order.index(homes[key]), following[key]) for key in keys}
        return list(variants.values()), table

    def _module(self, lanes: int, watched: Sequence[str] | None = None) -> _Compiled:
        step = self.step
        module = Module(lanes, self.mode == "fast", {})
        names = []
        for i, (asks, live) in enumerate(self._variants):
            traced = self._trace(asks)
            traced.parameters = self._traced[True].parameters if not traced.parameters else traced.parameters
            passes = traced.passes(live, f"v{i}", watched)
            module.labels = traced.labels
            sections = schedule(passes)
            module.add(sections, stored=("new_state",))
            names.append(tuple([section.name for section in each] for each in sections))
        watched_size = 2 * len(watched or ())
        text = module_text(
            module,
            "\n".join((
                gather_packed(module),
                steps_text(names),  # type: ignore[arg-type]
                driver_text(
                    "run", lanes, step.state_size, len(self.parameters), module.saved, watched_size,
                    size_of(step.x), size_of(step.target),
                ),
                SCAN,
            )),
        )  # fmt: skip
        return _Compiled(text, lanes, module.saved, module.packed_size, step.state_size, len(self.parameters))

    @cached_property
    def _single(self) -> _Compiled:
        return self._module(1)

    @cached_property
    def _wide(self) -> _Compiled:
        return self._module(self._lanes) if self._lanes > 1 else self._single

    @property
    def ir(self) -> str:
        """The LLVM assembly that is compiled for single sequences."""
        return self._single.text

    @property
    def source(self) -> str:
        """A line per node of the time step, with its label and derivatives."""
        return listing(self._traced[True].nodes)

    # ---- running ----------------------------------------------------------------------------------------

    def read_parameters(self) -> None:
        """Take over the numbers that the parameters hold."""
        for slot, parameter in enumerate(self.parameters):
            self._numbers[slot] = parameter.data

    def add_gradients(self, run: Run) -> None:
        """Add the gradients of a run to those of the parameters."""
        for parameter, gradient in zip(self.parameters, run.gradients):
            parameter.grad = parameter.grad + gradient

    def forward(self, x: Numbers, target: Any = None, h0: Any = None, asked: Sequence[bool] | None = None) -> Run:
        """The losses, without gradients. Arguments as `forward_backward`."""
        return self._run(1, x, target, h0, asked, 1.0, None)

    def forward_backward(
        self,
        x: Numbers,
        target: Any = None,
        h0: Any = None,
        asked: Sequence[bool] | None = None,
        gradient: float = 1.0,
        window: int | None = None,
    ) -> Run:
        """The losses and their gradients.

        Args:
            x: B × T × length (B × T for single or whole numbers): nested lists, or a buffer such as a NumPy
                array of doubles or 64-bit whole numbers, which is read in place.
            target: likewise.
            h0: the initial state, B × state size, its parts in a row; by default that of the cell.
            asked: for ``asks="any"``: per time step, whether there is a loss.
            gradient: the gradient of each loss.
            window: truncated BPTT: the state is carried, the gradient cut, after so many steps.

        Raises:
            ShapeError, OperandError: sizes or types that do not fit.
            DataError: an input that is NaN or infinite, or a whole number out of range.
            DomainError: where the eager engine would raise it.
        """
        return self._run(3, x, target, h0, asked, gradient, window)

    def _run(
        self, what: int, x: Any, target: Any, h0: Any, asked: Sequence[bool] | None, gradient: float, window: int | None
    ) -> Run:
        inputs = _batch("x", x, self.step.x)
        B, T = inputs.shape[:2]
        targets = self._targets(target, B, T)
        S, P = self.step.state_size, len(self.parameters)
        initial = numbers("h0", h0, (B, S)) if h0 is not None else None
        own: Any = self._initial_state(B) if initial is None else None  # kept until the run is over
        h_0 = ctypes.addressof(own) if initial is None else initial.address
        window = T if window is None else window
        if window < 1:
            raise ArgumentError(f"a window of {window} steps")
        window = min(window, T)
        variants = self._plan(T, window, asked)
        self._check_inputs(inputs, targets)
        memory = bytearray(8 * (B + P + 2 * B * S))
        losses = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        total, new_h = losses + 8 * B, losses + 8 * (B + P)
        x_row, target_row = T * size_of(self.step.x), T * size_of(self.step.target)
        alarm, done = 0, 0
        for compiled in (self._wide, self._single) if B >= self._lanes > 1 else (self._single,):
            groups = (B - done) // compiled.lanes
            if groups:
                alarm |= compiled.run(gradient, window, (
                    what, groups, T, window, ctypes.addressof(self._numbers), inputs.address + 8 * done * x_row,
                    targets.address + 8 * done * target_row if targets else 0, h_0 + 8 * done * S,
                    new_h + 8 * done * S, new_h + 8 * (B + done) * S, total, losses + 8 * done,
                    ctypes.addressof(variants), x_row, target_row,
                ))  # fmt: skip
                done += groups * compiled.lanes
        if alarm:
            self._replay(what, inputs, targets, h_0, asked, window, gradient)
        return Run(memoryview(memory).cast("d"), B, P, S, what == 3)

    def _initial_state(self, B: int) -> Any:
        if getattr(self, "_initial_batch", (0,))[0] != B:
            self._initial_batch = (B, (ctypes.c_double * max(1, B * len(self._initial)))(*self._initial * B))
        return self._initial_batch[1]

    def _targets(self, target: Any, B: int, T: int) -> Buffer | None:
        if self.step.target is ...:
            if target is not None:
                raise ArgumentError("targets for a loss that takes none")
            return None
        if target is None:
            raise ArgumentError("no targets", remedy="Give target")
        targets = _batch("target", target, self.step.target)
        if targets.shape[:2] != (B, T):
            raise ShapeError(f"x is {B} × {T} steps, target is {' × '.join(map(str, targets.shape[:2]))}")
        return targets

    def _check_inputs(self, inputs: Buffer, targets: Buffer | None) -> None:
        for name, buffer, kind in (("x", inputs, self.step.x), ("target", targets, self.step.target)):
            if buffer is None:
                continue
            count = math.prod(buffer.shape)
            if isinstance(kind, Symbols):
                whole = memoryview((ctypes.c_int64 * count).from_address(buffer.address)).cast("B").cast("q").tolist()
                low, high = min(whole), max(whole)
                limit = self._limit(name, kind)
                if low < 0 or high >= limit:
                    raise DataError(f"{name} holds {low if low < 0 else high}", remedy=f"Give 0 … {limit - 1}")
            else:
                position = self._single.scan(buffer.address, count)
                if position < count:
                    raise _not_finite(name, buffer, position)

    def _limit(self, name: str, kind: Symbols) -> int:
        limits = [kind.size]
        for traced in self._traced.values():
            index = traced.x_index if name == "x" else traced.target_index
            if index is not None and index.limit is not None:
                limits.append(index.limit)
        return min(limits)

    def _plan(self, T: int, window: int, asked: Sequence[bool] | None) -> Any:
        """Which variant of the step to take at each time step; worked out backwards, window by window."""
        key = (T, window, None if asked is None else tuple(map(bool, asked)))
        if self._planned[0] == key:
            return self._planned[1]
        if (asked is not None) != (self.asks == "any"):
            raise ArgumentError("asked goes with asks='any'", remedy="Give both or neither")
        if asked is not None and len(asked) != T:
            raise ShapeError(f"asked has {len(asked)} entries for {T} time steps")
        mask = [True] * T if self.asks == "every" else [False] * (T - 1) + [True] if asked is None else list(asked)
        variants = (ctypes.c_int64 * T)()
        for start in range(0, T, window):
            live: frozenset[int] = frozenset()
            for t in range(min(start + window, T) - 1, start - 1, -1):
                variants[t], live = self._next[bool(mask[t]), live]
        self._planned = (key, variants)
        return variants

    # ---- the eager engine -------------------------------------------------------------------------------

    def eager(
        self, x: Sequence[Any], target: Sequence[Any] | None = None, h0: Sequence[float] | None = None,
        asked: Sequence[bool] | None = None, first: int = 1,
    ) -> tuple[Unrolled, Value | None]:  # fmt: skip
        """The program that a run equals, for one sequence: the unrolled graph, and the sum of its losses.

        Each time step records the cell, the read-out and the loss, in this order; the losses are added in order
        of time at the end. ``backward()`` of the sum gives the gradients of exact mode.

        Args:
            x, target: of one sequence, plain numbers.
            h0: the initial state in a row.
            asked: per time step, whether there is a loss.
            first: number of the first time step.
        """
        step, entries = self.step, iter(self._initial if h0 is None else h0)
        state = tuple(
            Value(next(entries)) if isinstance(part, Value) else [Value(next(entries)) for _ in part]
            for part in step.state
        )
        T = len(x)
        mask = asked or ([True] * T if self.asks == "every" else [False] * (T - 1) + [True])
        unrolled = Unrolled(step.cell, step.names())
        for name, part in zip(step.names(), state):
            unrolled._add(name, first - 1, part)
        losses = []
        for t in range(T):
            with time_step(t + first):
                goal = None if target is None else _operand(step.target, target[t], target=True)
                state, loss = step(unrolled, t + first, _operand(step.x, x[t]), state, goal, bool(mask[t]))
                if loss is not None:
                    losses.append(loss)
            unrolled.T = t + first
        return unrolled, total(losses) if losses else None

    def _replay(
        self, what: int, inputs: Buffer, targets: Buffer | None, h_0: int, asked: Any, window: int, gradient: float
    ) -> None:
        """The same with the eager engine, which raises the error, if it was no false alarm."""
        kept = [(parameter, parameter.data, parameter._grad) for parameter in self.parameters]
        for parameter, number in zip(self.parameters, self.numbers):
            parameter.data = number
        try:
            B, T = inputs.shape[:2]
            S = self.step.state_size
            mask = asked or ([True] * T if self.asks == "every" else [False] * (T - 1) + [True])
            x, target = _nested(inputs, self.step.x), _nested(targets, self.step.target) if targets else None
            for b in range(B):
                state = list((ctypes.c_double * S).from_address(h_0 + 8 * b * S)) if S else []
                for start in range(0, T, window):
                    part = slice(start, start + window)
                    unrolled, loss = self.eager(x[b][part], target and target[b][part], state, mask[part], start + 1)
                    if what == 3 and loss is not None:
                        loss.backward(gradient)
                    state = [
                        entry.data for name in unrolled.state_names for entry in flat([unrolled[name][unrolled.T]])
                    ]
        finally:
            for parameter, data, slope in kept:
                parameter.data, parameter._grad = data, slope

    # ---- looking ----------------------------------------------------------------------------------------

    def inspect(
        self, x: Any, target: Any = None, h0: Any = None, asked: Any = None, gradient: float = 1.0
    ) -> Inspection:
        """Run one sequence (T × length) and keep every labelled number and its gradient at every time step."""
        labels = sorted({node.label for traced in self._traced.values() for node in traced.nodes if node.label})
        compiled = self._module(1, labels)
        inputs = _batch("x", [x], self.step.x)
        T = inputs.shape[1]
        targets = self._targets(None if target is None else [target], 1, T)
        self._check_inputs(inputs, targets)
        initial = (ctypes.c_double * max(1, self.step.state_size))(*(self._initial if h0 is None else h0))
        watched = (ctypes.c_double * (2 * len(labels) * T))()
        scratch = [(ctypes.c_double * max(1, n))() for n in (self.step.state_size,) * 2 + (len(self.parameters), 1)]
        new_h, slopes, totals, losses = (ctypes.addressof(each) for each in scratch)
        compiled.fix("watched", watched)
        alarm = compiled.run(gradient, T, (
            3, 1, T, T, ctypes.addressof(self._numbers), inputs.address, targets.address if targets else 0,
            ctypes.addressof(initial), new_h, slopes, totals, losses, ctypes.addressof(self._plan(T, T, asked)), 0, 0,
        ))  # fmt: skip
        if alarm:
            self._replay(3, inputs, targets, ctypes.addressof(initial), asked, T, gradient)
        return Inspection(T, {label: i for i, label in enumerate(labels)}, watched)


class Inspection:
    """Values and gradients of the labelled nodes of one sequence, at every time step."""

    def __init__(self, T: int, places: dict[str, int], watched: Any) -> None:
        self.T, self._places, self._watched = T, places, watched

    def value(self, label: str, t: int | None = None) -> float:
        """The number of a node: ``value("z_3[1]")``, or ``value("z_t[1]", 3)``.

        Raises:
            ArgumentError: no such node, or time step.
        """
        return self._look(label, t, 0)

    def gradient(self, label: str, t: int | None = None) -> float:
        """Its gradient."""
        return self._look(label, t, 1)

    def _look(self, label: str, t: int | None, which: int) -> float:
        name, _, rest = label.partition("_")
        number, bracket, index = rest.partition("[")
        if t is None and number.isdigit():
            t, label = int(number), f"{name}_t{bracket}{index}"
            if t == 0:  # the initial state is what step 1 calls the old state
                t, label = 1, f"{name}_{{t-1}}{bracket}{index}"
        if label not in self._places or t is None or not 1 <= t <= self.T:
            raise ArgumentError(
                f"no node {label!r} at time step {t}", remedy=f"Labels: {', '.join(list(self._places)[:8])} …"
            )
        return self._watched[2 * ((t - 1) * len(self._places) + self._places[label]) + which]  # type: ignore[no-any-return]


class _Compiled:
    """Machine code for a number of lanes, and its working memory, which is reused from run to run."""

    def __init__(self, text: str, lanes: int, saved: int, packed: int, states: int, parameters: int) -> None:
        self.text, self.lanes, self.saved, self.states = text, lanes, saved, states
        self.native = Native(text)
        self._run, self._scan = self.native.function("run"), self.native.function("scan")
        self._memory: dict[str, Any] = {}
        self._fields = (ctypes.c_int64 * len(FIELDS))()
        self._address = ctypes.addressof(self._fields)
        for name, size in (("packed", packed), ("loss", lanes), ("seed", 1), ("gradient", parameters * lanes)):
            self.fix(name, (ctypes.c_double * max(1, size))())
        self._seed, self._window = self._memory["seed"], 0
        self._lock = threading.Lock()

    def fix(self, name: str, memory: Any) -> None:
        """Let a region lie in this memory from now on."""
        self._memory[name] = memory
        self._fields[FIELDS.index(name)] = ctypes.addressof(memory)

    def run(self, seed: float, window: int, per_run: tuple[int, ...]) -> int:
        """Run with what the first of `driver.FIELDS` say; whether an alarm was raised.

        Threads that share a program wait here for each other, since they share the working memory.
        """
        with self._lock:
            return self._run_alone(seed, window, per_run)

    def _run_alone(self, seed: float, window: int, per_run: tuple[int, ...]) -> int:
        if window > self._window:
            self._window = window
            for name, size in (
                ("state", (window + 1) * self.states), ("saved", window * self.saved),
                ("state_gradients", (window + 1) * self.states),
            ):  # fmt: skip
                self.fix(name, (ctypes.c_double * max(1, size * self.lanes))())
        self._seed[0] = seed
        self._fields[: len(per_run)] = per_run  # type: ignore[call-overload]
        return self._run(self._address)  # type: ignore[no-any-return]

    def scan(self, address: int, count: int) -> int:
        fields = (ctypes.c_int64 * 2)(address, count)
        return self._scan(ctypes.addressof(fields))  # type: ignore[no-any-return]


def _batch(name: str, given: Any, kind: Any) -> Buffer:
    if isinstance(kind, int):
        return numbers(name, given, (None, None, kind))
    return numbers(name, given, (None, None), "q" if isinstance(kind, Symbols) else "d")


def _nested(buffer: Buffer, kind: Any) -> Any:
    number = ctypes.c_int64 if isinstance(kind, Symbols) else ctypes.c_double
    flat_numbers: Any = (number * math.prod(buffer.shape)).from_address(buffer.address)
    return memoryview(flat_numbers).cast("B").cast("q" if isinstance(kind, Symbols) else "d", buffer.shape).tolist()


def _operand(kind: Any, number: Any, target: bool = False) -> Any:
    if isinstance(kind, Symbols):
        return number if target else OneHot(number, kind.size)
    return Value(number) if kind is None else [Value(entry) for entry in number]


def _not_finite(name: str, buffer: Buffer, position: int) -> DataError:
    per_step = math.prod(buffer.shape[2:])
    sequence, rest = divmod(position, buffer.shape[1] * per_step)
    t = rest // per_step + 1
    number = ctypes.c_double.from_address(buffer.address + 8 * position).value
    return DataError(f"{name}_{t} of sequence {sequence} is {number}", time_step=t, remedy="Remove or replace it")
