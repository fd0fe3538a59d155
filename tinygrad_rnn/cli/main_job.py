"""The main job: unroll, run backward(), and show how the gradient reached every step, and by which factors."""

from __future__ import annotations

import argparse
import os

from ..bptt.chain import chain
from .console import print_json, say
from .inputs import add_input_options, read_problem
from .outputs import check_writable
from .report import Report

DEFAULT_PICTURE = "bptt.svg"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the main job."""
    add_input_options(parser)
    output = parser.add_argument_group("output")
    picture = output.add_mutually_exclusive_group()
    picture.add_argument(
        "-o",
        "--output",
        default=DEFAULT_PICTURE,
        metavar="FILE",
        help=f"the picture, .svg, .png or .dot ({DEFAULT_PICTURE}); an existing file is overwritten",
    )
    picture.add_argument("--no-picture", action="store_true", help="draw nothing")
    output.add_argument(
        "--view", choices=("full", "folded"), help="draw every Value, or a node per state (full, where a step is small)"
    )
    output.add_argument(
        "--state", metavar="NAME", help="to which part of the state the chain is lit: h, or c of an lstm (h)"
    )
    output.add_argument("--local-gradients", action="store_true", help="write its local gradient on every edge")
    form = output.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print everything as JSON")
    form.add_argument("--quiet", action="store_true", help="print nothing")


def run(args: argparse.Namespace) -> int:
    """Do the main job; 1 if backward() and the chain disagree, which would be a bug."""
    picture = None if args.no_picture else args.output
    check_writable(picture)
    problem = read_problem(args)
    problem.loss.backward()
    report = Report(problem, list(chain(problem.unrolled, problem.loss)))
    overwritten = picture is not None and os.path.exists(picture)
    if picture is not None:
        from ..pictures import draw

        drawing = draw(
            problem.unrolled,
            loss=problem.loss,
            state=args.state,
            view=args.view,
            local_gradients=args.local_gradients,
        )
        drawing.save(picture)
    if args.json:
        print_json({**report.as_dict(), "picture": picture})
    elif not args.quiet:
        report.print()
        if picture is not None:
            say(f"Picture: {picture}{' (overwritten)' if overwritten else ''}")
    return 0 if report.agrees else 1
