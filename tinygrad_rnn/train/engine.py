"""The gradient of a mini-batch.

**Order of reduction**, so that any engine can compute the very same bits:

1. The loss of a time step is that of `nn.losses`; the losses of a sequence are added in order of time, and the
   backward pass through them starts from 1 / (number of time steps with a target). With truncated BPTT each
   window of ``truncate`` time steps does so in turn, in order of time, and adds to what the windows before it left.
2. Every sequence accumulates its gradient from 0, separately from all others, like the lanes of a vector.
3. The gradients of the sequences are added one by one, ((0 + g_1) + g_2) + …, and the sum is divided by their
   number. So are the losses. The order is that of the batch, sorted by length and by which steps have a
   target (`in_order`), so that sequences that can run side by side follow each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Protocol

from ..bptt.problem import problem
from ..bptt.truncated import windows
from ..engine.sums import total
from ..engine.value import Value
from ..errors import ArgumentError
from ..support.checks import one_of
from ..support.collector import collector_paused
from ..support.memory import NODE, require_memory
from ..support.numbers import whole
from ..support.sums import add_up
from ..tasks import Example, Task
from ..tasks.task import Outputs
from .network import LOSSES, RecurrentNetwork, check_bidirectional

if TYPE_CHECKING:
    from ..compile import Recurrence


class Interrupted(Exception):
    """The computation was abandoned because ``stop()`` returned True. Nothing has changed."""


class Engine(Protocol):
    """Computes gradients and outputs for a `Trainer`."""

    def gradients(self, examples: Sequence[Example], stop: Callable[[], bool]) -> float:
        """Set ``grad`` of every parameter to the gradient of the mean loss, and return that.

        Raises:
            Interrupted: ``stop()`` became true. It is called at least once per sequence and window of truncated BPTT,
                or group of alike sequences.
        """
        ...

    def outputs(self, examples: Sequence[Example], stop: Callable[[], bool]) -> Iterator[Outputs]:
        """Return y_1 … y_T for each of the examples. Raises: as `gradients`, at the latest by the iterator."""
        ...


def in_order(examples: Sequence[Example]) -> list[Example]:
    """Return a batch in the order in which its gradients are added.

    Raises:
        ArgumentError: there is no example, or one without a target.
    """
    if not examples:
        raise ArgumentError("no examples", remedy="Give at least one")
    if not all(any(has_target(example)) for example in examples):
        raise _no_target()
    return sorted(examples, key=lambda example: (len(example.inputs), has_target(example)))


def _no_target() -> ArgumentError:
    return ArgumentError("an example has no target", remedy="Give it at least one")


def has_target(example: Example) -> list[bool]:
    """Return, per time step, whether it has a target."""
    return [target is not None for target in example.targets]


class EagerEngine:
    """The engine of Values and ``backward()``, one sequence after the other.

    Args:
        model: the model to differentiate.
        task: the task, which has a loss.
        truncate: time steps of a chunk in truncated BPTT, k1 = k2; None for full BPTT.

    Raises:
        TooLargeError: the graph of a sequence does not fit into memory.
    """

    def __init__(self, model: RecurrentNetwork, task: Task, truncate: int | None) -> None:
        self.model, self.truncate = model, truncate
        self.loss = LOSSES[task.loss]
        self.parameters = model.parameters()
        name, steps = "the number of time steps", task.time_steps
        if truncate is not None and truncate < steps:
            name, steps = "truncate", truncate
        # A time step multiplies by every weight once, and adds the product to others.
        require_memory(name, steps, lambda n: n * 2 * len(self.parameters) * NODE)

    def gradients(self, examples: Sequence[Example], stop: Callable[[], bool]) -> float:
        """As `Engine.gradients`."""
        loss, sums = 0.0, [0.0] * len(self.parameters)
        for example in in_order(examples):
            if stop():
                raise Interrupted
            for parameter in self.parameters:
                parameter.zero_grad()
            with collector_paused():
                loss += self._sequence(example, stop)
            sums = [before + parameter.grad for before, parameter in zip(sums, self.parameters)]
        for parameter, gradient in zip(self.parameters, sums):
            parameter.grad = gradient / len(examples)
        return loss / len(examples)

    def outputs(self, examples: Sequence[Example], stop: Callable[[], bool]) -> Iterator[Outputs]:
        """As `Engine.outputs`."""
        for example in examples:
            if stop():
                raise Interrupted
            yield self.model.outputs(example.inputs)

    def _sequence(self, example: Example, stop: Callable[[], bool]) -> float:
        """Add the gradient of one sequence to the parameters, and return its mean loss."""
        model = self.model
        if self.truncate is None and not model.bidirectional:
            inputs, targets = model.encoded(example.inputs), example.targets
            posed = problem(model.cell, inputs, targets, readout=model.readout, loss=self.loss, at="every")
            posed.loss.backward()
            return posed.loss.data
        loss = 0.0
        for losses in self._losses(example):
            if stop():
                raise Interrupted
            if losses:
                root = total(losses)
                root.backward(1.0 / example.target_count)
                loss += root.data
        return loss / example.target_count

    def _losses(self, example: Example) -> Iterator[list[Value]]:
        """Yield the losses of each window of truncated BPTT, or those of a sequence that is read in both directions."""
        model, k = self.model, self.truncate
        if k is None:
            predicted = model.predictions(example.inputs)
            yield [self.loss(y, target) for y, target in zip(predicted, example.targets) if target is not None]
        else:
            inputs = model.encoded(example.inputs)
            for window in windows(model.cell, inputs, example.targets, k, k, loss=self.loss, readout=model.readout):
                yield list(window.losses.values())


class CompiledEngine:
    """The engine of native code, compiled for one time step (`tinygrad_rnn.compile`): the same numbers, to the bit.

    Args:
        model, task, truncate: as for `EagerEngine`.
        mode: ``"exact"`` or ``"fast"``.
    """

    def __init__(self, model: RecurrentNetwork, task: Task, truncate: int | None, mode: str = "exact") -> None:
        self.model, self.task, self.truncate, self.mode = model, task, truncate, mode
        self.parameters = model.parameters()
        self._program: Recurrence | None = None

    def gradients(self, examples: Sequence[Example], stop: Callable[[], bool]) -> float:
        """As `Engine.gradients`. Sequences of the same length with targets at the same time steps run side by side."""
        examples = in_order(examples)
        program = self._compiled(examples[0])
        loss, run = 0.0, None
        for mask, group in groupby(examples, key=has_target):
            if stop():
                raise Interrupted
            alike = list(group)
            run = program.forward_backward(
                [example.inputs for example in alike],
                [self._filled(example.targets) for example in alike],
                mask=mask,
                gradient=1.0 / add_up(mask),
                window=self.truncate,
                onto=run,
            )
            for sequence_loss in run.losses:
                loss += sequence_loss / add_up(mask)
        for parameter in self.parameters:
            parameter.zero_grad()
        for parameter, gradient in zip(program.parameters, run.gradients if run else ()):
            parameter.grad = gradient / len(examples)
        return loss / len(examples)

    def outputs(self, examples: Sequence[Example], stop: Callable[[], bool]) -> Iterator[Outputs]:
        """As `Engine.outputs`."""
        if not examples:
            return iter(())
        program = self._compiled(examples[0])
        order = sorted(range(len(examples)), key=lambda i: len(examples[i].inputs))
        found: dict[int, Outputs] = {}
        for _, group in groupby(order, key=lambda i: len(examples[i].inputs)):
            if stop():
                raise Interrupted
            alike = list(group)
            predicted: Any = program.predict([examples[i].inputs for i in alike]).tolist()
            found.update(zip(alike, predicted))
        return (found[i] for i in range(len(examples)))

    def _filled(self, targets: Sequence[object]) -> list[object]:
        """Return the targets, with any valid one where there is none."""
        some = next(target for target in targets if target is not None)
        return [some if target is None else target for target in targets]

    def _compiled(self, example: Example) -> Recurrence:
        """Return the program with the current numbers of the parameters. It is compiled at the first call."""
        if self._program is None:
            from ..compile import Number, Recurrence, Symbols, Vector

            def kind(entry: object, size: int) -> Number | Symbols | Vector:
                if whole(entry) is not None:
                    return Symbols(size)
                return Vector(size) if hasattr(entry, "__len__") else Number()

            target = next((target for target in example.targets if target is not None), None)
            if target is None:
                raise _no_target()
            self._program = Recurrence(
                self.model.cell,
                kind(example.inputs[0], self.task.input_size),
                LOSSES[self.task.loss],
                kind(target, self.task.output_size),
                self.model.readout,
                loss_at="mask",
                mode=self.mode,
            )
        self._program.read_parameters()
        return self._program


ENGINES = ("eager", "compiled", "compiled fast")


def check_engine(name: str) -> None:
    """Check that there is an engine of this name, and that what it needs is installed.

    Raises:
        ArgumentError: there is none.
        CompileError: native code does not work on this platform.
        MissingDependencyError: it needs a package that is not installed.
    """
    if one_of("engine", name, ENGINES) != "eager":
        from ..compile.native import llvm

        llvm()


def make_engine(name: str, model: RecurrentNetwork, task: Task, truncate: int | None) -> Engine:
    """Return the engine of this name: ``"eager"``, ``"compiled"``, or ``"compiled fast"``, which rounds differently.

    Raises:
        ArgumentError: it cannot do this with this model; or as `check_engine`.
        CompileError, MissingDependencyError: as `check_engine`.
    """
    check_engine(name)
    if model.bidirectional:
        check_bidirectional(task, truncate, name)
    if name == "eager":
        return EagerEngine(model, task, truncate)
    return CompiledEngine(model, task, truncate, "fast" if name.endswith("fast") else "exact")
