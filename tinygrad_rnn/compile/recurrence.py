"""`Recurrence`: one time step, compiled once and replayed over time and over the sequences of a batch."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ..bptt.unroll import Unrolled
from ..engine.value import Value
from ..errors import ArgumentError, ShapeError
from .batch import Batch
from .boundary import Numbers, real, whole
from .graph import check_mode
from .listing import listing
from .machine import Machine, doubles
from .plan import Kinds, moves
from .replay import Inspection, lent, replay, unroll_step
from .step import Kind, Step, find_parameters, size_of, trace_step
from .trace import Trace

#: Sequences computed side by side: as many as were fastest on a processor with vectors of 256 bits. Fast mode waits
#: for memory, so that its gradients should lie in the nearest cache; exact mode for the functions of libm.
LANES = {"exact": 8, "fast": 4}

#: Instructions up to which a time step is written out once per number, with sequences as lanes. Beyond, the code
#: would not stay in the processor's cache, and the rows of a layer fill the vectors anyway.
LANES_UP_TO = 4000

#: Numbers in plans, ten and more per time step, beyond which the plans of earlier runs are forgotten.
PLANNED = 1_000_000

PlanKey = tuple[int, int, tuple[bool, ...] | None, bool]  # T, window, asked, and whether to go back


class Run:
    """What a run gave. The views show memory of its own: a later run does not change it."""

    __slots__ = ("_B", "_P", "_S", "_address", "_differentiated", "_memory", "_windows")

    def __init__(self, B: int, P: int, S: int, windows: int, differentiated: bool) -> None:
        memory = bytearray(8 * (P + B * (2 * S + windows)))
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(memory)) if memory else 0
        self._memory = memoryview(memory).cast("d")
        self._B, self._P, self._S, self._windows, self._differentiated = B, P, S, windows, differentiated

    def addresses(self, b: int) -> tuple[int, int, int, int]:
        """Where the new state of sequence b goes, its ∂loss/∂h_0, the gradients of all, and its losses."""
        states, gradients, losses = self._P, self._P + self._B * self._S, self._P + 2 * self._B * self._S
        places = (states + b * self._S, gradients + b * self._S, 0, losses + b * self._windows)
        new_h, h0_gradient, total, loss = (self._address + 8 * place for place in places)
        return new_h, h0_gradient, total, loss

    @property
    def losses(self) -> Sequence[float]:
        """The loss of each sequence; with truncation, those of its windows added in order."""
        apart = self._memory[self._P + 2 * self._B * self._S :]
        n = self._windows
        return apart if n == 1 else [_added(apart[b * n : (b + 1) * n]) for b in range(self._B)]

    @property
    def loss(self) -> float:
        """The losses of all sequences, added in order."""
        return _added(self.losses)

    @property
    def gradients(self) -> memoryview[Any]:
        """The gradient for each of the program's parameters, of all sequences added in order.

        Raises:
            ArgumentError: it was a forward run; so `state_gradients`.
        """
        if not self._differentiated:
            raise ArgumentError("a forward run has no gradients", remedy="Call forward_backward")
        return self._memory[: self._P]

    @property
    def state(self) -> memoryview[Any]:
        """The state of each sequence after the last step, B × state size, its parts in a row."""
        return self._rows(0)

    @property
    def state_gradients(self) -> memoryview[Any]:
        """∂loss/∂h_0 of each sequence, B × state size."""
        _ = self.gradients
        return self._rows(1)

    def _rows(self, which: int) -> memoryview[Any]:
        size = self._B * self._S
        rows: memoryview[Any] = self._memory[self._P + which * size :][:size]
        return rows.cast("B").cast("d", (self._B, self._S)) if size else rows


def _truths(asked: Any) -> tuple[bool, ...] | None:
    if not (asked is None or hasattr(asked, "__len__")):
        raise ArgumentError(f"asked is {asked!r}", remedy="Give a truth value per time step")
    return None if asked is None else tuple(map(bool, asked))


def _added(numbers: Sequence[float]) -> float:
    total = 0.0
    for each in numbers:  # sum() would compensate for rounding
        total += each
    return total


class Recurrence:
    """A recurrence as native code: compile time and code size depend on one time step only.

    Exact mode gives, bit for bit, for every sequence what `eager` records and ``backward()`` computes from it; only
    the sign of a NaN may differ. The gradients of the sequences of a batch, each accumulated from 0, are then added in
    the order of the sequences: ((0 + g_1) + g_2) + …

    Args:
        cell: a `Cell`, an `RNN`, `LSTM` or `GRU`, or a function ``cell(x, *state)``. Any leaf that existed before
            is a parameter.
        x: what x_t is: a length, None for a single number, or `Symbols`.
        loss: ``loss(prediction, target)`` of one time step; None to predict only.
        target: what the target is, like ``x``; ``...`` if the loss takes none.
        readout: from h_t to the prediction; without it, the prediction is h_t.
        h0: the initial state (a tuple if it has parts); by default the cell's own.
        asks: at which time steps there is a loss: ``"every"``, ``"last"``, or ``"any"``: as each run says.
        mode: ``"exact"`` or ``"fast"``, see `compile`.
        lanes: sequences per vector; by default as the size of the step suggests.

    Attributes:
        parameters: the parameters, in the order of ``gradients``.
        numbers: the numbers of the parameters, to be read and changed in place.

    Raises:
        CompileError: the step does not compile; the error says why.
        DataError: a number of the initial state is NaN or infinite.
        MissingDependencyError: llvmlite is not installed.
    """

    def __init__(
        self,
        cell: Any,
        x: Kind,
        loss: Callable[..., Value] | None,
        target: Any = ...,
        readout: Callable[[Any], Any] | None = None,
        h0: Any = None,
        asks: str = "every",
        mode: str = "exact",
        lanes: int | None = None,
    ) -> None:
        check_mode(mode)
        if asks not in ("every", "last", "any"):
            raise ArgumentError(f"asks {asks!r}", remedy="Known ones: every, last, any")
        self.step, self.mode = Step.of(cell, readout, loss, x, target, h0), mode
        self._predicting = replace(self.step, loss=None, target=...)
        self.parameters = find_parameters(self.step, mode == "fast")
        traces = {asked: self._trace(asked) for asked in ([True] if asks == "every" else [True, False])}
        self._with_loss, self._kinds = traces[True], Kinds(traces, asks)
        self._limits = {name: min(trace.limits[name] for trace in traces.values()) for name in self._with_loss.limits}
        self._initial = tuple(self.step.initial)
        self._numbers = doubles(len(self.parameters))
        self.numbers = memoryview(self._numbers).cast("B").cast("d")
        self.read_parameters()
        usual = LANES[mode] if len(self._with_loss.tape.symbols) <= LANES_UP_TO else 1
        self._lanes = usual if lanes is None else whole("lanes", lanes)
        self._machines: dict[tuple[int, bool], Machine] = {}
        self._plans: dict[Any, array[int]] = {}

    # ---- compiling --------------------------------------------------------------------------------------

    def _trace(self, asks: bool) -> Trace:
        return trace_step(self.step, self.parameters, asks, self.mode == "fast")

    def _machine(self, lanes: int, predicts: bool = False) -> Machine:
        """Code for so many lanes, compiled at first use."""
        if (lanes, predicts) not in self._machines:
            fast, step = self.mode == "fast", self._predicting if predicts else self.step
            kinds: list[tuple[Trace, frozenset[int]]]
            if predicts:
                kinds = [(trace_step(step, self.parameters, True, fast, predicts=True), frozenset())]
            else:
                kinds = [(self._trace(asks), live) for asks, live in self._kinds.all]
            row = {"x": size_of(step.x), "target": size_of(step.target)}
            row |= {"state": len(self._initial), "y": len(kinds[0][0].outputs)}
            self._machines[lanes, predicts] = Machine(kinds, lanes, fast, len(self.parameters), row)
        return self._machines[lanes, predicts]

    @property
    def ir(self) -> str:
        """The LLVM assembly that is compiled for single sequences."""
        return self._machine(1).text

    @property
    def source(self) -> str:
        """A line per node of the time step, with its label and derivatives."""
        return listing(self._with_loss.nodes, self.parameters)

    # ---- running ----------------------------------------------------------------------------------------

    def read_parameters(self) -> None:
        """Take over the numbers that the parameters hold."""
        self._numbers[: len(self.parameters)] = [parameter.data for parameter in self.parameters]

    def add_gradients(self, run: Run) -> None:
        """Add the gradients of a run to those of the parameters."""
        for parameter, gradient in zip(self.parameters, run.gradients):
            parameter.grad = parameter.grad + gradient

    def forward(self, x: Numbers, target: Any = None, h0: Any = None, asked: Sequence[bool] | None = None) -> Run:
        """The losses, without gradients. Arguments as `forward_backward`."""
        return self._run(False, x, target, h0, asked, 1.0, None, None)

    def forward_backward(
        self,
        x: Numbers,
        target: Any = None,
        h0: Any = None,
        asked: Sequence[bool] | None = None,
        gradient: float = 1.0,
        window: int | None = None,
        onto: Run | None = None,
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
            onto: an earlier run, of other sequences of a batch, to whose gradients those of this one are added.

        Raises:
            ShapeError, OperandError: sizes or types that do not fit.
            DataError: an input that is NaN or infinite, or a whole number out of range.
            DomainError: where the eager engine would raise it.
        """
        return self._run(True, x, target, h0, asked, gradient, window, onto)

    def predict(self, x: Numbers, h0: Any = None) -> memoryview[Any]:
        """The predictions at every time step, B × T × length. Arguments and errors as `forward_backward`."""
        batch = Batch(self._predicting, self._initial, self._limits, x, None, h0)
        B, T = batch.B, batch.T
        size = self._machine(self._lanes if self._lanes <= B else 1, predicts=True).outputs
        predictions = doubles(B * T * size)
        key = (T, T, None, False)
        self._execute(batch, key, 1.0, self._new_run(batch, key), ctypes.addressof(predictions), T * size)
        return memoryview(predictions).cast("B").cast("d", (B, T, size))

    def _run(
        self, backward: bool, x: Any, target: Any, h0: Any, asked: Sequence[bool] | None, gradient: float,
        window: int | None, onto: Run | None,
    ) -> Run:  # fmt: skip
        batch = Batch(self.step, self._initial, self._limits, x, target, h0)
        window = batch.T if window is None else min(whole("window", window), batch.T)
        key = (batch.T, window, _truths(asked), backward)
        gradient, run = real("gradient", gradient), self._new_run(batch, key)
        if onto is not None:
            if not isinstance(onto, Run) or len(onto.gradients) != len(self.parameters):
                raise ArgumentError("onto is not a run of this program", remedy="Give what forward_backward returned")
            run.gradients[:] = onto.gradients
        self._execute(batch, key, gradient, run)
        return run

    def _new_run(self, batch: Batch, key: PlanKey) -> Run:
        T, window, _, backward = key
        return Run(batch.B, len(self.parameters), len(self._initial), -(-T // window), backward)

    def _execute(self, batch: Batch, key: PlanKey, gradient: float, run: Run, y: int = 0, y_row: int = 0) -> None:
        """As many sequences as possible in groups that fill the lanes, the others one by one."""
        alarm, done = False, 0
        T, window, asked, backward = key
        for lanes in (self._lanes, 1):
            groups = (batch.B - done) // lanes
            if groups:
                machine = self._machine(lanes, predicts=y != 0)
                alarm |= machine.run(T, window, self._plan(machine, key), groups, gradient, (
                    ctypes.addressof(self._numbers), *batch.addresses(done), *run.addresses(done), y + 8 * done * y_row,
                ))  # fmt: skip
                done += groups * lanes
        if alarm:  # let the eager engine raise its error, if it was no false alarm
            batch.check_finite()
            mask = [True] * T if y else self._kinds.mask(T, asked)
            with lent(self.parameters, self.numbers):
                for b in range(batch.B):
                    replay(batch.step, batch.sequence(b), mask, window, gradient if backward else None)

    def _plan(self, machine: Machine, key: PlanKey) -> array[int]:
        plan = self._plans.get((machine.outputs, key))
        if plan is None:
            T, window, asked, backward = key
            kinds = [0] * T if machine.outputs else self._kinds.of(T, window, asked)
            if len(self._plans) > 100 or sum(map(len, self._plans.values())) > PLANNED:
                self._plans.clear()
            plan = self._plans[machine.outputs, key] = moves(kinds, machine.functions, window, backward)
        return plan

    # ---- the eager engine -------------------------------------------------------------------------------

    def eager(
        self, x: Sequence[Any], target: Sequence[Any] | None = None, h0: Sequence[float] | None = None,
        asked: Sequence[bool] | None = None,
    ) -> tuple[Unrolled, Value | None]:  # fmt: skip
        """The program that a run equals, for one sequence: the unrolled graph, and the sum of its losses.

        Each time step records the cell, the read-out and the loss, in this order; the losses are added in order
        of time at the end. ``backward()`` of the sum gives the gradients of exact mode.

        Args:
            x, target: of one sequence, plain numbers.
            h0: the initial state in a row.
            asked: per time step, whether there is a loss.
        """
        self.step.check_target(target)
        if target is not None and len(target) != len(x):
            raise ShapeError(f"x is {len(x)} steps, target is {len(target)}")
        initial = self._initial if h0 is None else h0
        return unroll_step(self.step, x, target, initial, self._kinds.mask(len(x), _truths(asked)))

    def inspect(
        self, x: Any, target: Any = None, h0: Any = None, asked: Any = None, gradient: float = 1.0
    ) -> Inspection:
        """Every number and gradient that a run of one sequence (T × length) computes, by label and time step.

        The eager engine computes them once more: exact mode is the very same computation.
        """

        def one(given: Any) -> Any:
            return None if given is None else [given]

        batch = Batch(self.step, self._initial, self._limits, [x], one(target), one(h0))
        batch.check_finite()
        with lent(self.parameters, self.numbers):
            unrolled, loss = self.eager(*batch.sequence(0), asked)
            if loss is not None:
                loss.backward(gradient)
        states = unrolled.state(unrolled.T)
        return Inspection(states if loss is None else [*states, loss], unrolled)
