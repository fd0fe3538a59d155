"""The main job: unroll, run backward(), and show how the gradient reached every step, and by which factors."""

from __future__ import annotations

import argparse
import os

from ..bptt.chain import Link, chain
from ..support.progress import late_bar
from .console import print_json, say
from .inputs import input_options, read_problem
from .options import PICTURE, PICTURES, PRINTED, Option, Switch, output_option, picture_arguments, picture_file
from .outputs import check_writable
from .report import make_report

DESCRIPTION = "Unroll an RNN over a real sequence, run backward(), and show how the gradient reached every step."
OPTIONS = {
    **input_options(),
    "output": (
        (
            output_option(
                f"picture: {', '.join(PICTURES)}; an existing file is overwritten",
                default="bptt.svg",
                type=picture_file,
            ),
            Switch("no_picture", "draw nothing"),
        ),
        *PICTURE,
        Option(
            "state", "part of the state that the chain is about: h, or c of an lstm", usual="all of it", metavar="NAME"
        ),
        Switch("local_gradients", "with --detail values, write its local gradient on every edge"),
        Switch("text_graph", "print the picture as text in place of the table"),
        PRINTED,
    ),
}


def run(args: argparse.Namespace) -> int:
    """Do the main job; return 1 if backward() and the chain disagree, which would be a bug."""
    picture = None if args.no_picture else args.output
    looks = picture_arguments(args, picture)
    check_writable(picture)
    problem = read_problem(args)
    problem.loss.backward()
    links: list[Link] = []
    with late_bar("Jacobians", unit="step") as show:
        for link in chain(problem.unrolled, problem.loss):
            links.append(link)
            show(len(links), problem.unrolled.T + 1)
    report = make_report(problem, links, args.state)
    overwritten = picture is not None and os.path.exists(picture)
    drawing = None
    if picture is not None or args.text_graph:
        from ..pictures import draw  # as slow to import as all else together: not for --help and --no-picture

        drawing = draw(
            problem.unrolled,
            loss=problem.loss,
            state=args.state,
            local_gradients=args.local_gradients,
            **problem.labels(),
            **looks,
        )
    if drawing is not None and picture is not None:
        drawing.save(picture)
    if args.json:
        print_json({**report.as_dict(), "picture": picture})
    elif not args.quiet:
        if args.text_graph and drawing is not None:
            print(drawing.text, end="")
        else:
            report.print()
        if picture is not None:
            say(f"Picture: {picture}{' (overwritten)' if overwritten else ''}")
    return 0 if report.agrees else 1
