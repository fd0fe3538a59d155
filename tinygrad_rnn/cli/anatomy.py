"""``tinygrad-rnn anatomy``: where a gradient came from, by use step, loss step and lag."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import asdict

from ..bptt.anatomy import Anatomy, anatomy, number_or_norm, reshape
from ..bptt.jacobian import ChainNorm, chain_norms
from ..bptt.paths import Path, paths
from ..bptt.straight import Straight, straight_path
from ..engine.backward import topological_order
from ..engine.notation import number
from ..errors import ArgumentError
from ..nn.quantities import entries
from ..nn.trees import NestedNumbers
from ..plots.anatomy import anatomy_figure
from ..plots.jacobians import chain_norms_figure
from ..plots.saving import save
from ..plots.straight import straight_figure
from ..support.sums import exact_sum
from ..support.text import count
from .console import fold_rows, print_json, print_table, say
from .heat_map import print_heat_map
from .inputs import Problem, input_options, read_problem
from .options import PRINTED, Option, output_option, whole_number
from .outputs import check_writable
from .parameters import PARAMETER, find_parameter, split_loss
from .plotting import check_plotting, plot_file

DESCRIPTION = (
    "Split the gradient of a tied weight into what came through each of its uses from each step's loss, and add it up "
    "again by use step, by loss step and by lag."
)
OPTIONS = {
    **input_options(loss="all"),
    "what to show": (
        PARAMETER,
        Option(
            "jacobians",
            "norms of J_T ⋯ J_(k+1) beside their bounds, and a plot of them if there is a FILE",
            nargs="?",
            const=False,
            type=plot_file,
            metavar="FILE",
        ),
        Option(
            "paths",
            "every path from the loss to the parameter, a single number; refused if there are more than MOST",
            usual="1000",
            nargs="?",
            const=1000,
            type=whole_number(1),
            metavar="MOST",
        ),
        Option(
            "straight",
            "plot of the straight path along the state (c of an lstm, h of a gru), with its factors",
            type=plot_file,
            metavar="FILE",
        ),
        output_option("heat map: .png, .svg or .pdf", type=plot_file),
        PRINTED,
    ),
}


def run(args: argparse.Namespace) -> int:
    """Split a gradient, and show the parts."""
    plots = [file for file in (args.output, args.jacobians, args.straight) if file]
    check_writable(*plots)
    check_plotting(*plots)
    problem = read_problem(args)
    parameter = find_parameter(problem, args.parameter)
    parts = anatomy(problem.unrolled, split_loss(problem), parameter)
    problem.loss.backward()
    chains = chain_norms(problem.unrolled) if args.jacobians is not None else []
    all_paths: list[Path] = []
    if args.paths:
        if parts.shape:
            raise ArgumentError(
                f"--paths lead to a single number, {parts.name} has {len(entries(parameter))}",
                remedy=f"Name an entry: --parameter {parts.name}[{','.join('0' for _ in parts.shape)}]",
            )
        all_paths = paths(problem.loss, parameter, args.paths)
    straights = [straight_path(problem.unrolled, problem.loss, name) for name in problem.unrolled.state_names]
    straights = [straight for straight in straights if straight.exists]
    if args.straight:
        if not straights:
            raise ArgumentError(
                "--straight: in this cell every path from one state to the next leads through a pre-activation",
                remedy="Add --cell lstm or --cell gru",
            )
        save(straight_figure(straights[-1], f"The straight path: {problem.title}"), args.straight)
    if args.output:
        save(anatomy_figure(parts), args.output)
    if args.jacobians:
        save(chain_norms_figure(chains), args.jacobians)
    gradient = reshape([value.grad for value in entries(parameter)], parts.shape)
    if args.json:
        print_json({**_as_dict(problem, parts, gradient, chains, all_paths, straights), "plots": plots})
    elif not args.quiet:
        _print_parts(problem, parts, gradient)
        if chains:
            print()
            _print_chains(chains)
        if all_paths:
            print()
            _print_paths(all_paths)
        for straight in straights:
            print()
            _print_straight(straight)
        for file in plots:
            say(f"Plot: {file}")
    return 0


def _as_dict(
    problem: Problem,
    parts: Anatomy,
    gradient: NestedNumbers,
    chains: Sequence[ChainNorm],
    all_paths: Sequence[Path],
    straights: Sequence[Straight],
) -> dict[str, object]:
    """Return everything, for JSON."""
    sums = {"by_use_step": parts.by_use_step(), "by_loss_step": parts.by_loss_step(), "by_lag": parts.by_lag()}
    return {
        "parameter": parts.name,
        "loss": problem.loss.data,
        "gradient": gradient,
        "use_steps": parts.use_steps,
        "loss_steps": parts.loss_steps,
        "contributions": [[parts[k, t] for t in parts.loss_steps] for k in parts.use_steps],
        **{name: [{"step": step, "sum": part} for step, part in each.items()] for name, each in sums.items()},
        "jacobians": [asdict(row) for row in chains],
        "paths": [{"factors": path.factors, "product": path.product} for path in all_paths],
        "straight": [asdict(straight) for straight in straights],
    }


def _print_parts(problem: Problem, parts: Anatomy, gradient: NestedNumbers) -> None:
    bars = "‖{}‖" if parts.shape else "{}"
    say(f"Sequence: {problem.title}; {problem.description}.")
    say(f"Loss: L = {problem.formula} = {number(problem.loss.data, 6)}.")
    L = f"∂L/∂{parts.name}"
    say(f"{bars.format(L)} = {number(number_or_norm(gradient), 9)}. Where it came from:")
    print()
    if len(parts.loss_steps) > 1:
        print_heat_map(parts)
        print()
    sums = [parts.by_use_step(), parts.by_loss_step(), parts.by_lag()]
    steps = sorted({step for each in sums for step in each}, key=lambda step: -1 if step is None else step)
    print_table(
        ["n", *map(bars.format, ("used at k = n", "loss of t = n", "lag t−k = n"))],
        fold_rows(
            [[str(n), *(number(number_or_norm(each[n]), 6) if n in each else "" for each in sums)] for n in steps]
        ),
    )
    print()
    difference = max(abs(a - b) for a, b in zip(entries(parts.total()), entries(gradient)))
    if not math.isfinite(difference):
        say("The numbers overflowed: a double ends at 1.8e308.")
        return
    what = f", whose entries are {'matrices' if len(parts.shape) > 1 else 'vectors'}," if parts.shape else ""
    say(f"Each column{what} adds up to {L} by backward(), to within {difference:.1e}.")


def _print_chains(rows: Sequence[ChainNorm]) -> None:
    header = ["k", "T−k", "‖J_T ⋯ J_(k+1)‖", "‖J_T‖ ⋯ ‖J_(k+1)‖"]
    law = rows[0].bound is not None
    print_table(
        [*header, "‖W‖^(T−k)", "ρ(W)^(T−k)"] if law else header,
        fold_rows(
            [
                [
                    str(row.k),
                    str(row.lag),
                    *(
                        number(n, 6)
                        for n in (row.norm, row.product_of_norms, row.bound, row.radius_law)
                        if n is not None
                    ),
                ]
                for row in rows
            ]
        ),
    )
    print()
    say(
        "‖J_T ⋯ J_(k+1)‖ = ‖∂h_T/∂h_k‖ is how much of a change of h_k arrives at h_T at most (spectral norms)"
        + ("; it is below the product of the norms, and that below ‖W‖^(T−k)." if law else ".")
    )


def _print_straight(path: Straight) -> None:
    """Print a row per time step: the factors, their product, and what of the gradient came along the path."""
    many, products = len(path.straight[max(path.straight)]) > 1, path.products()
    factor = f"{path.factor_name}_(k+1)" if path.factor_name else "factor of step k+1"
    L = f"∂L/∂{path.name}_k"
    rows = [
        [
            str(k),
            _span(path.factors[k + 1]) if k + 1 in path.factors else "",
            _span(products[k]),
            number(number_or_norm(path.straight[k] if many else path.straight[k][0]), 6),
            number(number_or_norm(path.gradients[k] if many else path.gradients[k][0]), 6),
        ]
        for k in sorted(path.straight, reverse=True)
    ]
    header = ["k", factor, "their product", "straight", L]
    print_table([*header[:3], *(f"‖{name}‖" if many else name for name in header[3:])], fold_rows(rows))
    print()
    name = path.factor_name or "factor"
    say(
        f"Straight along {path.name}, past every matrix and nonlinearity, a step multiplies each unit by {name}"
        f"{'_t' if path.factor_name else ''}{' (here the smallest … the largest of all units)' if many else ''}"
        f"{': the constant error path' if path.name == 'c' else ''}. The column straight is what of {L} came that way; "
        "the rest went through pre-activations, and may cancel it."
    )


def _span(numbers: Sequence[float]) -> str:
    low, high = (number(end(numbers)) for end in (min, max))
    return low if low == high else f"{low} … {high}"


def _print_paths(all_paths: Sequence[Path]) -> None:
    for path in all_paths:
        say(str(path))
    add = f"These {len(all_paths)} paths add" if len(all_paths) > 1 else "This path adds"
    product = exact_sum(path.product for path in all_paths)
    edges = sum(len(node.parents) for node in topological_order(all_paths[0].loss))
    say(
        f"{add} up to {number(product, 9)}; backward() lists none of them: it goes once "
        f"through the {count(edges, 'edge')} of the graph."
    )
