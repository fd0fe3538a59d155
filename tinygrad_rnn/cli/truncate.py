"""``tinygrad-rnn truncate``: what truncated BPTT keeps of a gradient, and what it cuts."""

from __future__ import annotations

import argparse
from typing import Any

from ..bptt.anatomy import anatomy, norm, number_or_norm
from ..bptt.truncation import Truncation, cut_edges, truncated_backward, truncation
from ..engine.notation import number
from ..nn.quantities import entries
from ..pictures import draw
from ..plots.anatomy import anatomy_figure
from ..plots.saving import save
from ..support.sums import add_up
from ..support.text import count
from .console import fold_rows, print_json, print_table, say
from .heat_map import print_heat_map
from .inputs import Problem, input_options, read_problem
from .options import PICTURE, PICTURES, PRINTED, Option, output_option, picture_arguments, picture_file, whole_number
from .outputs import check_writable
from .parameters import PARAMETER, find_parameter, parameters_of, split_loss
from .plotting import check_plotting, plot_file

DESCRIPTION = (
    "Compare the gradient of truncated BPTT (every k1 steps, a backward pass through k2 steps) with that of full BPTT, "
    "and name what was cut."
)
OPTIONS = {
    **input_options(loss="all"),
    "truncation": (
        Option("k2", "time steps that a backward pass goes back", default=4, type=whole_number(1), metavar="K"),
        Option(
            "k1",
            "time steps between two backward passes, at most k2",
            usual="k2: chunks",
            type=whole_number(1),
            metavar="K",
        ),
    ),
    "what to show": (
        PARAMETER,
        Option("terms", "number of terms to name of those that were cut", default=5, type=whole_number(0), metavar="N"),
        output_option("heat map: .png, .svg or .pdf", type=plot_file),
        Option(
            "picture",
            f"picture of the unrolled graph, with a dashed line at every cut: {', '.join(PICTURES)}; "
            "with k1 < k2, at that of the last pass",
            type=picture_file,
            metavar="FILE",
        ),
        PRINTED,
    ),
    "the picture": PICTURE,
}


def run(args: argparse.Namespace) -> int:
    """Compare truncated with full BPTT."""
    looks = picture_arguments(args, args.picture)
    check_writable(args.output, args.picture)
    check_plotting(args.output)
    k2 = args.k2
    k1 = args.k1 or k2
    problem = read_problem(args)
    losses = split_loss(problem)
    parameter = find_parameter(problem, args.parameter)
    parts = truncation(anatomy(problem.unrolled, losses, parameter), k1, k2)
    all_parameters = [
        truncation(anatomy(problem.unrolled, losses, tree), k1, k2) for tree in parameters_of(problem).values()
    ]
    if args.output:
        save(anatomy_figure(parts.full, truncation=parts), args.output)
    if args.picture:
        _draw(problem, k1, k2, args.picture, looks)
    if args.json:
        print_json({**_as_dict(parts, all_parameters), "plot": args.output, "picture": args.picture})
    elif not args.quiet:
        _print(problem, parts, all_parameters, args.terms)
        for what, file in (("Plot", args.output), ("Picture", args.picture)):
            if file:
                say(f"{what}: {file}")
    return 0


def _as_dict(parts: Truncation, all_parameters: list[Truncation]) -> dict[str, object]:
    """Return everything, for JSON."""
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
    say(f"Loss: L = {problem.formula} = {number(problem.loss.data, 6)}.")
    if k1 == k2:
        how = f"chunks of {count(k2, 'step')}, the state flowing on"
    else:
        how = f"after every {count(k1, 'step')} a backward pass through {k2}"
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
        fold_rows(
            [
                [str(lag), *(number(number_or_norm(each), 6) for each in (full, kept[lag], cut[lag]))]
                for lag, full in parts.full.by_lag().items()
            ]
        ),
    )
    terms = parts.cut_terms()
    print()
    if not terms:
        say("Nothing was cut.")
        return
    terms_in_all = sum(1 for _ in parts.full.terms())
    all_terms = count(terms_in_all, "term")
    say(f"Cut from ∂L/∂{name}: {len(terms)} of {all_terms}{'. The largest:' if most_terms else '.'}")
    for term in terms[:most_terms]:
        say(f"  {term}")


def _comparison(parts: Truncation, scalar: bool) -> list[str]:
    full, kept, cut = (each.total() for each in (parts.full, parts.kept, parts.cut))
    row = [parts.full.name, *(number(number_or_norm(each), 6) for each in (full, kept, cut))]
    if scalar:
        return row
    lengths = norm(full) * norm(kept)
    cosine = add_up(a * b for a, b in zip(entries(full), entries(kept))) / lengths if lengths else float("nan")
    return [*row, f"{cosine:.4f}" if lengths else ""]


def _draw(problem: Problem, k1: int, k2: int, file: str, looks: dict[str, Any]) -> None:
    """Draw the graph with the gradients of truncated BPTT, and mark where it cuts."""
    unrolled, T = problem.unrolled, problem.unrolled.T
    e = -(-T // k1) * k1
    losses = {t: loss for loss in problem.losses if (t := unrolled.step_of(loss)) is not None}
    truncated_backward(unrolled, problem.loss, losses, k1, k2)
    cuts = {t for _, child in cut_edges(unrolled, k1, k2) if (t := unrolled.step_of(child)) is not None}
    draw(unrolled, loss=problem.loss, k=max(0, e - k2 + 1), cuts=cuts, **problem.labels(), **looks).save(file)
