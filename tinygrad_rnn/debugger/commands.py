"""The commands by name, and how a line is read: shortened names, several commands on a line, numbers."""

from __future__ import annotations

from difflib import get_close_matches

from ..errors import ArgumentError
from ..support.checks import in_short
from ..support.numbers import typed_whole

COMMANDS = (
    *("step", "next", "continue", "finish", "back", "rc", "reset", "break", "tbreak", "clear"),
    *("p", "display", "undisplay", "where", "up", "down", "list"),
    *("grads", "why", "chain", "graph", "forward", "help", "quit"),
)
LETTERS = {
    "s": "step",
    "n": "next",
    "c": "continue",
    "b": "break",
    "cl": "clear",
    "w": "where",
    "l": "list",
    "q": "quit",
    "u": "up",
    "d": "down",
    "h": "help",
    "?": "help",
}


def number_after(text: str, least: int = 1) -> int:
    """The number after a command; 1 if there is none.

    Raises:
        ArgumentError: it is not a whole number, or too small.
    """
    number = typed_whole(text or "1")
    if number is None:
        raise ArgumentError(f"{text[:40]!r} is not a whole number", remedy="Give one, such as 3")
    if number < least:
        raise ArgumentError(f"{in_short(number)} is less than {least}")
    return number


def no_argument(text: str) -> None:
    """Check that nothing stands after a command.

    Raises:
        ArgumentError: something does.
    """
    if text:
        raise ArgumentError(f"this command takes no {text[:40]!r}")


def full_name(name: str) -> str:
    """The name of a command that is abbreviated or cut short; anything else as it is."""
    if name in LETTERS:
        return LETTERS[name]
    begun = [command for command in COMMANDS if command.startswith(name)]
    return begun[0] if len(begun) == 1 else name


def unknown(name: str) -> ArgumentError:
    """The error for an unknown command, with similar ones as suggestions."""
    begun = [command for command in COMMANDS if command.startswith(name)]
    close = begun or get_close_matches(name, COMMANDS, n=1)
    hint = f": did you mean {' or '.join(close)}?" if close else "; help lists them"
    return ArgumentError(f"no command {name[:40]!r}{hint}")


def split_line(line: str) -> list[str]:
    """The commands on a line: separated by ``;``, up to a ``#`` that begins a word. Neither counts within quotes."""
    commands, quote = [""], ""
    for before, sign in zip(f" {line}", line):
        if not quote and sign == "#" and before in " \t;":
            break
        if not quote and sign == ";":
            commands.append("")
            continue
        if sign == quote:
            quote = ""
        elif sign in "\"'" and not quote and sign in line.partition(sign)[2]:
            quote = sign
        commands[-1] += sign
    return [command.strip() for command in commands if command.strip()]
