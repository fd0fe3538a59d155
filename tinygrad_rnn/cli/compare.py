"""``tinygrad-rnn decay --cells``: how a gradient decays in different cells, side by side."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ..bptt.compare import StateDecay, compare_decay, write_csv, write_json
from ..errors import ArgumentError
from ..nn import Cell, GRUCell, LSTMCell, RNNCell
from .console import folded, print_json, print_table, say
from .inputs import DEFAULT_HIDDEN, Data


def check(args: argparse.Namespace) -> None:
    """Check that the options make a difference to the cells named.

    Raises:
        ArgumentError: one does not, or a cell is named twice.
    """
    for option, kind in (("forget_bias", "lstm"), ("nonlinearity", "rnn")):
        if getattr(args, option) is not None and kind not in args.cells:
            raise ArgumentError(f"--{option.replace('_', '-')} without an {kind}", remedy=f"Add {kind} to --cells")
    for kind in args.cells:
        if args.cells.count(kind) > 1:
            raise ArgumentError(f"--cells names {kind} twice", remedy="Name each cell once")


def run(args: argparse.Namespace, data: Data) -> int:
    """Measure, show and write the decay in the cells that ``--cells`` names."""
    hidden = DEFAULT_HIDDEN if args.hidden is None else args.hidden
    inputs = data.inputs if data.alphabet else [[x] for x in data.inputs]
    rows = compare_decay(_cells(args, len(data.alphabet) or 1, hidden), inputs)
    for file in args.output:
        if file.lower().endswith(".csv"):
            write_csv(rows, file)
        elif file.lower().endswith(".json"):
            write_json(rows, file)
        else:
            from ..plots import plot

            title = f"How far a gradient reaches back, by cell ({hidden} units)\n{data.title}"
            plot.save(plot.comparison_figure(rows, title), file)
    if args.json:
        print_json({"curves": [asdict(row) for row in rows], "files": args.output})
        return 0
    _print(rows, data)
    for file in args.output:
        say(f"Written: {file}")
    return 0


def _cells(args: argparse.Namespace, size: int, hidden: int) -> dict[str, Cell]:
    def make(kind: str) -> tuple[str, Cell]:
        if kind == "rnn":
            return "RNN", RNNCell(size, hidden, nonlinearity=args.nonlinearity or "tanh", seed=args.seed)
        if kind == "gru":
            return "GRU", GRUCell(size, hidden, seed=args.seed)
        name = "LSTM" if args.forget_bias is None else f"LSTM, b_f = {args.forget_bias:g}"
        return name, LSTMCell(size, hidden, forget_bias=args.forget_bias, seed=args.seed)

    return dict(map(make, args.cells))


def _print(rows: Sequence[StateDecay], data: Data) -> None:
    last = rows[0].lags[-1]
    say(f"Sequence: {data.title}; {data.description}.")
    say("Weights are drawn as in PyTorch; L is the sum of the last hidden state over the root of its length.")
    print()
    table = [[str(lag), *(f"{row.gradients[lag]:.4g}" for row in rows)] for lag in rows[0].lags]
    print_table(["lag", *(_name(row) for row in rows)], folded(table, most=24))
    print()
    for row in rows:
        share: Any = row.gradients[-1] / row.gradients[0] if row.gradients[0] else 0.0
        say(f"{_name(row)}: over {last} steps the gradient is multiplied by {share:.3g}.")


def _name(row: StateDecay) -> str:
    return f"{row.cell}: |∂L/∂{row.state}_k|"
