"""The progress bar: tqdm where it is installed, else a line of our own."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

PATIENCE = 1.5  # seconds without a bar


class Bar(Protocol):
    """What both have, with tqdm's names."""

    def update(self, n: int = 1) -> object:
        """Count ``n`` more steps."""

    def set_postfix_str(self, s: str, refresh: bool = True) -> object:
        """Say ``s`` beside the count."""

    def external_write_mode(self) -> AbstractContextManager[object]:
        """Within this context others may write to the terminal."""

    def close(self) -> object:
        """Leave the terminal in order."""


class PlainBar:
    """Writes ``description 12/100 postfix`` to stderr, in place, at most ten times a second."""

    def __init__(self, description: str, total: int | None, initial: int) -> None:
        self.description, self.total, self.count = description, total, initial
        self.postfix = ""
        self.shown_at = 0.0
        self.length = 0

    def update(self, n: int = 1) -> None:
        """Count ``n`` more steps."""
        self.count += n
        if time.monotonic() - self.shown_at > 0.1:
            self._show()

    def set_postfix_str(self, s: str, refresh: bool = True) -> None:
        """Say ``s`` beside the count."""
        self.postfix = s

    @contextmanager
    def external_write_mode(self) -> Iterator[None]:
        """Clear the line for others."""
        print(f"\r{' ' * self.length}\r", end="", file=sys.stderr, flush=True)
        yield
        self._show()

    def close(self) -> None:
        """Show the last state and end the line."""
        self._show()
        print(file=sys.stderr)

    def _show(self) -> None:
        of = "" if self.total is None else f"/{self.total}"
        line = f"{self.description} {self.count}{of} {self.postfix}"
        print(f"\r{line.ljust(self.length)}", end="", file=sys.stderr, flush=True)
        self.length, self.shown_at = len(line), time.monotonic()


class NoBar:
    """Says nothing."""

    def update(self, n: int = 1) -> None:
        """Nothing."""

    def set_postfix_str(self, s: str, refresh: bool = True) -> None:
        """Nothing."""

    def external_write_mode(self) -> AbstractContextManager[object]:
        """Nothing."""
        return nullcontext()

    def close(self) -> None:
        """Nothing."""


@contextmanager
def late_bar(description: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """A bar for what may take a moment or minutes: one appears after `PATIENCE` seconds, if stderr is a terminal.

    Yields:
        what to call with how many parts are done, and how many there are in all.
    """
    begun, shown = time.monotonic(), 0
    bar: Bar = NoBar()

    def show(done: int, total: int) -> None:
        nonlocal bar, shown
        if isinstance(bar, NoBar) and time.monotonic() - begun > PATIENCE:
            bar, shown = make_bar(description, total, done, None, unit), done
        bar.update(done - shown)
        shown = done

    try:
        yield show
    finally:
        bar.close()


def make_bar(description: str, total: int | None, initial: int, wanted: bool | None, unit: str = "step") -> Bar:
    """A bar on stderr.

    Args:
        description: what is going on.
        total: steps in all; None where nobody knows.
        initial: steps already taken.
        wanted: whether to show one; None for "if stderr is a terminal".
        unit: what a step is called.
    """
    if not (sys.stderr is not None and sys.stderr.isatty() if wanted is None else wanted):
        return NoBar()
    try:
        from tqdm.auto import tqdm  # type: ignore[import-untyped]
    except ImportError:
        return PlainBar(description, total, initial)
    bar: Any = tqdm(desc=description, total=total, initial=initial, unit=unit, file=sys.stderr)
    return bar  # type: ignore[no-any-return]
