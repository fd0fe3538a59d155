"""`Recurrence`: one time step, compiled once and replayed over time and over the sequences of a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ..bptt.unroll import Unrolled
from ..engine.backward import propagate
from ..engine.value import Value
from ..errors import ArgumentError
from ..nn.cells import Cell
from ..nn.quantities import Readout
from ..support.checks import one_of, whole_number
from ..support.sums import add_up
from .batch import Batch
from .boundary import Area, Doubles, Numbers, area, doubles, real
from .graph import check_mode
from .inputs import Kind, numbers_per_step
from .javascript import javascript
from .listing import listing
from .machine import Machine
from .memory import Sizes
from .plan import LOSS_AT, Course, Plan, Variants, plan
from .replay import Inspection, replay, unroll_step
from .step import Step, find_parameters, trace_step
from .symbol import Tape
from .trace import Trace, recorded
from .turns import OneAtATime
from .twins import Compiled, twin

#: Sequences computed side by side: the numbers that were fastest on a processor with vectors of 256 bits. Fast mode
#: waits for memory, so its gradients should lie in the nearest cache; exact mode waits for the functions of libm.
LANES = {"exact": 8, "fast": 4}

#: LLVM takes 12 s for vectors of 1,000 numbers, and at some ten thousands it ends the process.
MOST_LANES = 64

#: The longest time step, in instructions, for which sequences are the lanes of vectors. The code of a longer one would
#: not stay in the processor's cache, and the rows of its layers fill the vectors anyway.
LANES_UP_TO = 4000

#: The most numbers in plans, ten and more per time step. Beyond, the plans of earlier runs are forgotten.
PLANNED = 1_000_000


class Run:
    """The results of a run. Its views show memory of its own: a later run does not change it."""

    __slots__ = ("_B", "_P", "_S", "_area", "_backward", "_memory", "_windows")

    def __init__(self, B: int, P: int, S: int, windows: int, backward: bool) -> None:
        memory = doubles(P + B * (2 * S + windows))
        self._area, self._memory = area(memory), memoryview(memory).cast("B").cast("d")
        self._B, self._P, self._S, self._windows, self._backward = B, P, S, windows, backward

    def __reduce__(self) -> tuple[object, ...]:
        return Run, (self._B, self._P, self._S, self._windows, self._backward), self._memory.tobytes()

    def __setstate__(self, numbers: bytes) -> None:
        self._memory.cast("B")[:] = numbers

    def areas(self, b: int) -> tuple[Area, Area, Area, Area]:
        """The areas of the new states from sequence b on, of their ∂loss/∂h_0, of all gradients, and of the losses."""
        states, gradients = self._P, self._P + self._B * self._S
        losses, after = gradients + self._B * self._S, self._area.after
        return (
            after(states + b * self._S),
            after(gradients + b * self._S),
            self._area,
            after(losses + b * self._windows),
        )

    @property
    def losses(self) -> Sequence[float]:
        """The loss of each sequence; with truncation, those of its windows added in order."""
        apart = self._memory[self._P + 2 * self._B * self._S :]
        n = self._windows
        return apart if n == 1 else [add_up(apart[b * n : (b + 1) * n]) for b in range(self._B)]

    @property
    def loss(self) -> float:
        """The losses of all sequences, added in order."""
        return add_up(self.losses)

    @property
    def gradients(self) -> memoryview[float]:
        """The gradient for each of the program's parameters, of all sequences added in order.

        Raises:
            ArgumentError: there was no backward pass.
        """
        if not self._backward:
            raise ArgumentError("a forward run has no gradients", remedy="Call forward_backward")
        return self._memory[: self._P]

    @property
    def state(self) -> memoryview[float]:
        """The state of each sequence after the last step, B × state size, its parts in a row."""
        return self._rows(0)

    @property
    def state_gradients(self) -> memoryview[float]:
        """∂loss/∂h_0 of each sequence, B × state size. Raises as `gradients` does."""
        _ = self.gradients
        return self._rows(1)

    def _rows(self, which: int) -> memoryview[float]:
        size = self._B * self._S
        rows: memoryview[float] = self._memory[self._P + which * size :][:size]
        return rows.cast("B").cast("d", (self._B, self._S)) if size else rows


class Recurrence(Compiled):
    """A recurrence as native code: compile time and code size depend on one time step only.

    Exact mode gives, bit for bit, for every sequence what `eager` records and ``backward()`` computes from it; only
    the sign of a NaN may differ. The gradients of the sequences of a batch, each accumulated from 0, are then added in
    the order of the sequences: ((0 + g_1) + g_2) + …

    Threads may share it from the first use on. They wait for each other. It stays what it was when it was made: only
    numbers follow the cell (`read_parameters`).

    Args:
        cell: a `Cell`, an `RNN`, `LSTM` or `GRU`, or a function ``cell(x, *state)``. Every leaf that existed before,
            and that the cell, the read-out or the loss reads, is a parameter.
        x: the kind of x_t: `Number`, `Vector` or `Symbols`.
        loss: ``loss(prediction, target)`` of one time step; None to predict only.
        target: the kind of the targets, like ``x``; None if the loss takes none.
        readout: a function from h_t to the prediction; without it, the prediction is h_t.
        h0: the initial state, a tuple if it has parts (default: that of the cell).
        loss_at: the time steps with a loss: ``"every"``, ``"last"``, or ``"mask"``: each run gives a mask.
        mode: ``"exact"`` or ``"fast"``, see `compile`.
        lanes: sequences per vector, 64 at most (default: by the size of the step).

    Attributes:
        parameters: the parameters, in the order of ``gradients``.
        numbers: the numbers of the parameters. They can be read and changed in place.

    Raises:
        ArgumentError: x or target is not a kind of input, or does not fit the loss; or an unsuitable loss_at or lanes.
        CompileError: the step does not compile; the error gives the reason.
        DataError: a number of the initial state is NaN or infinite.
        MissingDependencyError: llvmlite is not installed.
    """

    def __init__(
        self,
        cell: Cell | Callable[..., object],
        x: Kind,
        loss: Callable[..., Value] | None,
        target: Kind | None = None,
        readout: Readout | None = None,
        h0: object = None,
        loss_at: str = "every",
        mode: str = "exact",
        lanes: int | None = None,
    ) -> None:
        check_mode(mode)
        one_of("loss_at", loss_at, LOSS_AT)
        self.step, self.mode = Step.of(cell, readout, loss, x, target, h0), mode
        self.parameters = find_parameters(self.step)
        # Code is also generated later, at first use: from a twin, which the user cannot change in the meantime.
        self._step, originals = twin(self.step)
        twins = {original: leaf for leaf, original in originals.items()}
        self._leaves = [twins[parameter] for parameter in self.parameters]
        self._without_loss = replace(self._step, loss=None, target=None)
        traces = {has_loss: self._trace(has_loss) for has_loss in ([True] if loss_at == "every" else [True, False])}
        self._with_loss, self._variants = traces[True], Variants(traces, loss_at)
        limits = self._with_loss.limits
        self._limits = {region: min(trace.limits[region] for trace in traces.values()) for region in limits}
        self._initial = tuple(self.step.initial)
        self._lock = OneAtATime()  # held while the memory of the program, or code for it, is made or used
        self._numbers = doubles(len(self.parameters))
        self.numbers = memoryview(self._numbers).cast("B").cast("d")[: len(self.parameters)]
        self.read_parameters()
        usual = LANES[mode] if len(self._with_loss.tape.symbols) <= LANES_UP_TO else 1
        self._lanes = usual if lanes is None else whole_number("lanes", lanes, most=MOST_LANES)
        self._machines: dict[tuple[int, bool], Machine] = {}
        self._plans: dict[tuple[bool, Course], Plan] = {}

    # ---- compiling --------------------------------------------------------------------------------------

    def _tape(self) -> Tape:
        return Tape(fast=self.mode == "fast")

    def _trace(self, has_loss: bool) -> Trace:
        return trace_step(self._step, self._leaves, self._tape(), has_loss)

    def _machine(self, lanes: int, predict: bool = False) -> Machine:
        """The code of a run, or of `predict`, for this number of lanes, compiled at first use."""
        if (lanes, predict) not in self._machines:
            step = self._without_loss if predict else self._step
            variants: list[tuple[Trace, frozenset[int]]]
            if predict:
                variants = [(trace_step(step, self._leaves, self._tape(), outputs=True), frozenset())]
            else:
                variants = [(self._trace(has_loss), live) for has_loss, live in self._variants.all]
            sizes = Sizes(
                parameters=len(self.parameters),
                x=numbers_per_step(step.x),
                target=numbers_per_step(step.target),
                state=len(self._initial),
                y=len(variants[0][0].outputs),
            )
            self._machines[lanes, predict] = Machine(variants, lanes, sizes)
        return self._machines[lanes, predict]

    @property
    def ir(self) -> str:
        """The LLVM assembly that is compiled for single sequences."""
        with self._lock:
            return self._machine(1).text

    @property
    def source(self) -> str:
        """A line per node of the time step, with its label and derivatives."""
        return listing(self._with_loss.nodes)

    @property
    def javascript(self) -> str:
        """The time step, forward and backward, as a JavaScript module. It needs nothing else, not even llvmlite."""
        return javascript(self._step, self._leaves).module

    # ---- running ----------------------------------------------------------------------------------------

    def read_parameters(self) -> None:
        """Copy the numbers that the parameters hold into ``numbers``."""
        with self._lock:
            self._numbers[: len(self.parameters)] = [parameter.data for parameter in self.parameters]

    def add_gradients(self, run: Run) -> None:
        """Add the gradients of a run to those of the parameters, as a backward pass does. Nothing is lost if other
        threads do the same, also with another program, or run ``backward()``.
        """
        propagate(dict(zip(self.parameters, run.gradients)))

    def forward(
        self, x: Numbers, target: Numbers | None = None, h0: Numbers | None = None, mask: Sequence[bool] | None = None
    ) -> Run:
        """The losses, without gradients. Same arguments and errors as `forward_backward`."""
        batch = self._batch(x, target, h0)
        course = Course(batch.T, batch.T, self._variants.check_mask(batch.T, mask), backward=False)
        run = self._new_run(batch, course)
        self._execute(batch, course, 1.0, run)
        return run

    def forward_backward(
        self,
        x: Numbers,
        target: Numbers | None = None,
        h0: Numbers | None = None,
        mask: Sequence[bool] | None = None,
        gradient: float = 1.0,
        window: int | None = None,
        onto: Run | None = None,
    ) -> Run:
        """The losses and their gradients.

        Args:
            x: B × T × length (B × T for single or whole numbers): nested lists, or a buffer such as a NumPy
                array of doubles, which is read in place, or of 64-bit whole numbers.
            target: the targets, in the same form; None if the loss takes none.
            h0: the initial state, B × state size, its parts in a row (default: that of the cell).
            mask: for ``loss_at="mask"``: per time step, whether there is a loss.
            gradient: the gradient of each loss.
            window: for truncated BPTT: the time steps of a chunk, k1 = k2, at whose end the gradient is cut and the
                state carried on.
            onto: an earlier run, of other sequences of a batch. The gradients are added to those of that run.

        Raises:
            ShapeError, OperandError: sizes or types do not fit.
            ArgumentError: a mask without ``loss_at="mask"``, or vice versa; an unsuitable window or run.
            DataError: an input is NaN or infinite, or a whole number out of range.
            DomainError: the eager engine would raise it.
            TooLargeError: the working memory for so many time steps does not fit into what is free.
        """
        batch = self._batch(x, target, h0)
        window = batch.T if window is None else min(whole_number("window", window), batch.T)
        course = Course(batch.T, window, self._variants.check_mask(batch.T, mask), backward=True)
        gradient, run = real("gradient", gradient), self._new_run(batch, course)
        if onto is not None:
            if not isinstance(onto, Run) or len(onto.gradients) != len(self.parameters):
                raise ArgumentError("onto is not a run of this program", remedy="Give what forward_backward returned")
            run.gradients[:] = onto.gradients
        self._execute(batch, course, gradient, run)
        return run

    def predict(self, x: Numbers, h0: Numbers | None = None) -> memoryview[float]:
        """The predictions at every time step, B × T × length. Same arguments and errors as `forward_backward`."""
        batch = Batch(self._without_loss, self._initial, self._limits, x, None, h0)
        B, T = batch.B, batch.T
        with self._lock:
            size = self._machine(self._lanes if self._lanes <= B else 1, predict=True).sizes.y
        predictions = doubles(B * T * size)
        course = Course(T, T, None, backward=False)
        self._execute(batch, course, 1.0, self._new_run(batch, course), predictions)
        return memoryview(predictions).cast("B").cast("d", (B, T, size))

    def _batch(self, x: Numbers, target: Numbers | None, h0: Numbers | None) -> Batch:
        return Batch(self._step, self._initial, self._limits, x, target, h0)

    def _new_run(self, batch: Batch, course: Course) -> Run:
        return Run(batch.B, len(self.parameters), len(self._initial), course.windows, course.backward)

    def _execute(
        self, batch: Batch, course: Course, gradient: float, run: Run, predictions: Doubles | None = None
    ) -> None:
        """Run as many sequences as possible in groups that fill the lanes, the others one by one.

        Args:
            batch: the sequences.
            course: the course of the run.
            gradient: the gradient of each loss.
            run: memory for the results.
            predictions: memory for the predictions of `predict`; None for a run with losses.
        """
        alarm, done, window, predict = False, 0, course.window, predictions is not None
        y = Area() if predictions is None else area(predictions)
        with self._lock:
            for lanes in (self._lanes, 1):
                groups = (batch.B - done) // lanes
                if groups:
                    machine, moves = self._machine(lanes, predict), self._plan(lanes, predict, course)
                    outputs = y.after(done * batch.T * machine.sizes.y)
                    areas = (area(self._numbers), *batch.areas(done), *run.areas(done), outputs)
                    alarm |= machine.run(moves, groups, gradient, areas)
                    done += groups * lanes
            step = self._step_of_now(batch.step) if alarm else batch.step
        if alarm:  # the eager engine raises its error, unless the alarm was false
            batch.check_finite()
            has_loss = (True,) * batch.T if predict else self._variants.has_loss(batch.T, course.mask)
            seed = gradient if course.backward else None
            for b in range(batch.B):
                recorded(replay, step, batch.sequence(b), has_loss, window, seed)

    def _plan(self, lanes: int, predict: bool, course: Course) -> Plan:
        found = self._plans.get((predict, course))
        if found is None:
            variants = [0] * course.T if predict else self._variants.of(course)
            if len(self._plans) > 100 or sum(len(known.moves) for known in self._plans.values()) > PLANNED:
                self._plans.clear()
            found = plan(variants, self._machine(lanes, predict).functions, course.window, course.backward)
            self._plans[predict, course] = found
        return found

    # ---- the eager engine -------------------------------------------------------------------------------

    def _step_of_now(self, step: Step) -> Step:
        """A twin of the time step in which the parameters hold ``numbers``."""
        copied, originals = twin(step)
        numbers = dict(zip(self._leaves, self._numbers))
        for leaf, original in originals.items():
            leaf.data = numbers.get(original, leaf.data)
        return copied

    def eager(
        self, x: Sequence[object], target: Sequence[object] | None = None, h0: Sequence[float] | None = None,
        mask: Sequence[bool] | None = None,
    ) -> tuple[Unrolled, Value | None]:  # fmt: skip
        """The same computation, recorded for one sequence: the unrolled graph, and the sum of its losses.

        Each time step records the cell, the read-out and the loss, in this order; the losses are added in order
        of time at the end. ``backward()`` of the sum gives the gradients of exact mode.

        Args:
            x, target: of one sequence, plain numbers.
            h0: the initial state in a row.
            mask: per time step, whether there is a loss.

        Raises: as `forward_backward`.
        """
        return self._eager(self.step, *self._sequence(x, target, h0), mask)

    def _sequence(
        self, x: Numbers, target: Numbers | None, h0: Numbers | None
    ) -> tuple[list[object], list[object] | None, list[float]]:
        """x, targets and initial state of one sequence, checked, as plain numbers."""

        def one(given: Numbers | None) -> list[Numbers] | None:
            return None if given is None else [given]

        batch = self._batch([x], one(target), one(h0))
        batch.check_finite()
        return batch.sequence(0)

    def _eager(
        self,
        step: Step,
        x: list[object],
        target: list[object] | None,
        h0: list[float],
        mask: Sequence[bool] | None,
    ) -> tuple[Unrolled, Value | None]:
        has_loss = self._variants.has_loss(len(x), self._variants.check_mask(len(x), mask))
        return unroll_step(step, x, target, h0, has_loss)

    def inspect(
        self,
        x: Numbers,
        target: Numbers | None = None,
        h0: Numbers | None = None,
        mask: Sequence[bool] | None = None,
        gradient: float = 1.0,
    ) -> Inspection:
        """Every number and gradient that a run of one sequence (T × length) computes, by label and time step.

        The eager engine computes them once more: exact mode is the very same computation.
        """
        sequence = self._sequence(x, target, h0)
        with self._lock:
            step = self._step_of_now(self._step)
        unrolled, loss = recorded(self._eager, step, *sequence, mask)
        if loss is not None:
            loss.backward(gradient)
        states = unrolled.state(unrolled.T)
        return Inspection(states if loss is None else [*states, loss], unrolled)
