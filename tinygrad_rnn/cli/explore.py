"""``tinygrad-rnn explore``: the interactive page."""

from __future__ import annotations

import argparse
import os
from typing import Any

from .console import say
from .inputs import add_input_options, read_problem
from .outputs import check_writable

DEFAULT_PAGE = "bptt.html"


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "explore",
        help="write an interactive page: walk through time, slide ‖W‖ across 1, see the chain",
        description="Write an interactive page, one HTML file that works offline, about the inputs of the main job: "
        "the unrolled graph with every step of its computation, how the gradient decays for every ‖W‖, and where it "
        "came from. Here every time step has a loss, unless --loss last is given.",
    )
    add_input_options(parser)
    parser.set_defaults(run=run, loss="all")
    output = parser.add_argument_group("output")
    output.add_argument(
        "-o",
        "--output",
        default=DEFAULT_PAGE,
        metavar="FILE",
        help=f"the page ({DEFAULT_PAGE}); an existing file is overwritten",
    )


def run(args: argparse.Namespace) -> int:
    """Write the page."""
    from ..page import explore
    from ..page.page import check_ending
    from ..support.progress import late_bar

    check_ending(args.output)
    check_writable(args.output)
    problem = read_problem(args)
    with late_bar("Page", unit="part") as show:
        page = explore(
            problem.unrolled, problem.loss, problem.losses, title=problem.title, names=problem.names, progress=show
        )
    overwritten = os.path.exists(args.output)
    page.save(args.output)
    size = len(page.html().encode()) / 1000
    say(f"Page: {args.output}, {size:,.0f} kB{' (overwritten)' if overwritten else ''}. Open it in a browser.")
    return 0
