"""The problem: the options that choose a cell and a sequence, and what they describe."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from ..bptt import problem
from ..data import DECIMALS, Series, read_column, sunspots
from ..engine import Value, no_grad
from ..errors import ArgumentError, DataError
from ..nn import Cell, Linear, ScalarRNNCell, cross_entropy, kinds, mse_loss
from ..nn.cells import NONLINEARITIES
from ..nn.kinds import KINDS, ONLY
from ..nn.quantities import entries
from ..support.memory import NODE, NUMBER, require_memory
from ..support.text import count
from .options import Option, Preset, Table, finite_number, flag, seed_option, separator, whole_number

DEFAULT_STEPS = 12  # a sunspot cycle takes about 11 years
DEFAULT_HIDDEN = 4
#: The sunspots end here, in the middle of a cycle. The last of all, 2008, is the lowest of its cycle: scaled, it is -1,
#: a target that tanh never reaches.
LAST_YEAR = "1992"
NODES_OF_A_STEP = 10  # of the scalar cell, with its loss
BYTES_OF_A_NODE = 4 * NODE  # with what a command adds to it: Jacobians, parts of gradients, pictures


#: Options that say how to read the series in a CSV file, which training shares; by name, as arguments of `Option`.
OF_CSV: dict[str, dict[str, Any]] = {
    "column": {"help": "column of the CSV file", "usual": "the only one", "metavar": "NAME"},
    "header": {
        "help": "the first line names the columns, even where a name is a number; without names, columns are counted",
        "usual": "it does, and no name is a number",
        "action": argparse.BooleanOptionalAction,
    },
    "separator": {
        "help": 'character between cells, or "tab"',
        "usual": "the comma, semicolon or tab in the first line",
        "type": separator,
        "metavar": "SIGN",
    },
    "decimal": {"help": "decimal point, . or ,", "usual": ".", "choices": DECIMALS, "metavar": "SIGN"},
    "gaps_elsewhere": {
        "help": "columns that are not read may have empty cells",
        "usual": "a gap is an error in any column",
        "action": "store_const",
        "const": True,
    },
}


def input_options(
    steps: int = DEFAULT_STEPS,
    loss: str = "last",
    nonlinearity: str = "tanh",
    one_cell: bool = True,
    refused: Collection[str] = (),
) -> Table:
    """The options that `read_problem` reads.

    Args:
        steps: the largest number of time steps without --steps.
        loss: the loss of a series without --loss; that of a text is the mean over all steps.
        nonlinearity: the default of --nonlinearity, for people.
        one_cell: whether there is an option that names the kind of cell.
        refused: those of w and loss that the command refuses.
    """
    kind = Option("cell", "kind of a vector cell", choices=tuple(KINDS), usual="the scalar cell; for a text, rnn")
    return {
        f"the sequence (default: yearly sunspot numbers up to {LAST_YEAR})": (
            (
                Option("csv", "CSV file with a series, which is scaled to span [-1, 1]", metavar="FILE"),
                Option("text", "text; at every step the next character is predicted", metavar="TEXT"),
            ),
            *(Option(name, **settings) for name, settings in OF_CSV.items()),
            Option("labels", "column that names the time steps", usual="they are counted", metavar="NAME"),
            Option(
                "steps",
                "number of time steps, the last of the sequence",
                usual=f"as many as there are, up to {steps}",
                type=whole_number(1),
                metavar="T",
            ),
            Option(
                "loss",
                "loss of the last step, or mean over all",
                usual="last; for a text, all" if loss == "last" else "all",
                hidden="loss" in refused,
                choices=("last", "all"),
            ),
            Preset("default_steps", steps),
            Preset("default_loss", loss),
        ),
        "the cell": (
            Option(
                "w",
                "recurrent weight of the scalar cell",
                usual="0.9",
                hidden="w" in refused,
                type=finite_number,
                metavar="NUMBER",
            ),
            Option("u", "input weight of the scalar cell", usual="0.5", type=finite_number, metavar="NUMBER"),
            Option("b", "bias of the scalar cell", usual="0.0", type=finite_number, metavar="NUMBER"),
            Option(
                "nonlinearity",
                "nonlinearity of the scalar cell or an rnn",
                usual=nonlinearity,
                choices=tuple(NONLINEARITIES),
            ),
            *([kind] if one_cell else []),
            Option(
                "hidden",
                "hidden units; any number chooses a vector cell",
                usual=str(DEFAULT_HIDDEN),
                type=whole_number(1),
                metavar="H",
            ),
            Option(
                "forget_bias",
                "b_f of an lstm",
                usual="drawn like its other weights",
                type=finite_number,
                metavar="NUMBER",
            ),
            seed_option("the weights of a vector cell"),
        ),
    }


@dataclass(frozen=True)
class Problem(problem.Problem):
    """A cell that is to predict the next item of a sequence, with descriptions for people.

    Attributes:
        title: what the sequence is.
        description: how it was prepared, in a sentence.
        names: what each x_t is called: a year, a row, a character.
        formula: how ``loss`` is computed.
        alphabet: the characters in the order of their indices; empty for numbers.
    """

    readout: Linear | None
    title: str
    description: str
    names: tuple[str, ...]
    formula: str
    alphabet: str = ""

    def labels(self) -> dict[str, Any]:
        """The arguments of `draw` that say what the time steps are: of a text, also which character should come next,
        and which one the network takes for the most probable.
        """
        if not self.alphabet:
            return {"names": self.names}
        notes: list[list[str]] = [[] for _ in self.names]
        for loss in self.losses:
            t = loss.time_step or 0
            with no_grad():
                scores = [y.data for y in self.outputs(t)]
            best = self.alphabet[scores.index(max(scores))]
            notes[t - 1] = [f"next {_quoted(self.alphabet[self.targets[t - 1]])}", f"says {_quoted(best)}"]
        return {"names": [*map(_quoted, self.names)], "notes": notes}

    def outputs(self, t: int) -> list[Value]:
        """The entries of the prediction of a time step."""
        return entries(problem.prediction(self.unrolled, self.readout, t))


@dataclass(frozen=True)
class Data:
    """The result of `read_data`: inputs and targets, ready to be unrolled over.

    Attributes:
        title, description, names: as in `Problem`.
        inputs: x_1 … x_T; numbers, or one-hot lists.
        targets: the item that follows x_t, for t = 1 … T: a number, or the index of a character.
        alphabet: the characters in the order of their indices; empty for numbers.
    """

    title: str
    description: str
    inputs: tuple[object, ...]
    targets: tuple[object, ...]
    names: tuple[str, ...]
    alphabet: str = ""


def read_problem(args: argparse.Namespace) -> Problem:
    """The problem that the options of `input_options` describe.

    Raises:
        ArgumentError: options that do not go together.
        DataError: the sequence cannot be used.
        TooLargeError: the graph does not fit into memory.
    """
    data = read_data(args)
    cell, readout = make_cell(args, data)
    return pose(data, cell, readout, args.loss or ("all" if data.alphabet else args.default_loss))


def read_data(args: argparse.Namespace) -> Data:
    """The sequence that the options describe. Raises as `read_problem` does."""
    of_csv = {name: value for name in (*OF_CSV, "labels") if (value := getattr(args, name)) is not None}
    if of_csv and args.csv is None:
        raise ArgumentError(f"{flag(next(iter(of_csv)))} without --csv", remedy="Name the file with --csv FILE")
    if args.text is not None:
        return _characters(args.text, args.steps, args.default_steps)
    series = sunspots().until(LAST_YEAR) if args.csv is None else read_column(args.csv, **of_csv)
    return _numbers(series, args.steps, args.default_steps)


def make_cell(args: argparse.Namespace, data: Data) -> tuple[Cell, Linear | None]:
    """The cell that the options describe, and its read-out. Raises as `read_problem` does."""
    kind = args.cell or ("rnn" if data.alphabet or args.hidden is not None else None)
    if kind is None:
        if args.forget_bias is not None:
            raise ArgumentError("--forget-bias without an lstm", remedy="Add --cell lstm")
        weights = {name: getattr(args, name) for name in ("w", "u", "b") if getattr(args, name) is not None}
        check_size(data)
        return ScalarRNNCell(**weights, nonlinearity=args.nonlinearity or "tanh"), None
    for name in ("w", "u", "b"):
        if getattr(args, name) is not None:
            other = "--text" if data.alphabet else "--cell" if args.cell else "--hidden"
            raise ArgumentError(
                f"--{name} is a weight of the scalar cell, which {other} does not use",
                remedy=f"Leave out --{name} or {other}; --seed draws other weights",
            )
    size = len(data.alphabet) or 1
    hidden = DEFAULT_HIDDEN if args.hidden is None else args.hidden
    check_size(data, kind, hidden)
    check_kind(kind, [name for name in ONLY if getattr(args, name) is not None])
    cell = kinds.make_cell(
        kind, size, hidden, seed=args.seed, nonlinearity=args.nonlinearity, forget_bias=args.forget_bias
    )
    return cell, Linear(hidden, size, seed=args.seed + 1)


def check_size(data: Data, kind: str | None = None, hidden: int = DEFAULT_HIDDEN) -> None:
    """Check that a cell unrolled over the sequence fits into memory, with all that a command computes from it.

    Args:
        data: the sequence.
        kind: the kind of a vector cell; None for the scalar cell.
        hidden: the number of hidden units of a vector cell.

    Raises:
        TooLargeError: it does not; the error says what would.
    """
    steps, size = len(data.inputs), len(data.alphabet) or 1
    require_memory("--steps", steps, lambda n: n * NODES_OF_A_STEP * BYTES_OF_A_NODE)
    if kind is not None:
        count = KINDS[kind].count_weights  # each is multiplied with once a step, and the product added
        require_memory("--steps", steps, lambda n: n * 2 * count(size, 1) * BYTES_OF_A_NODE)
        require_memory("--hidden", hidden, lambda n: steps * 2 * count(size, n) * BYTES_OF_A_NODE)


def check_kind(kind: str, typed: Iterable[str]) -> None:
    """Check that a kind of cell has the options that were typed.

    Raises:
        ArgumentError: it lacks one.
    """
    for name in typed:
        if name in ONLY and kind != ONLY[name][0]:
            only, what = ONLY[name]
            raise ArgumentError(f"{flag(name)} with --cell {kind}", remedy=f"Only an {only} has {what}")


def pose(data: Data, cell: Cell, readout: Linear | None, which: str) -> Problem:
    """Unroll the cell over the sequence and compute the losses: of the ``"last"`` step, or of ``"all"``."""
    posed = problem.problem(cell, **problem_arguments(data, readout, which))
    formula = _formula(data, readout is None, posed.unrolled.T if which == "last" else None)
    described = {name: getattr(data, name) for name in ("title", "description", "names", "alphabet")}
    return Problem(**vars(posed), **described, formula=formula)


def _quoted(character: str) -> str:
    """A character as it is written into a picture, so that a space can be seen."""
    return f"“{character if character.isprintable() else repr(character)[1:-1]}”"


def problem_arguments(data: Data, readout: Linear | None, which: str) -> dict[str, Any]:
    """The arguments of `problem` beside the cell."""
    single = readout is None or bool(data.alphabet)
    return {
        "inputs": data.inputs if single else [[x] for x in data.inputs],
        "targets": data.targets if single else [[target] for target in data.targets],
        "readout": readout,
        "loss": cross_entropy if data.alphabet else mse_loss,
        "at": "last" if which == "last" else "every",
    }


def _formula(data: Data, scalar: bool, only_step: int | None) -> str:
    t, after = ("t", "(t+1)") if only_step is None else (str(only_step), str(only_step + 1))
    prediction = f"{'h' if scalar else 'y'}_{t}"
    loss = f"−log softmax({prediction})[next character]" if data.alphabet else f"({prediction} − x_{after})²"
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
            f"the text has {count(len(text), 'character')}",
            remedy="There must be a next one to predict: give at least two",
        )
    used = text[-1 - _steps(steps, default, len(text) - 1, "characters") :]
    alphabet = "".join(sorted(set(used)))
    places = [alphabet.index(character) for character in used]
    require_memory("--steps", len(used) - 1, lambda n: n * len(alphabet) * NUMBER)
    one_hot = [[float(i == place) for i in range(len(alphabet))] for place in places]
    return Data(
        f"the text {used!r}" if len(used) <= 40 else f"the text {used[:40]!r}…",
        f"{count(len(alphabet), 'different character')}, each a one-hot input; the next one is predicted at every step",
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
            f"{count(wanted, 'step')} need {wanted + 1} {items}, but there are {available + 1}",
            remedy=f"Ask for at most --steps {available}",
        )
    return wanted
