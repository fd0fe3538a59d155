"""``tinygrad-rnn explore``: the interactive page, or its program."""

from __future__ import annotations

import argparse
import os

from ..compile.javascript import javascript
from ..errors import ArgumentError
from ..nn import OneHot
from ..nn.kinds import KINDS
from ..page.api import page_of
from ..page.page import check_ending
from ..page.source import Source, from_sequence
from ..support.files import write_whole
from .console import say
from .inputs import Data, input_options, make_cell, problem_arguments, read_data
from .options import QUIET, Option, output_option
from .outputs import check_writable

DESCRIPTION = (
    "Write an interactive page, one HTML file that works offline, about the problem that tinygrad-rnn poses: the "
    "unrolled network with its chain, on which every weight, input and setting can be changed, and everything "
    "follows; where the gradient came from, how it decays for every ‖W‖, and training."
)
#: The file of the page, by default.
OUTPUT = "bptt.html"

OPTIONS = {
    **input_options(),
    "the page": (
        Option(
            "with_cells",
            "further cells to choose from on the page",
            ("--with",),
            choices=tuple(KINDS),
            nargs="+",
            metavar="CELL",
        ),
    ),
    "output": (
        output_option("page; an existing file is overwritten", default=OUTPUT),
        Option("code", "write the time step as a JavaScript module, instead of the page", metavar="FILE.mjs"),
        QUIET,
    ),
}


def run(args: argparse.Namespace) -> int:
    """Write the page, or the time step."""
    if args.code is not None:
        return _write_code(args)
    check_ending(args.output)
    check_writable(args.output)
    data = read_data(args)
    others = [_source(_of_kind(args, kind), data) for kind in dict.fromkeys(args.with_cells or ())]
    page = page_of(_source(args, data), title=data.title, names=data.names, alphabet=data.alphabet, others=others)
    overwritten = " (overwritten)" if os.path.exists(args.output) else ""
    page.save(args.output)
    if not args.quiet:
        say(f"Page: {args.output}, {len(page.html().encode()) / 1000:,.0f} kB{overwritten}. Open it in a browser.")
        say("Try first: drag a weight until the gradient explodes, cut a link of the chain by a click, press Run.")
    return 0


def _source(args: argparse.Namespace, data: Data) -> Source:
    """The source of the page: the cell over the sequence. Nothing is unrolled."""
    cell, readout = make_cell(args, data)
    which = args.loss or ("all" if data.alphabet else args.default_loss)
    posed = problem_arguments(data, readout, which)
    if data.alphabet:  # a column of U is looked up, so a step has no multiplication by 0 or 1 for each of its weights
        posed["inputs"] = [OneHot(x.index(1.0), len(x)) for x in posed["inputs"]]
    return from_sequence(cell, **posed)


def _of_kind(args: argparse.Namespace, kind: str) -> argparse.Namespace:
    """The options for a further cell: those that every kind of cell has."""
    only = dict.fromkeys(("w", "u", "b", "nonlinearity", "forget_bias"))
    return argparse.Namespace(**{**vars(args), **only, "cell": kind})


def _write_code(args: argparse.Namespace) -> int:
    """Write the time step, forward and backward, as a JavaScript module."""
    if not args.code.endswith((".mjs", ".js")):
        raise ArgumentError(f"cannot write a module as {args.code!r}", remedy="Let its name end in .mjs")
    if args.with_cells or args.output != OUTPUT:
        option = "--with" if args.with_cells else "--output"
        raise ArgumentError(f"{option} besides --code", remedy="A module holds one cell, and no page: leave it out")
    check_writable(args.code)
    source = _source(args, read_data(args))
    program = javascript(source.step)
    write_whole(args.code, program.module)
    if not args.quiet:
        say(f"Time step of {source.step.cell!r}: {args.code}, {len(program.module.encode()) / 1000:,.0f} kB.")
    return 0
