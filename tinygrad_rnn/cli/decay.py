"""``tinygrad-rnn decay``: the size of a gradient against the distance that it has travelled."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError
from .console import folded, print_json, print_table, say
from .inputs import CELLS, DEFAULT_HIDDEN, Data, add_input_options, finite_number, read_data
from .outputs import check_plotting, check_writable, file_ending_in

if TYPE_CHECKING:
    from ..bptt.decay import CellFactory, DecayCurve

DEFAULT_NORMS = (0.7, 0.9, 1.0, 1.1, 1.3)
DEFAULT_STEPS = 50
DEFAULT_RADIUS = 0.8


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "decay",
        help="how a gradient vanishes or explodes with distance, beside the law ‖W‖^(T−k)",
        description="Measure |∂L/∂h_k| on the unrolled graph for several ‖W‖, L being the last hidden state, and set "
        "the law ‖W‖^(T−k) beside it.",
    )
    # Without saturation, by default: that the measured gradient falls, stays or rises with ‖W‖ is the lesson.
    add_input_options(parser, DEFAULT_STEPS, one_cell=False, nonlinearity="identity; with --cells, tanh")
    sweep = parser.add_argument_group("the sweep")
    sweep.add_argument(
        "--norms",
        nargs="+",
        type=finite_number,
        default=DEFAULT_NORMS,
        metavar="NUMBER",
        help=f"the values of ‖W‖ ({' '.join(f'{n:g}' for n in DEFAULT_NORMS)})",
    )
    sweep.add_argument(
        "--kind",
        choices=("scalar", "orthogonal", "non-normal"),
        help="W a single number, a multiple of an orthogonal matrix, or one whose powers grow before they decay "
        "(scalar; of a vector cell, orthogonal)",
    )
    sweep.add_argument(
        "--radius",
        type=finite_number,
        metavar="SHARE",
        help=f"spectral radius of a non-normal W, as a share of ‖W‖ ({DEFAULT_RADIUS})",
    )
    cells = parser.add_argument_group("a comparison of cells instead")
    cells.add_argument(
        "--cells",
        "--cell",
        nargs="+",
        choices=tuple(CELLS),
        metavar="CELL",
        help="measure |∂L/∂h_k| and |∂L/∂c_k| in these cells: rnn, lstm, gru",
    )
    output = parser.add_argument_group("output")
    output.add_argument(
        "-o",
        "--output",
        action="append",
        default=[],
        type=_output_file,
        metavar="FILE",
        help="write .csv or .json, or plot .png, .svg or .pdf; may be given several times",
    )
    output.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure the decay, show and write it."""
    from dataclasses import asdict

    from ..bptt.decay import decay, write_csv, write_json

    for option, value, remedy in (
        ("--w", args.w, "It is what --norms varies"),
        ("--loss", args.loss, "The gradient is that of the last hidden state"),
    ):
        if value is not None:
            raise ArgumentError(f"{option} does not go with decay", remedy=remedy)
    check_writable(*args.output)
    check_plotting(*args.output)
    if args.cells:
        from . import compare

        for option in ("norms", "kind", "radius", "u", "b"):
            if getattr(args, option) not in (None, DEFAULT_NORMS):
                raise ArgumentError(f"--{option} does not go with --cells", remedy="Leave out one of them")
        compare.check(args)
        return compare.run(args, read_data(args))
    args.nonlinearity = args.nonlinearity or "identity"
    if args.forget_bias is not None:
        raise ArgumentError("--forget-bias without --cells lstm", remedy="Name the cells with --cells")
    data = read_data(args)
    kind, cells = _cells(args, data)
    inputs: Sequence[Any] = data.inputs if kind == "scalar" or data.alphabet else [[x] for x in data.inputs]
    curves = decay(cells, args.norms, inputs, name=f"{kind}, {args.nonlinearity}")
    for file in args.output:
        if file.lower().endswith(".csv"):
            write_csv(curves, file)
        elif file.lower().endswith(".json"):
            write_json(curves, file)
        else:
            from ..plots import plot

            plot.save(plot.decay_figure(curves, _title(kind, args.nonlinearity, data)), file)
    if args.json:
        print_json({"curves": [asdict(curve) for curve in curves], "files": args.output})
        return 0
    _print(curves, kind, args.nonlinearity, data)
    for file in args.output:
        say(f"Written: {file}")
    return 0


def _cells(args: argparse.Namespace, data: Data) -> tuple[str, CellFactory]:
    """What kind of W, and the cells."""
    from ..bptt.decay import non_normal_cells, orthogonal_cells, scalar_cells

    vector = bool(data.alphabet) or args.hidden is not None
    kind = args.kind or ("orthogonal" if vector else "scalar")
    if kind != "non-normal" and args.radius is not None:
        raise ArgumentError(f"--radius with --kind {kind}", remedy="It is an option of --kind non-normal")
    if kind == "scalar":
        if vector:
            raise ArgumentError("--kind scalar with a vector cell", remedy="Leave out --hidden and --text")
        return kind, scalar_cells(
            0.5 if args.u is None else args.u, 0.0 if args.b is None else args.b, args.nonlinearity
        )
    for name in ("u", "b"):
        if getattr(args, name) is not None:
            raise ArgumentError(f"--{name} is a weight of the scalar cell", remedy=f"Leave it out, or --kind {kind}")
    sizes = (DEFAULT_HIDDEN if args.hidden is None else args.hidden, len(data.alphabet) or 1)
    if kind == "orthogonal":
        return kind, orthogonal_cells(*sizes, args.nonlinearity, args.seed)
    radius = DEFAULT_RADIUS if args.radius is None else args.radius
    return kind, non_normal_cells(*sizes, args.nonlinearity, args.seed, radius)


def _print(curves: Sequence[DecayCurve], kind: str, nonlinearity: str, data: Data) -> None:
    last = curves[0].lags[-1]
    say(f"Sequence: {data.title}; {data.description}.")
    say(f"Cell: {nonlinearity}, {'w = ‖W‖' if kind == 'scalar' else f'{kind} W'}; L is the last hidden state.")
    print()
    header = ["lag"]
    for curve in curves:
        header += [f"‖W‖ = {curve.W_norm:g}", "the law"]
    print_table(
        header,
        folded(
            [
                [str(lag), *(f"{curve_or_law[lag]:.4g}" for c in curves for curve_or_law in (c.gradients, c.law))]
                for lag in curves[0].lags
            ],
            most=24,
        ),
    )
    print()
    say("‖W‖ = … is |∂L/∂h_k| as measured by backward(), the law is ‖W‖^lag, and the lag is T−k.")
    for curve in curves:
        kept = curve.gradients[-1] / curve.gradients[0]
        say(
            f"‖W‖ = {curve.W_norm:g}: over {last} steps the gradient is multiplied by {_factor(kept)}; "
            f"the law says {_factor(curve.law[-1] / curve.law[0])}."
        )
    if nonlinearity == "identity":
        say("Nothing saturates in this linear cell; --nonlinearity tanh shows what saturation does to a gradient.")
    else:
        say(
            f"Where {nonlinearity} saturates, gradients fall below the law; "
            "--nonlinearity identity shows the cell without it."
        )


def _factor(kept: float) -> str:
    if math.isclose(kept, 1.0, rel_tol=1e-9):
        return "1"
    return f"{kept:.3g}, {'vanishing' if kept < 1.0 else 'exploding'}"


def _title(kind: str, nonlinearity: str, data: Data) -> str:
    name = "a linear cell" if nonlinearity == "identity" else nonlinearity
    cell = name if kind == "scalar" else f"{name}, {kind} W"
    return f"How far a gradient reaches back: {cell}\n{data.title}"


def _output_file(text: str) -> str:
    from ..plots.plot import FORMATS

    return file_ending_in(".csv", ".json", *FORMATS)(text)
