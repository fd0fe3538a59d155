"""`RecurrentNetwork`: a recurrent part and a read-out, as a model of a task."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from itertools import count

from ..bptt import Unrolled, unroll
from ..engine.recording import no_grad, time_step
from ..engine.value import Value
from ..errors import ArgumentError, ShapeError
from ..nn import (
    Cell,
    Linear,
    Module,
    OneHot,
    Recurrent,
    binary_cross_entropy_with_logits,
    cross_entropy,
    init,
    mse_loss,
)
from ..nn.kinds import Kind, find_kind
from ..nn.parameters import Seed, Vector, generator
from ..nn.quantities import as_sequence, in_order
from ..nn.through_time import advance
from ..nn.trees import shape
from ..support.checks import whole_number
from ..support.memory import NODE, PARAMETER, require_memory
from ..support.numbers import whole
from ..support.sums import add_up
from ..support.text import count as number_of
from ..tasks import Example, Task
from ..tasks.task import Outputs

LOSSES = {
    "cross_entropy": cross_entropy,
    "mse_loss": mse_loss,
    "binary_cross_entropy_with_logits": binary_cross_entropy_with_logits,
}


class RecurrentNetwork(Module):
    """A recurrent part and a read-out: y_t = V h_t + c.

    If the recurrent part is bidirectional, h_t joins both directions: at the last time step the forward half has seen
    the whole sequence, the backward half only the last input.

    Args:
        cell: a `Cell`, or an `RNN`, `LSTM` or `GRU`.
        readout: computes y_t from h_t.

    Raises:
        ArgumentError: the quantities of the cell are single numbers.
    """

    def __init__(self, cell: Cell | Recurrent, readout: Linear) -> None:
        if not hasattr(cell, "input_size"):
            raise ArgumentError(f"{cell!r} has no input_size", remedy="Give a cell whose quantities are vectors")
        self.cell = cell
        self.readout = readout
        self._input_size = cell.input_size

    @classmethod
    def for_task(
        cls,
        task: Task,
        kind: str = "lstm",
        hidden_size: int = 8,
        num_layers: int = 1,
        seed: Seed = 0,
        recurrent_init: str = "uniform",
        bidirectional: bool = False,
        **more: object,
    ) -> RecurrentNetwork:
        """Return a network of the right sizes for a task.

        Args:
            task: the task to learn.
            kind: ``"rnn"``, ``"lstm"`` or ``"gru"``.
            hidden_size: length of h_t.
            num_layers: number of layers.
            seed: an int, or a `random.Random` to draw the weights from.
            recurrent_init: kind of initial recurrent weights, as in `nn.init.recurrent_`.
            bidirectional: whether each layer also runs backwards in time.
            more: arguments of `RNN`, `LSTM` or `GRU`, such as ``forget_bias``.

        Raises:
            ArgumentError: the kind of network or of initial weights is unknown, a size makes no sense, or the task
                cannot be read in both directions.
            TooLargeError: the network does not fit into memory.
        """
        found = find_kind(kind)
        if bidirectional:
            check_bidirectional(task)
        sizes = task.input_size, whole_number("hidden_size", hidden_size), whole_number("num_layers", num_layers)
        check_size(found, *sizes, bidirectional)
        rng = generator(seed)
        recurrent = found.module(*sizes, bidirectional=bidirectional, seed=rng, **more)
        readout = Linear(hidden_size * (2 if bidirectional else 1), task.output_size, seed=rng)
        model = cls(recurrent, readout)
        init.recurrent_(recurrent, recurrent_init, rng)
        return model

    def __call__(self, inputs: Sequence[object], state: object = None) -> Unrolled:
        """Unroll over a sequence; whole numbers among the inputs are symbols, made one-hot.

        Raises:
            ArgumentError: as `unroll`; or the network is bidirectional, for which there is `predictions`.
            DataError, ShapeError: as `unroll`.
        """
        return unroll(self.cell, self.encoded(inputs), state, self.readout)

    def predictions(self, inputs: Sequence[object]) -> list[Vector]:
        """Return the outputs y_1 … y_T. Same errors as calling the network; also works for bidirectional ones."""
        if not self.bidirectional:
            return list(self(inputs).y.values())
        output, _ = self.cell(self.encoded(inputs))
        predicted = []
        for t, h in enumerate(output, start=1):
            with time_step(t):
                predicted.append(self.readout(h))
        return predicted

    def encoded(self, inputs: Sequence[object]) -> list[object]:
        """Return the inputs as `unroll` takes them: whole numbers become one-hot."""
        return [x if whole(x) is None else OneHot(x, self.input_size) for x in in_order(inputs)]

    @property
    def input_size(self) -> int:
        """Length of x_t."""
        return self._input_size

    @property
    def bidirectional(self) -> bool:
        """Whether it also reads sequences backwards."""
        return isinstance(self.cell, Recurrent) and self.cell.bidirectional

    def outputs(self, inputs: Sequence[object]) -> list[list[float]]:
        """Return the numbers y_1 … y_T, without a graph.

        Raises:
            TooLargeError: the quantities of so many time steps do not fit into memory.
        """
        inputs = as_sequence(inputs)
        rows = add_up((*shape(numbers), 1)[0] for numbers in self.state_dict().values())
        require_memory("the number of time steps", len(inputs), lambda n: n * rows * NODE)
        with no_grad():
            predicted = self.predictions(inputs)
        return [[entry.data for entry in y] for y in predicted]

    def generate(self, prompt: Sequence[int]) -> Generator[list[float], int, None]:
        """Return a coroutine for sampling: it yields y_t as floats, and ``send`` gives it the next symbol.

        Its memory does not grow with the generated text. The first y follows the last symbol of the prompt.
        """
        cell = self.cell.cell if isinstance(self.cell, Recurrent) else self.cell
        with no_grad():
            unrolled = self(prompt)
            state = tuple(unrolled[name][unrolled.T] for name in unrolled.state_names)
            y = unrolled.y[unrolled.T]
        for t in count(unrolled.T + 1):
            symbol = yield [entry.data for entry in y]
            with no_grad(), time_step(t):
                named, state = advance(cell, OneHot(symbol, self.input_size), state)
                y = self.readout(named["h"])

    def check_fits(self, task: Task) -> None:
        """Check that the sizes are those of a task, and that it may be read in the directions of this network.

        Raises:
            ShapeError: they are not; the error names both.
            ArgumentError: the task may not be read in these directions.
        """
        if self.bidirectional:
            check_bidirectional(task)
        output_size = len(self.readout.V)
        if (self.input_size, output_size) != (task.input_size, task.output_size):
            raise ShapeError(
                f"the model takes {number_of(self.input_size, 'input')} and gives {number_of(output_size, 'output')}, "
                f"task {task.name} has {task.input_size} and {task.output_size}",
                remedy="Make it with RecurrentNetwork.for_task",
            )

    def __repr__(self) -> str:
        return f"RecurrentNetwork({self.cell!r}, {self.readout!r})"


def check_size(kind: Kind, input_size: int, hidden_size: int, num_layers: int, bidirectional: bool) -> None:
    """Check that a network of this size fits into memory.

    Raises:
        TooLargeError: it does not; the error says which size would.
    """

    def need(input_size: int, hidden_size: int, num_layers: int) -> int:
        return kind.count_weights(input_size, hidden_size, num_layers, bidirectional) * PARAMETER

    require_memory("input_size", input_size, lambda n: need(n, 1, 1))
    require_memory("hidden_size", hidden_size, lambda n: need(input_size, n, 1))
    require_memory("num_layers", num_layers, lambda n: need(input_size, hidden_size, n))


def check_bidirectional(task: Task | type[Task], truncate: int | None = None, engine: str = "eager") -> None:
    """Check that a bidirectional network can be trained on a task, with this truncation and this engine.

    Raises:
        ArgumentError: it cannot.
    """
    if task.predicts_next:
        raise ArgumentError(
            f"in task {task.name} the next input is predicted, which a bidirectional network has already read",
            remedy="Read it in one direction",
        )
    if truncate is not None:
        raise ArgumentError(
            "truncation with a bidirectional network, whose backward direction begins at the end of the sequence",
            remedy="Leave out one of the two",
        )
    if engine != "eager":
        raise ArgumentError(
            f"engine {engine!r} with a bidirectional network: it compiles a time step, which needs no later ones",
            remedy="Use the eager one",
        )


def validate(
    model: RecurrentNetwork, task: Task, examples: Sequence[Example], outputs: Iterable[Outputs] | None = None
) -> tuple[float, float]:
    """Return the mean loss and the mean of the task's own measure over examples, without a graph.

    Args:
        model: the model to validate.
        task: the task it was trained on.
        examples: sequences to validate on.
        outputs: the model's outputs for each, if they are known already.
    """
    losses, errors = 0.0, 0.0
    criterion = LOSSES[task.loss]
    if outputs is None:
        outputs = (model.outputs(example.inputs) for example in examples)
    with no_grad():
        for example, said in zip(examples, outputs):
            pairs = [(y, target) for y, target in zip(said, example.targets) if target is not None]
            losses += add_up(criterion([Value(entry) for entry in y], target).data for y, target in pairs) / len(pairs)
            errors += task.error(example, said)
    return losses / len(examples), errors / len(examples)
