"""``tinygrad-rnn explore``: the interactive page."""

from __future__ import annotations

import argparse
import os

from ..compile.javascript import javascript
from ..errors import ArgumentError
from ..page import explore
from ..page.page import check_ending
from ..page.source import from_problem
from ..support.files import write_whole
from ..support.progress import late_bar
from .console import say
from .inputs import input_options, read_problem
from .options import Option, output_option
from .outputs import check_writable

DESCRIPTION = (
    "Write an interactive page, one HTML file that works offline, about the inputs of the main job: the unrolled graph "
    "with every step of its computation, how the gradient decays for every ‖W‖, and where it came from. Here every "
    "time step has a loss, unless --loss last is given."
)
OPTIONS = {
    **input_options(loss="all"),
    "output": (
        output_option("page; an existing file is overwritten", default="bptt.html"),
        Option("code", "write the time step as a JavaScript module, instead of the page", metavar="FILE.mjs"),
    ),
}


def run(args: argparse.Namespace) -> int:
    """Write the page, or the time step."""
    if args.code is not None:
        return _write_code(args)
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


def _write_code(args: argparse.Namespace) -> int:
    """Write the time step, forward and backward, as a JavaScript module."""
    if not args.code.endswith((".mjs", ".js")):
        raise ArgumentError(f"cannot write a module as {args.code!r}", remedy="Let its name end in .mjs")
    check_writable(args.code)
    problem = read_problem(args)
    program = javascript(from_problem(problem).step)
    write_whole(args.code, program.module)
    say(f"Time step of {problem.cell!r}: {args.code}, {len(program.module.encode()) / 1000:,.0f} kB.")
    return 0
