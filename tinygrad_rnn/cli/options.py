"""Options: how a command declares one, the types of their values, and those that several commands share.

A command declares its options as a `Table`, group by group. A default that a value does not show by itself, because
it depends on other options, is described by ``usual``; the help gives both in one form, ``(default: …)``.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from ..errors import ArgumentError
from ..support.numbers import typed, typed_whole

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

# ---- declaring them -------------------------------------------------------------------------------------------------


T = TypeVar("T")


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises ArgumentError, so usage errors are reported like any other.

    Options cannot be abbreviated, so that a new option never breaks an old script.
    """

    remedy = "{prog} --help lists the options"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})
        # argparse's own takes -1e-3 (before Python 3.14) and -inf for options.
        self._negative_number_matcher = re.compile(r"-(\.?\d|inf|nan)", re.IGNORECASE)

    def error(self, message: str) -> NoReturn:
        """Raise an ArgumentError."""
        raise ArgumentError(message, remedy=self.remedy.format(prog=self.prog))

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        """Print the help or the version. argparse's own method passes over errors."""
        (sys.stderr if file is None else file).write(message)


class Option:
    """An option of a command, or a positional argument if it has no flags.

    Args:
        name: the attribute of the parsed arguments that holds its value.
        help: what it is, without the default.
        flags: what is typed; by default ``--`` and the name.
        default: its value if it is not typed.
        usual: the default as the help describes it, where the value does not say it.
        hidden: leave it out of the help, because the command only says why it refuses it.
        settings: other arguments of `argparse.ArgumentParser.add_argument`.
    """

    def __init__(
        self,
        name: str,
        help: str,
        flags: tuple[str, ...] | None = None,
        *,
        default: object = None,
        usual: str | None = None,
        hidden: bool = False,
        **settings: Any,
    ) -> None:
        self.name = name
        self.help = help
        self.flags = (flag(name),) if flags is None else flags
        self.default = default
        self.usual = usual
        self.hidden = hidden
        self.settings = settings

    def add_to(self, group: argparse._ActionsContainer) -> None:
        """Add it to a parser, or to a group of one."""
        usual = self.usual if self.usual is not None or self.default is None else as_typed(self.default)
        help = f"{self.help} (default: {usual})" if usual else self.help
        if self.hidden:
            help = argparse.SUPPRESS
        where: dict[str, Any] = {"dest": self.name} if self.flags else {}
        action = group.add_argument(*(self.flags or [self.name]), **where, help=help, **self.settings)
        action.default = self.default  # only now: BooleanOptionalAction would add it to the help a second time


class Switch(Option):
    """An option without a value, which is on if it is typed."""

    def __init__(self, name: str, help: str) -> None:
        super().__init__(name, help, default=False, usual="", action="store_true")


class Preset(Option):
    """A value that a command sets itself."""

    def __init__(self, name: str, value: object) -> None:
        super().__init__(name, "", default=value)

    def add_to(self, group: argparse._ActionsContainer) -> None:
        """Add it to a parser, or to a group of one."""
        group.set_defaults(**{self.name: self.default})


#: Options by the title of their group; "" is the parser itself. Of those in a tuple, at most one may be typed.
Table = Mapping[str, Iterable[Option | tuple[Option, ...]]]


def add_options(parser: argparse.ArgumentParser, table: Table) -> None:
    """Add all options of a table to a parser."""
    for title, entries in table.items():
        group = parser.add_argument_group(title) if title else parser
        for entry in entries:
            if isinstance(entry, Option):
                entry.add_to(group)
            else:
                alternatives = group.add_mutually_exclusive_group()
                for option in entry:
                    option.add_to(alternatives)


def dash(name: str) -> str:
    """The name of an option as people know it."""
    return name.replace("_", "-")


def flag(name: str) -> str:
    """The text to type for the option of this name."""
    return f"--{dash(name)}"


def as_typed(value: object) -> str:
    """The value of an option as it is typed."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return " ".join(map(as_typed, value))
    return "none" if value is None else str(value)


# ---- types of their values ------------------------------------------------------------------------------------------


def whole_number(least: int) -> Callable[[str], int]:
    """The type of an option that takes a whole number of at least ``least``."""

    def parse(text: str) -> int:
        number = typed_whole(text)
        if number is None and text.isascii() and text.isdecimal():  # Python reads up to 4300 digits
            raise argparse.ArgumentTypeError(f"a number of {len(text):,} digits is more than {sys.maxsize}")
        if number is None or number < least:
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number of at least {least}")
        if number > sys.maxsize:
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is more than {sys.maxsize}")
        return number

    return parse


def finite_number(text: str) -> float:
    """The type of an option that takes a finite number."""
    number = typed(text)
    if number is None or not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a finite number")
    return number


def positive_number(text: str) -> float:
    """The type of an option that takes a finite number above 0."""
    number = finite_number(text)
    if number <= 0.0:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a number above 0")
    return number


def factor(text: str) -> float:
    """The type of an option that takes a number above 0 and at most 1."""
    number = positive_number(text)
    if number > 1.0:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a factor of at most 1")
    return number


def or_none(parse: Callable[[str], T]) -> Callable[[str], T | None]:
    """The type of an option that takes what ``parse`` does, or "none"."""

    def parse_or_none(text: str) -> T | None:
        try:
            return None if text == "none" else parse(text)
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentTypeError(f'{error}, nor "none"') from error

    return parse_or_none


def yes_or_no(text: str) -> bool:
    """The type of an option that takes "yes" or "no"."""
    if text not in ("yes", "no"):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is neither yes nor no")
    return text == "yes"


def separator(text: str) -> str:
    """The type of an option that takes the sign between cells; a tab may be typed as "tab"."""
    sign = "\t" if text in ("tab", "\\t") else text
    if len(sign) != 1:
        raise argparse.ArgumentTypeError(f'{text[:40]!r} is not a single sign, nor "tab"')
    return sign


def span(text: str) -> tuple[int, int]:
    """The type of an option that takes time steps, such as ``3..5`` or ``4``."""
    first, dots, last = text.partition("..")
    try:
        return whole_number(0)(first), whole_number(0)(last if dots else first)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a range of time steps such as 3..5") from error


def file_ending_in(*endings: str) -> Callable[[str], str]:
    """The type of an option that takes the name of a file, whose ending says what is written."""

    def parse(text: str) -> str:
        if not text.lower().endswith(endings):
            raise argparse.ArgumentTypeError(f"{text!r} does not end in {', '.join(endings)}")
        return text

    return parse


PICTURES = (
    ".svg",
    ".png",
    ".pdf",
    ".gif",
    ".tex",
    ".tikz",
    ".mmd",
    ".txt",
    ".dot",
    ".gv",
)  # as in `tinygrad_rnn.pictures`, which is slow to import
#: The type of an option that takes the name of a picture to write.
picture_file = file_ending_in(*PICTURES)


# ---- those that several commands share ------------------------------------------------------------------------------

JSON = Switch("json", "print everything as JSON")
QUIET = Switch("quiet", "print nothing")
#: How a command that also writes files prints what it found.
PRINTED = (JSON, QUIET)
MODEL = Option("model", "file that tinygrad-rnn train saved", (), metavar="FILE")


def output_option(help: str, **more: Any) -> Option:
    """``-o``, for the file that a command writes."""
    return Option("output", help, ("-o", "--output"), metavar="FILE", **more)


def seed_option(what: str, default: object = 0, usual: str | None = None) -> Option:
    """``--seed``, of what is drawn at random."""
    return Option("seed", f"seed of {what}", default=default, usual=usual, type=whole_number(0), metavar="N")


#: What a picture of an unrolled network shows, in the names of the arguments of `draw`.
PICTURE = (
    Option("detail", "states, also gates, or every Value", default="states", choices=("states", "gates", "values")),
    Option("aspect", "shape of the slide", default="16:9", choices=("16:9", "4:3")),
    Option("max_steps", "most time steps to draw", usual="as many as can be read", type=whole_number(2), metavar="T"),
    Option("only", "time steps to draw, such as 3..5", usual="all", type=span, metavar="A..B"),
    Option("title", "headline", usual="what became of the gradient", metavar="TEXT"),
    Switch("no_values", "leave out data and gradients"),
    Switch("animate", "an SVG that plays: values forwards in time, then the gradient on its way back"),
)


_MOVING = (".svg", ".gif")


def picture_arguments(args: argparse.Namespace, file: str | None) -> dict[str, Any]:
    """The arguments of `draw` that the options of `PICTURE` describe.

    Args:
        args: the options.
        file: the picture that is to be written, if any.

    Raises:
        ArgumentError: --animate was typed, and a file of this format cannot move.
    """
    if args.animate and file is not None and not file.lower().endswith(_MOVING):
        raise ArgumentError(
            f"{file!r} would not move",
            remedy=f"--animate is for {' and '.join(_MOVING)}: save it as one, or leave it out",
        )
    names = ("detail", "aspect", "max_steps", "only", "title")
    return {
        **{name: getattr(args, name) for name in names},
        "values": not args.no_values,
        "animate": "backward" if args.animate else None,
    }
