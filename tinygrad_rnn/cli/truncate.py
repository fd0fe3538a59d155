"""``tinygrad-rnn truncate``: what truncated BPTT keeps of a gradient, and what it cuts."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ..bptt.anatomy import flatten, norm
from .console import folded, print_json, print_table, say
from .heat_map import print_heat_map
from .inputs import Problem, add_input_options, read_problem, whole_number
from .outputs import check_plotting, check_writable, plot_file
from .parameters import add_parameter_option, chosen, shares, trees

if TYPE_CHECKING:
    from ..bptt.anatomy import Numbers
    from ..bptt.truncated import Truncation

DEFAULT_K2 = 4


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "truncate",
        help="what truncated BPTT keeps of the gradient, and what it cuts",
        description="Compare the gradient of truncated BPTT (every k1 steps, a backward pass through k2 steps) with "
        "that of full BPTT, and name what was cut.",
    )
    add_input_options(parser, loss="all")
    period = parser.add_argument_group("truncation")
    period.add_argument(
        "--k2", type=whole_number(1), default=DEFAULT_K2, metavar="K", help=f"steps back ({DEFAULT_K2})"
    )
    period.add_argument(
        "--k1", type=whole_number(1), metavar="K", help="steps between two backward passes, at most k2 (k2: chunks)"
    )
    output = parser.add_argument_group("what to show")
    add_parameter_option(output)
    output.add_argument(
        "--terms", type=whole_number(0), default=5, metavar="N", help="how many of the terms that were cut to name (5)"
    )
    output.add_argument("-o", "--output", type=plot_file, metavar="FILE", help="a heat map: .png, .svg or .pdf")
    output.add_argument(
        "--picture",
        metavar="FILE",
        help="the graph with cut edges in grey: .svg, .png or .dot; with k1 < k2, those of the last pass",
    )
    output.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compare truncated with full BPTT."""
    from ..bptt.anatomy import anatomy
    from ..bptt.truncated import truncation

    check_writable(args.output, args.picture)
    check_plotting(args.output)
    k2 = args.k2
    k1 = args.k1 or k2
    problem = read_problem(args)
    losses = shares(problem)
    parameter = chosen(problem, args.parameter)
    parts = truncation(anatomy(problem.unrolled, losses, parameter), k1, k2)
    all_parameters = [truncation(anatomy(problem.unrolled, losses, tree), k1, k2) for tree in trees(problem).values()]
    if args.output:
        from ..plots import plot

        plot.save(plot.anatomy_figure(parts.full, truncation=parts), args.output)
    if args.picture:
        _draw(problem, k1, k2, args.picture)
    if args.json:
        print_json({**_as_dict(parts, all_parameters), "plot": args.output, "picture": args.picture})
        return 0
    _print(problem, parts, all_parameters, args.terms)
    for what, file in (("Plot", args.output), ("Picture", args.picture)):
        if file:
            say(f"{what}: {file}")
    return 0


def _as_dict(parts: Truncation, all_parameters: list[Truncation]) -> dict[str, Any]:
    """Everything, for programs."""
    full, kept = parts.full.by_lag(), parts.kept.by_lag()
    return {
        "k1": parts.k1,
        "k2": parts.k2,
        "gradients": {
            each.full.name: {"full": each.full.total(), "truncated": each.kept.total()} for each in all_parameters
        },
        "parameter": parts.full.name,
        "by_lag": [{"lag": lag, "full": full[lag], "truncated": kept[lag]} for lag in full],
        "cut": [{"k": term.k, "t": term.t, "contribution": term.contribution} for term in parts.cut_terms()],
    }


def _print(problem: Problem, parts: Truncation, all_parameters: list[Truncation], most_terms: int) -> None:
    k1, k2, T = parts.k1, parts.k2, problem.unrolled.T
    say(f"Sequence: {problem.title}; {problem.description}.")
    say(f"Loss: L = {problem.formula} = {problem.loss.data:.6g}.")
    if k1 == k2:
        how = f"chunks of {k2} steps, the state flowing on"
    else:
        how = f"after every {k1} steps a backward pass through {k2}"
    say(f"Truncated BPTT: {how}{'; with T = ' + str(T) + ' this is full BPTT' if k2 >= T and k1 >= T else ''}.")
    print()
    scalar = not any(each.full.shape for each in all_parameters)
    print_table(
        ["∂L/∂", *(("full", "truncated", "cut") if scalar else ("‖full‖", "‖truncated‖", "‖cut‖", "cosine"))],
        [_comparison(each, scalar) for each in all_parameters],
    )
    if not scalar:
        print()
        say("The cosine is that of the angle between the full and the truncated gradient: 1 is the same direction.")
    print()
    name = parts.full.name
    if len(parts.full.loss_steps) > 1:
        print_heat_map(parts.full, parts.keeps)
        print()
    bars = "‖{}‖" if parts.full.shape else "{}"
    kept, cut = parts.kept.by_lag(), parts.cut.by_lag()
    print_table(
        ["lag", bars.format(f"∂L/∂{name}"), bars.format("kept"), bars.format("cut")],
        folded(
            [
                [str(lag), *(f"{_size(each):.6g}" for each in (full, kept[lag], cut[lag]))]
                for lag, full in parts.full.by_lag().items()
            ]
        ),
    )
    terms = parts.cut_terms()
    print()
    if not terms:
        say("Nothing was cut.")
        return
    count = sum(1 for _ in parts.full.terms())
    say(f"{len(terms)} of {count} terms of ∂L/∂{name} were cut{'. The largest of them:' if most_terms else '.'}")
    for term in terms[:most_terms]:
        say(f"  {term}")


def _comparison(parts: Truncation, scalar: bool) -> list[str]:
    full, kept, cut = (each.total() for each in (parts.full, parts.kept, parts.cut))
    row = [parts.full.name, *(f"{_size(each):.6g}" for each in (full, kept, cut))]
    if scalar:
        return row
    lengths = norm(full) * norm(kept)
    cosine = sum(a * b for a, b in zip(flatten(full), flatten(kept))) / lengths if lengths else float("nan")
    return [*row, f"{cosine:.4f}" if lengths else ""]


def _size(numbers: Numbers) -> float:
    """A number as it is, of a vector or matrix the norm."""
    return numbers if isinstance(numbers, float) else norm(numbers)


def _draw(problem: Problem, k1: int, k2: int, file: str) -> None:
    """The graph with the gradients of truncated BPTT, and where it cuts."""
    from ..bptt.truncated import cut_edges, truncated_backward
    from ..pictures import draw
    from ..pictures.colours import CUT, QUIET
    from ..pictures.geometry import Text

    unrolled, T = problem.unrolled, problem.unrolled.T
    e = -(-T // k1) * k1
    losses = {t: loss for loss in problem.losses if (t := unrolled.step_of(loss)) is not None}
    truncated_backward(unrolled, problem.loss, losses, k1, k2)
    cut = set(cut_edges(unrolled, k1, k2))

    def style(item: Any) -> dict[str, Any] | None:
        is_cut = (getattr(item, "parent", None), getattr(item, "child", None)) in cut
        return {"stroke": CUT, "dashed": True, "pen": 4.0} if is_cut else None

    drawing = draw(unrolled, loss=problem.loss, k=max(0, e - k2 + 1), style=style)
    top = max(text.place[1] for text in drawing.picture.texts)
    drawing.add(Text("cut", "Thick, dashed and grey: cut, no gradient flows here", (0.0, top + 45.0), 24.0, QUIET))
    drawing.save(file)
