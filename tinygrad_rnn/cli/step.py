"""``tinygrad-rnn step``: the debugger for the backward pass, on the inputs of the main job."""

from __future__ import annotations

import argparse
from typing import Any

from .inputs import add_input_options, read_problem


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "step",
        help="step through the backward pass, with breakpoints, undo, and the letters of pdb",
        description="Step through the backward pass of the main job's loss. Commands come from -c, or else from "
        "standard input; help lists them. The exit code is 1 if a command of a script failed.",
    )
    add_input_options(parser)
    script = parser.add_argument_group("stepping")
    script.add_argument(
        "-c",
        "--command",
        action="append",
        dest="commands",
        metavar="COMMAND",
        help="carry out this command, or several as in 'n; n', and leave; may be repeated",
    )
    script.add_argument(
        "--no-undo",
        action="store_true",
        help="do not keep the steps: memory does not grow, but there is no back, rc, why, w, u or d",
    )
    script.add_argument(
        "--constants",
        action="store_true",
        help="give constants, such as the target of the loss, steps of their own",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Carry out the commands; 1 if one of a script failed."""
    from ..debugger import Debugger, Terminal

    problem = read_problem(args)
    debugger = Debugger(problem.loss, problem.unrolled, undo=not args.no_undo, constants=args.constants)
    return Terminal(debugger).run(args.commands)
