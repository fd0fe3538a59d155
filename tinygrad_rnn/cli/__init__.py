"""The ``tinygrad-rnn`` command.

Without a command it does the main job (`main_job`). Every other module of this package that has
``register(subparsers)`` is a command: ``register`` adds its parser and sets ``run`` as a default of it, and
``run(args)`` returns the exit code. Such a module imports what it needs within ``run``, so that asking for
help, and every other command, stays fast.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence
from typing import NoReturn

from .. import __version__
from ..errors import ArgumentError, TinygradRNNError
from . import main_job
from .console import speak_any_encoding

PROGRAM = "tinygrad-rnn"


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are errors of this package, so that they are told like all others."""

    def error(self, message: str) -> NoReturn:
        raise ArgumentError(message, remedy=f"{self.prog} --help lists the options")


def build_parser() -> Parser:
    """The parser of the whole command line."""
    parser = Parser(
        prog=PROGRAM,
        description="Unroll an RNN over a real sequence, run backward(), and show how the gradient reached every step.",
        epilog=f"{PROGRAM} COMMAND --help lists the options of a command.",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    main_job.add_options(parser)
    parser.set_defaults(run=main_job.run)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="other commands")
    for module_info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{module_info.name}")
        if hasattr(module, "register"):
            module.register(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (by default the process's own) and return the exit code.

    A mistake of the user ends in one line on stderr and exit code 2; Ctrl-C (130) and a closed pipe (141)
    end without a word, with the codes that a shell gives to a process killed by SIGINT and SIGPIPE.
    """
    speak_any_encoding()
    argv = sys.argv[1:] if argv is None else argv
    try:
        args = build_parser().parse_args(argv)
        if args.command and argv[0] != args.command:
            # argparse would overwrite them with the command's defaults.
            raise ArgumentError(
                f"options before the command {args.command!r}",
                remedy=f"Write {PROGRAM} {args.command} first, then its options",
            )
        code: int = args.run(args)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except TinygradRNNError as error:
        return _complain(str(error))
    except BrokenPipeError:
        # Python flushes stdout once more as it exits, which must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        return _complain(f"{error.filename or 'output'}: {error.strerror or error}")
    except KeyboardInterrupt:
        return 130


def _complain(message: str) -> int:
    one_line = " ".join(message.split())
    print(f"{PROGRAM}: error: {one_line}", file=sys.stderr)
    return 2
