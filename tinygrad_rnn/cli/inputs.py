"""The options that say what is unrolled over what, shared by the commands, and the problem that they describe."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..bptt import Unrolled, unroll
from ..data import Series, read_column, sunspots
from ..engine.recording import time_step
from ..engine.sums import total
from ..engine.value import Value
from ..errors import ArgumentError, DataError
from ..nn import Cell, GRUCell, Linear, LSTMCell, RNNCell, ScalarRNNCell, cross_entropy, mse_loss
from ..nn.cells import NONLINEARITIES

DEFAULT_STEPS = 12  # a sunspot cycle takes about 11 years
DEFAULT_HIDDEN = 4
CELLS = {"rnn": 1, "lstm": 4, "gru": 3}  # kinds of vector cells, and how many matrices W each has
MOST_NODES = 2_000_000  # of a graph: some seconds, and half a gigabyte


def add_input_options(
    parser: argparse.ArgumentParser,
    steps: int = DEFAULT_STEPS,
    loss: str = "last",
    one_cell: bool = True,
    nonlinearity: str = "tanh",
) -> None:
    """Add the options that `read_problem` reads.

    Args:
        parser: where to add them.
        one_cell: whether there is an option that names the kind of cell.
        steps: how many time steps there are at most, unless --steps says so.
        loss: which loss of a series there is, unless --loss says so; of a text, it is that of all steps.
        nonlinearity: which one is used, for people, unless --nonlinearity says so.
    """
    parser.set_defaults(default_steps=steps, default_loss=loss)
    data = parser.add_argument_group("the sequence (by default, yearly sunspot numbers)")
    source = data.add_mutually_exclusive_group()
    source.add_argument("--csv", metavar="FILE", help="a series from a CSV file, scaled to span [-1, 1]")
    source.add_argument("--text", metavar="TEXT", help="predict the next character of this text")
    data.add_argument("--column", metavar="NAME", help="the column of the CSV file")
    data.add_argument(
        "--steps",
        type=whole_number(1),
        metavar="T",
        help=f"time steps, the last of the sequence (up to {steps})",
    )
    usual = "last; for a text, all" if loss == "last" else "all"
    data.add_argument("--loss", choices=("last", "all"), help=f"the last step's loss, or the mean over all ({usual})")
    cell = parser.add_argument_group("the cell")
    for name, meaning, default in (("w", "recurrent weight", 0.9), ("u", "input weight", 0.5), ("b", "bias", 0.0)):
        cell.add_argument(
            f"--{name}", type=finite_number, metavar="NUMBER", help=f"{meaning} of the scalar cell ({default})"
        )
    cell.add_argument(
        "--nonlinearity", choices=tuple(NONLINEARITIES), help=f"of the scalar cell or an rnn ({nonlinearity})"
    )
    if one_cell:
        cell.add_argument("--cell", choices=tuple(CELLS), help="a vector cell of this kind (for a text, rnn)")
    cell.add_argument(
        "--hidden",
        type=whole_number(1),
        metavar="H",
        help=f"hidden units of a vector cell (for a text, and with --cell, {DEFAULT_HIDDEN})",
    )
    cell.add_argument(
        "--forget-bias", type=finite_number, metavar="NUMBER", help="b_f of an lstm (drawn like its other weights)"
    )
    cell.add_argument(
        "--seed", type=whole_number(0), default=0, metavar="N", help="seed of a vector cell's weights (0)"
    )


def whole_number(least: int) -> Callable[[str], int]:
    """The type of an option that takes a whole number of at least ``least``."""

    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or len(text) > 18 or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number of at least {least}")
        return int(text)

    return parse


def finite_number(text: str) -> float:
    """The type of an option that takes a finite number."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a finite number")
    return number


def positive_number(text: str) -> float:
    """The type of an option that takes a finite number above 0."""
    number = finite_number(text)
    if number <= 0.0:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a number above 0")
    return number


def factor(text: str) -> float:
    """The type of an option that takes a number above 0 and at most 1."""
    number = positive_number(text)
    if number > 1.0:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a factor of at most 1")
    return number


def or_none(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """The type of an option that takes what ``parse`` does, or "none"."""

    def parse_or_none(text: str) -> Any:
        try:
            return None if text == "none" else parse(text)
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentTypeError(f'{error}, nor "none"') from error

    return parse_or_none


@dataclass(frozen=True)
class Problem:
    """A cell unrolled over a sequence, and what it is to predict: the next item of the sequence.

    Attributes:
        title: what the sequence is.
        description: how it was prepared, in a sentence.
        cell: the cell.
        readout: V h_t + c, or None where h_t itself is the prediction.
        unrolled: the cell, and the read-out, over the sequence.
        targets: the item that follows x_t, for t = 1 … T: a number, or the index of a character.
        names: what each x_t is called: a year, a row, a character.
        losses: one loss per time step that counts, in order; each knows its ``time_step``.
        loss: their mean (of a single one, itself).
        formula: how ``loss`` is computed, for people.
    """

    title: str
    description: str
    cell: Cell
    readout: Linear | None
    unrolled: Unrolled
    targets: tuple[Any, ...]
    names: tuple[str, ...]
    losses: list[Value]
    loss: Value
    formula: str

    def named_parameters(self) -> Iterator[tuple[str, Value]]:
        """Every parameter of the cell and the read-out, with its name."""
        yield from self.cell.named_parameters()
        if self.readout is not None:
            yield from self.readout.named_parameters()


@dataclass(frozen=True)
class Data:
    """What `read_data` found: inputs and targets, ready to be unrolled over.

    Attributes:
        title, description, targets, names: as in `Problem`.
        inputs: x_1 … x_T; numbers, or one-hot lists.
        alphabet: the characters in the order of their indices; empty for numbers.
    """

    title: str
    description: str
    inputs: tuple[Any, ...]
    targets: tuple[Any, ...]
    names: tuple[str, ...]
    alphabet: str = ""


def read_problem(args: argparse.Namespace) -> Problem:
    """The problem that the options of `add_input_options` describe.

    Raises:
        ArgumentError: options that do not go together.
        DataError: the sequence cannot be used.
    """
    data = read_data(args)
    cell, readout = make_cell(args, data)
    return pose(data, cell, readout, args.loss or ("all" if data.alphabet else args.default_loss))


def read_data(args: argparse.Namespace) -> Data:
    """The sequence that the options describe. Raises as `read_problem` does."""
    if args.column is not None and args.csv is None:
        raise ArgumentError("--column without --csv", remedy="Name the file with --csv FILE")
    if args.text is not None:
        return _characters(args.text, args.steps, args.default_steps)
    series = sunspots() if args.csv is None else read_column(args.csv, args.column)
    return _numbers(series, args.steps, args.default_steps)


def make_cell(args: argparse.Namespace, data: Data) -> tuple[Cell, Linear | None]:
    """The cell that the options describe, and its read-out. Raises as `read_problem` does."""
    kind = args.cell or ("rnn" if data.alphabet or args.hidden is not None else None)
    if kind is None:
        if args.forget_bias is not None:
            raise ArgumentError("--forget-bias without an lstm", remedy="Add --cell lstm")
        given = {name: getattr(args, name) for name in ("w", "u", "b") if getattr(args, name) is not None}
        return ScalarRNNCell(**given, nonlinearity=args.nonlinearity or "tanh"), None
    for name in ("w", "u", "b"):
        if getattr(args, name) is not None:
            other = "--text" if data.alphabet else "--cell" if args.cell else "--hidden"
            raise ArgumentError(
                f"--{name} is a weight of the scalar cell, which {other} does not use",
                remedy=f"Leave out --{name} or {other}; --seed draws other weights",
            )
    size = len(data.alphabet) or 1
    hidden = DEFAULT_HIDDEN if args.hidden is None else args.hidden
    nodes = 2 * CELLS[kind] * len(data.inputs) * hidden * (hidden + size)
    if nodes > MOST_NODES:
        raise ArgumentError(
            f"{hidden} hidden units over {len(data.inputs)} time steps make about {nodes:,} nodes",
            remedy=f"This command takes up to {MOST_NODES:,}: give a smaller --hidden or --steps",
        )
    return vector_cell(kind, size, hidden, args), Linear(hidden, size, seed=args.seed + 1)


def vector_cell(kind: str, size: int, hidden: int, args: argparse.Namespace) -> Cell:
    """A cell of one of the `CELLS`, with the options that its kind has.

    Raises:
        ArgumentError: one is given that its kind has not.
    """
    if kind != "rnn" and args.nonlinearity is not None:
        raise ArgumentError(f"--nonlinearity with a cell of kind {kind}", remedy="Only an rnn has a choice of it")
    if kind != "lstm" and args.forget_bias is not None:
        raise ArgumentError(f"--forget-bias with a cell of kind {kind}", remedy="Only an lstm has a forget gate")
    if kind == "rnn":
        return RNNCell(size, hidden, nonlinearity=args.nonlinearity or "tanh", seed=args.seed)
    if kind == "lstm":
        return LSTMCell(size, hidden, forget_bias=args.forget_bias, seed=args.seed)
    return GRUCell(size, hidden, seed=args.seed)


def pose(data: Data, cell: Cell, readout: Linear | None, which: str) -> Problem:
    """Unroll the cell over the sequence and compute the losses: of the ``"last"`` step, or of ``"all"``.

    For the last one alone, only the last step is read out: there is no ``unrolled.y``.
    """
    scalar = readout is None
    inputs = data.inputs if scalar or data.alphabet else [[x] for x in data.inputs]
    unrolled = unroll(cell, inputs, readout=readout if which == "all" else None)
    losses = []
    for t in range(unrolled.T if which == "last" else 1, unrolled.T + 1):
        with time_step(t):
            if readout is None:
                prediction = unrolled.h[t]
            elif which == "all":
                prediction = unrolled.y[t]
            else:
                prediction = readout(unrolled.h[t])
                for i, entry in enumerate(prediction):
                    entry.label = f"y_{t}[{i}]"
            target = data.targets[t - 1]
            if data.alphabet:
                losses.append(cross_entropy(prediction, target))
            else:
                losses.append(mse_loss(prediction, target if scalar else [target]))
            losses[-1].label = f"L_{t}"
    loss = losses[0] if len(losses) == 1 else total(losses) / len(losses)
    loss.label = "L"
    return Problem(
        data.title,
        data.description,
        cell,
        readout,
        unrolled,
        data.targets,
        data.names,
        losses,
        loss,
        _formula(data, scalar, unrolled.T if which == "last" else None),
    )


def _formula(data: Data, scalar: bool, only_step: int | None) -> str:
    t, after = ("t", "(t+1)") if only_step is None else (str(only_step), str(only_step + 1))
    prediction = f"{'h' if scalar else 'y'}_{t}"
    loss = f"-log softmax({prediction})[next character]" if data.alphabet else f"({prediction} − x_{after})²"
    return loss if only_step is not None else f"mean over t of {loss}"


def _numbers(series: Series, steps: int | None, default: int) -> Data:
    available = len(series.numbers) - 1
    if available < 1:
        raise DataError(f"{series.title} has only one number", remedy="There must be one to predict: give at least two")
    used = series.last(1 + _steps(steps, default, available, "numbers")).scaled()
    return Data(
        f"{series.title}, {' to '.join(dict.fromkeys((used.labels[0], used.labels[-2])))}",
        f"scaled linearly so that these {len(used.numbers)} numbers run from -1 to 1; "
        f"the last, {used.labels[-1]}, is only predicted",
        used.numbers[:-1],
        used.numbers[1:],
        used.labels[:-1],
    )


def _characters(text: str, steps: int | None, default: int) -> Data:
    if len(text) < 2:
        raise DataError(
            f"the text has {len(text)} character{'s' * (len(text) != 1)}",
            remedy="There must be a next one to predict: give at least two",
        )
    used = text[-1 - _steps(steps, default, len(text) - 1, "characters") :]
    alphabet = "".join(sorted(set(used)))
    places = [alphabet.index(character) for character in used]
    one_hot = [[float(i == place) for i in range(len(alphabet))] for place in places]
    return Data(
        f"the text {used!r}" if len(used) <= 40 else f"the text {used[:40]!r}…",
        f"{len(alphabet)} different characters, each a one-hot input; the next one is predicted at every step",
        tuple(one_hot[:-1]),
        tuple(places[1:]),
        tuple(used[:-1]),
        alphabet,
    )


def _steps(wanted: int | None, default: int, available: int, items: str) -> int:
    if wanted is None:
        return min(available, default)
    if wanted > available:
        raise DataError(
            f"{wanted} steps need {wanted + 1} {items}, but there are {available + 1}",
            remedy=f"Ask for at most --steps {available}",
        )
    return wanted


def shown(name: str) -> str:
    """A name as a table can show it: characters that do not print are written as Python would."""
    return name if name.isprintable() and name.strip() else repr(name)[1:-1] if name != " " else "' '"
