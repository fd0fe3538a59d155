"""``tinygrad-rnn step``: the debugger for the backward pass, on the problem of the main command."""

from __future__ import annotations

import argparse

from ..support.progress import late_clock
from .inputs import input_options, read_problem
from .options import Option, Switch

DESCRIPTION = (
    "Step through the backward pass of the loss that tinygrad-rnn reports. Commands come from -c, or else from "
    "standard input; help lists them. The exit code is 1 if a command of a script failed."
)
OPTIONS = {
    **input_options(),
    "stepping": (
        Option(
            "commands",
            "command to carry out before leaving, or several as in 'n; n'; may be repeated",
            ("-c", "--command"),
            action="append",
            metavar="COMMAND",
        ),
        Switch("no_undo", "do not keep the steps: memory does not grow, but there is no back, rc, why, w, u or d"),
        Switch("constants", "give constants, such as the target of the loss, steps of their own"),
    ),
}


def run(args: argparse.Namespace) -> int:
    """Carry out the commands; return 1 if one of a script failed."""
    from ..debugger import Debugger, Terminal  # as slow to import as all else together: not for --help

    with late_clock("graph"):
        problem = read_problem(args)
        debugger = Debugger(problem.loss, problem.unrolled, undo=not args.no_undo, constants=args.constants)
    return Terminal(debugger).run(args.commands)
