"""``tinygrad-rnn decay --cells``: how a gradient decays in different cells, side by side."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..bptt.decay import DecayCurve, compare_decay, write_csv, write_json
from ..engine.notation import number
from ..errors import ArgumentError
from ..nn import Cell
from ..nn.kinds import ONLY, make_cell, own_settings
from ..plots.decay import comparison_figure
from ..support.text import count, magnitude
from .console import fold_rows, print_table, say
from .inputs import DEFAULT_HIDDEN, Data, check_size
from .options import flag

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Comparison:
    """The decay in several cells over the same sequence.

    Attributes:
        curves: one per cell and part of its state.
        hidden: number of hidden units of each cell.
        data: the sequence.
    """

    curves: Sequence[DecayCurve]
    hidden: int
    data: Data

    @staticmethod
    def check(args: argparse.Namespace) -> None:
        """Check that the options make a difference to the cells named.

        Raises:
            ArgumentError: one makes none, or a cell is named twice.
        """
        for name in ("forget_bias", "nonlinearity"):
            kind, _ = ONLY[name]
            if getattr(args, name) is not None and kind not in args.cells:
                raise ArgumentError(f"{flag(name)} without an {kind}", remedy=f"Add {kind} to --cells")
        for kind in args.cells:
            if args.cells.count(kind) > 1:
                raise ArgumentError(f"--cells names {kind} twice", remedy="Name each cell once")

    @classmethod
    def measure(cls, args: argparse.Namespace, data: Data) -> Comparison:
        """Measure what the options describe."""
        hidden = DEFAULT_HIDDEN if args.hidden is None else args.hidden
        for kind in args.cells:
            check_size(data, kind, hidden)
        inputs = data.inputs if data.alphabet else [[x] for x in data.inputs]
        cells = dict(_make_named(kind, len(data.alphabet) or 1, hidden, args) for kind in args.cells)
        return cls(compare_decay(cells, inputs), hidden, data)

    def write_csv(self, file: str) -> None:
        """Write the curves as CSV."""
        write_csv(self.curves, file)

    def write_json(self, file: str) -> None:
        """Write the curves as JSON."""
        write_json(self.curves, file)

    def figure(self) -> Figure:
        """A plot of the curves."""
        title = f"How far a gradient reaches back, by cell ({count(self.hidden, 'unit')})\n{self.data.title}"
        return comparison_figure(self.curves, title)

    def print(self) -> None:
        """Print the curves as a table, and what they say."""
        lags = self.curves[0].lags
        say(f"Sequence: {self.data.title}; {self.data.description}.")
        say("Weights are drawn as in PyTorch; L is the sum of the last hidden state over the root of its length.")
        print()
        table = [[str(lag), *(number(curve.gradients[lag]) for curve in self.curves)] for lag in lags]
        print_table(["lag", *map(_name, self.curves)], fold_rows(table, most=24))
        print()
        for curve in self.curves:
            if curve.verdict:
                say(f"{curve.verdict.clause(_name(curve))}.")


def _make_named(kind: str, size: int, hidden: int, args: argparse.Namespace) -> tuple[str, Cell]:
    """The name of a cell, with its forget bias if one was typed, and the cell."""
    settings = {name: getattr(args, name) for name in own_settings(kind)}
    bias = settings.get("forget_bias")
    name = kind.upper() if bias is None else f"{kind.upper()}, b_f = {bias:g}"
    return name, make_cell(kind, size, hidden, seed=args.seed, **settings)


def _name(curve: DecayCurve) -> str:
    return f"{curve.name}: {magnitude(f'∂L/∂{curve.state}_k', curve.entries)}"
