"""The ``tinygrad-rnn`` command.

To read it:

- this file: `main` imports the module of the command that was named, and reports errors in one line;
- `options`: how a command declares its options, and those that several share;
- `inputs`: the options that choose a cell and a sequence, and the problem that they describe;
- `main_job` and `report`: what ``tinygrad-rnn`` does without a command;
- the commands, each in the module of its name. Those about a gradient share `inputs`, `parameters` and `heat_map`,
  and `compare` belongs to `decay`; ``train`` and ``sweep`` share `training`;
- `console`, `outputs` and `plotting`: what all of them print and write.

A command is a module with a ``DESCRIPTION``, a table ``OPTIONS``, and ``run(args)``, which returns the exit code. A
new one also gets a line in `COMMANDS`. Only the module of the command that was named is imported, so that help and
every other command stay fast.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import textwrap
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from difflib import get_close_matches
from io import StringIO

from .. import __version__
from ..errors import ArgumentError, TinygradRNNError
from ..support.progress import late_clock
from ..support.text import printable
from .console import columns, complete_streams, speak_any_encoding
from .options import Parser, add_options

PROGRAM = "tinygrad-rnn"
LONGEST_MESSAGE = 2000  # characters; text from a file or a command line may have millions
MAIN_JOB = "main_job"  # the module of what is done without a command
#: The commands and their help, in the order in which a newcomer looks for them.
COMMANDS = {
    "step": "step through the backward pass, with breakpoints, undo, and pdb's commands",
    "explore": "write an interactive page: change any weight or input, and the chain follows",
    "anatomy": "where a gradient came from: by time step of use, time step of loss, and lag",
    "decay": "how a gradient vanishes or explodes with distance, beside the law ‖W‖^(T−k)",
    "truncate": "what truncated BPTT keeps of the gradient, and what it cuts",
    "train": "train a network on a task",
    "eval": "measure a trained network",
    "sample": "generate text from a trained network",
    "sweep": "train on a task with many settings and seeds",
}


#: Those that print as they go; the others at the end.
AT_ONCE = {"step", "train", "sample", "sweep"}


class MainParser(Parser):
    """The parser of the main job, whose help also lists the commands."""

    remedy = "{prog} --help lists the options and commands; a command comes first"

    def format_help(self) -> str:
        """The help of the main job, and the commands."""
        width = max(40, columns(80) - 2)
        commands = (
            textwrap.fill(help, width, initial_indent=f"  {name:<22}", subsequent_indent=" " * 24)
            for name, help in COMMANDS.items()
        )
        end = f"{PROGRAM} COMMAND --help lists the options of a command."
        return "\n".join([f"{super().format_help()}\ncommands:", *commands, "", end, ""])


def make_parser(command: str = MAIN_JOB) -> argparse.ArgumentParser:
    """The parser of one of `COMMANDS`, or by default of the main job."""
    module = importlib.import_module(f".{command}", __name__)
    if command == MAIN_JOB:
        usage = f"{PROGRAM} [option ...]\n       {PROGRAM} COMMAND [option ...]"
        parser: Parser = MainParser(prog=PROGRAM, usage=usage, description=module.DESCRIPTION)
        parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    else:
        parser = Parser(prog=f"{PROGRAM} {command}", description=module.DESCRIPTION)
    add_options(parser, module.OPTIONS)
    parser.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (by default the process's own) and return the exit code.

    A mistake of the user ends in one line on stderr and exit code 2. Ctrl-C (130) and a closed pipe (141) end
    without a message, with the codes that a shell gives to a process killed by SIGINT and SIGPIPE.
    """
    complete_streams()
    speak_any_encoding()
    argv = sys.argv[1:] if argv is None else argv
    try:
        code = _run(argv)
        sys.stdout.flush()
        return code
    except TinygradRNNError as error:
        return _report(str(error))
    except BrokenPipeError:
        _abandon_stdout()
        return 141
    except OSError as error:
        _abandon_stdout()
        return _report(f"{error.filename or 'output'}: {error.strerror or error}")
    except MemoryError:
        return _report("there is not enough memory. Give smaller numbers")
    except KeyboardInterrupt:
        _abandon_stdout()
        return 130


def _run(argv: Sequence[str]) -> int:
    command, arguments = MAIN_JOB, argv
    if argv and not argv[0].startswith("-"):
        command, *arguments = argv
        if command not in COMMANDS:
            close = get_close_matches(command, COMMANDS, n=1)
            remedy = f"Did you mean {close[0]}?" if close else f"{PROGRAM} --help lists the commands"
            raise ArgumentError(f"no command {command[:40]!r}", remedy=remedy)
    try:
        args = make_parser(command).parse_args(arguments)
    except SystemExit:  # --help and --version
        return 0
    run: Callable[[argparse.Namespace], int] = args.run
    if command in AT_ONCE:
        return run(args)
    # The clock and what is printed would get into each other's lines.
    with late_clock(command.replace("_", " ")), redirect_stdout(StringIO()) as printed:
        code = run(args)
    print(printed.getvalue(), end="")
    return code


def _abandon_stdout() -> None:
    """Redirect stdout to nowhere: Python flushes it once more as it exits, which must not fail, or block, again."""
    with suppress(OSError):  # it is not a file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report(message: str) -> int:
    one_line = printable(" ".join(message.split()), LONGEST_MESSAGE)
    with suppress(OSError):  # stderr cannot be written either: only the exit code is left
        print(f"{PROGRAM}: error: {one_line}", file=sys.stderr, flush=True)
    return 2
