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
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

from .. import __version__
from ..errors import ArgumentError, TinygradRNNError
from . import main_job
from .console import speak_any_encoding

PROGRAM = "tinygrad-rnn"


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are errors of this package, so that they are told like all others.

    Options cannot be abbreviated, so that a new option never breaks an old script.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})
        # argparse's own takes -1e-3 (before Python 3.14) and -inf for options.
        self._negative_number_matcher = re.compile(r"-(\.?\d|inf|nan)", re.IGNORECASE)

    def error(self, message: str) -> NoReturn:
        commands = " and commands; a command comes first" if self.prog == PROGRAM else ""
        raise ArgumentError(message, remedy=f"{self.prog} --help lists the options{commands}")


def build_parser(commands: bool = True) -> Parser:
    """The parser of the whole command line, or of the main job alone.

    Args:
        commands: whether to register them. Without, they need not be imported, and a stray word among the
            options of the main job is not mistaken for one.
    """
    parser = Parser(
        prog=PROGRAM,
        description="Unroll an RNN over a real sequence, run backward(), and show how the gradient reached every step.",
        epilog=f"{PROGRAM} COMMAND --help lists the options of a command.",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    main_job.add_options(parser)
    parser.set_defaults(run=main_job.run)
    if commands:
        subparsers = parser.add_subparsers(metavar="COMMAND", title="other commands")
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
        code = _run(argv)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except TinygradRNNError as error:
        return _complain(str(error))
    except BrokenPipeError:
        _abandon_stdout()
        return 141
    except OSError as error:
        _abandon_stdout()
        return _complain(f"{error.filename or 'output'}: {error.strerror or error}")
    except KeyboardInterrupt:
        _abandon_stdout()
        return 130


def _run(argv: Sequence[str]) -> int:
    names_a_command = bool(argv) and not argv[0].startswith("-")
    asks_for_help = not {"-h", "--help"}.isdisjoint(argv)
    try:
        args = build_parser(names_a_command or asks_for_help).parse_args(argv)
    except SystemExit:  # --help and --version
        return 0
    code: int = args.run(args)
    return code


def _abandon_stdout() -> None:
    """Python flushes stdout once more as it exits, which must not fail, or block, again."""
    with suppress(AttributeError, OSError):  # there is no stdout, or it is not a file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(message: str) -> int:
    one_line = " ".join(message.split())
    print(f"{PROGRAM}: error: {one_line}", file=sys.stderr)
    return 2
