"""``tinygrad-rnn decay``: the size of a gradient against the distance that it has travelled.

The command has two measurements: by default the sweep of ‖W‖ in this file; with ``--cells`` the `Comparison` of cells.
What follows a measurement, files and printing, is the same for both.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..bptt.decay import (
    CellFactory,
    DecayCurve,
    decay,
    non_normal_cells,
    orthogonal_cells,
    scalar_cells,
    write_csv,
    write_json,
)
from ..engine.notation import number
from ..errors import ArgumentError
from ..nn.kinds import KINDS
from ..plots.decay import decay_figure
from ..plots.saving import FORMATS, save
from ..support.text import magnitude
from .compare import Comparison
from .console import fold_rows, print_json, print_table, say
from .inputs import DEFAULT_HIDDEN, Data, check_size, input_options, read_data
from .options import PRINTED, Option, file_ending_in, finite_number, flag, output_option
from .outputs import check_writable
from .plotting import check_plotting

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NORMS = (0.7, 0.9, 1.0, 1.1, 1.3)
RADIUS = 0.8
#: Options of the main job that make no sense here, and why.
REFUSED = {"w": "It is what --norms varies", "loss": "The gradient is that of the last hidden state"}
#: The options of the sweep alone.
SWEEP = (
    Option(
        "norms",
        "values of ‖W‖",
        usual=" ".join(f"{norm:g}" for norm in NORMS),
        nargs="+",
        type=finite_number,
        metavar="NUMBER",
    ),
    Option(
        "kind",
        "W: a single number, a multiple of an orthogonal matrix, or a matrix whose powers grow before they decay",
        usual="scalar; of a vector cell, orthogonal",
        choices=("scalar", "orthogonal", "non-normal"),
    ),
    Option(
        "radius",
        "spectral radius of a non-normal W, as a share of ‖W‖",
        usual=str(RADIUS),
        type=finite_number,
        metavar="SHARE",
    ),
)
DESCRIPTION = (
    "Measure ‖∂L/∂h_k‖ on the unrolled graph for several ‖W‖, L being the last hidden state, and set the law "
    "‖W‖^(T−k) beside it. With --cells, set several cells side by side instead."
)
OPTIONS = {
    # Without saturation, by default: that the measured gradient falls, stays or rises with ‖W‖ is the lesson.
    **input_options(50, nonlinearity="identity; with --cells, tanh", one_cell=False, refused=REFUSED),
    "the sweep": SWEEP,
    "a comparison of cells instead": (
        Option(
            "cells",
            f"kinds of cells, {', '.join(KINDS)}, in which to measure ‖∂L/∂h_k‖ and ‖∂L/∂c_k‖",
            ("--cells", "--cell"),
            nargs="+",
            choices=tuple(KINDS),
            metavar="CELL",
        ),
    ),
    "output": (
        output_option(
            "file to write: .csv, .json, or a plot, .png, .svg or .pdf; may be given several times",
            default=[],
            action="append",
            type=file_ending_in(".csv", ".json", *FORMATS),
        ),
        PRINTED,
    ),
}


def run(args: argparse.Namespace) -> int:
    """Measure the decay, show and write it."""
    _check(args)
    check_writable(*args.output, read=args.csv)
    check_plotting(*args.output)
    measure = Comparison.measure if args.cells else Sweep.measure
    measured: Comparison | Sweep = measure(args, read_data(args))
    for file in args.output:
        if file.lower().endswith(".csv"):
            measured.write_csv(file)
        elif file.lower().endswith(".json"):
            measured.write_json(file)
        else:
            save(measured.figure(), file)
    if args.json:
        print_json({"curves": [curve.as_dict() for curve in measured.curves], "files": args.output})
    elif not args.quiet:
        measured.print()
        for file in args.output:
            say(f"Written: {file}")
    return 0


def _check(args: argparse.Namespace) -> None:
    """Check that the options go together.

    Raises:
        ArgumentError: they do not.
    """
    for name, remedy in REFUSED.items():
        if getattr(args, name) is not None:
            raise ArgumentError(f"{flag(name)} does not go with decay", remedy=remedy)
    if args.cells:
        for name in (*(option.name for option in SWEEP), "u", "b"):
            if getattr(args, name) is not None:
                raise ArgumentError(f"{flag(name)} does not go with --cells", remedy="Leave out one of them")
        Comparison.check(args)
    elif args.forget_bias is not None:
        raise ArgumentError("--forget-bias without --cells lstm", remedy="Name the cells with --cells")


@dataclass(frozen=True)
class Sweep:
    """The decay for several ‖W‖, beside the law.

    Attributes:
        curves: one per ‖W‖.
        kind: the kind of W, as in --kind.
        nonlinearity: that of the cell.
        data: the sequence.
    """

    curves: Sequence[DecayCurve]
    kind: str
    nonlinearity: str
    data: Data

    @classmethod
    def measure(cls, args: argparse.Namespace, data: Data) -> Sweep:
        """Measure what the options describe."""
        nonlinearity = args.nonlinearity or "identity"
        kind, cells = _make_cells(args, data, nonlinearity)
        inputs: Sequence[object] = data.inputs if kind == "scalar" or data.alphabet else [[x] for x in data.inputs]
        curves = decay(cells, args.norms or NORMS, inputs, name=f"{kind}, {nonlinearity}")
        return cls(curves, kind, nonlinearity, data)

    def write_csv(self, file: str) -> None:
        """Write the curves as CSV."""
        write_csv(self.curves, file)

    def write_json(self, file: str) -> None:
        """Write the curves as JSON."""
        write_json(self.curves, file)

    def figure(self) -> Figure:
        """A plot of the curves."""
        name = "a linear cell" if self.nonlinearity == "identity" else self.nonlinearity
        cell = name if self.kind == "scalar" else f"{name}, {self.kind} W"
        return decay_figure(self.curves, f"How far a gradient reaches back: {cell}\n{self.data.title}")

    def print(self) -> None:
        """Print the curves as a table, and what they say."""
        lags = self.curves[0].lags
        W = "w = ‖W‖" if self.kind == "scalar" else f"{self.kind} W"
        say(f"Sequence: {self.data.title}; {self.data.description}.")
        say(f"Cell: {self.nonlinearity}, {W}; L is the last hidden state.")
        print()
        header = ["lag"]
        rows = [[str(lag)] for lag in lags]
        for curve in self.curves:
            header += [f"‖W‖ = {number(curve.W_norm)}", "the law"]
            for row, gradient, law in zip(rows, curve.gradients, curve.law):
                row += [number(gradient), number(law)]
        print_table(header, fold_rows(rows, most=24))
        print()
        size = magnitude("∂L/∂h_k", self.curves[0].entries)
        say(f"‖W‖ = … is {size} as measured by backward(), the law is ‖W‖^lag, and the lag is T−k.")
        for curve in self.curves:
            if curve.verdict:
                words = curve.verdict.clause(f"‖W‖ = {number(curve.W_norm)}: the gradient")
                say(f"{words}; the law says {number(curve.law[-1] / curve.law[0])}.")
        if self.nonlinearity == "identity":
            say("Nothing saturates in this linear cell; --nonlinearity tanh shows what saturation does to a gradient.")
        else:
            say(
                f"Where {self.nonlinearity} saturates, gradients fall below the law; "
                "--nonlinearity identity shows the cell without it."
            )


def _make_cells(args: argparse.Namespace, data: Data, nonlinearity: str) -> tuple[str, CellFactory]:
    """The kind of W, and a function that makes the cell of a given ‖W‖."""
    vector = bool(data.alphabet) or args.hidden is not None
    kind = args.kind or ("orthogonal" if vector else "scalar")
    if kind != "non-normal" and args.radius is not None:
        raise ArgumentError(f"--radius with --kind {kind}", remedy="It is an option of --kind non-normal")
    if kind == "scalar":
        check_size(data)
        if vector:
            raise ArgumentError("--kind scalar with a vector cell", remedy="Leave out --hidden and --text")
        return kind, scalar_cells(0.5 if args.u is None else args.u, 0.0 if args.b is None else args.b, nonlinearity)
    for name in ("u", "b"):
        if getattr(args, name) is not None:
            raise ArgumentError(
                f"--{name} is a weight of the scalar cell",
                remedy="Leave it out, or measure a scalar cell: leave out --kind, --hidden and --text",
            )
    sizes = (DEFAULT_HIDDEN if args.hidden is None else args.hidden, len(data.alphabet) or 1)
    check_size(data, "rnn", sizes[0])
    if kind == "orthogonal":
        return kind, orthogonal_cells(*sizes, nonlinearity, args.seed)
    radius = RADIUS if args.radius is None else args.radius
    return kind, non_normal_cells(*sizes, nonlinearity, args.seed, radius)
