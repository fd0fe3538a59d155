"""Progress bars on stderr, by tqdm."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol
from weakref import ref

PATIENCE = 1.0  # seconds without a bar
INTERVAL = 0.1  # seconds between two pictures of a bar


class Bar(Protocol):
    """The methods of tqdm that are used. Here they do nothing."""

    def update(self, n: int = 1) -> object:
        """Count ``n`` more."""
        return None

    def set_postfix_str(self, s: str, refresh: bool = True) -> object:
        """Set the text beside the count."""
        return None

    def refresh(self) -> object:
        """Show it once more, with the time that has passed."""
        return None

    def external_write_mode(self) -> AbstractContextManager[object]:
        """Return a context in which others may write to the terminal."""
        return nullcontext()

    def close(self) -> object:
        """Remove the bar from the terminal."""
        return None


class NoBar(Bar):
    """A bar that is not shown."""


def make_bar(
    description: str,
    total: int | None,
    initial: int,
    wanted: bool | None,
    unit: str = "step",
    form: str | None = None,
) -> Bar:
    """Return a bar on stderr. It is removed when it is closed.

    Args:
        description: what is going on.
        total: how many units there are in all; None if that is unknown.
        initial: how many are done already.
        wanted: whether to show a bar; None for "if stderr is a terminal".
        unit: what is counted.
        form: what the bar looks like, as tqdm's ``bar_format``.
    """
    if wanted is None:
        wanted = sys.stderr is not None and sys.stderr.isatty()
    if not wanted:
        return NoBar()  # where nothing is shown, tqdm is not imported and its thread does not start
    from tqdm import tqdm  # type: ignore[import-untyped]

    bar: Bar = tqdm(
        **{"desc": description, "total": total, "initial": initial, "unit": unit, "bar_format": form},
        **{"file": sys.stderr, "mininterval": INTERVAL, "leave": False},
    )
    return bar


@contextmanager
def late_clock(description: str, status: Callable[[], str] = str) -> Iterator[None]:
    """Show how long something has taken, where nobody knows how much there is to do: from `PATIENCE` seconds on, if
    stderr is a terminal. Nobody else may write to the terminal meanwhile, except other bars.

    Args:
        description: what is going on.
        status: how far it has come, called in another thread.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    done = threading.Event()
    ref_to_done = ref(done)  # the clock also stops if Ctrl-C ends this frame before it comes to `finally`

    def is_done_within(seconds: float) -> bool:
        done = ref_to_done()
        return done is None or done.wait(seconds)

    def show() -> None:
        if not is_done_within(PATIENCE):
            bar = make_bar(description, None, 0, True, form="{desc}: {elapsed}{postfix}")
            bar.set_postfix_str(status())
            while not is_done_within(0.5):
                bar.set_postfix_str(status())
            bar.close()

    clock = threading.Thread(target=show, daemon=True)
    clock.start()
    try:
        yield
    finally:
        done.set()
        clock.join()


@contextmanager
def late_bar(description: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """A bar for what may take a moment or minutes: one appears after `PATIENCE` seconds, if stderr is a terminal.

    Yields:
        a function to call with how many units are done, and how many there are in all.
    """
    begun, bar, shown = time.monotonic(), None, 0

    def show(done: int, total: int) -> None:
        nonlocal bar, shown
        if bar is None and time.monotonic() - begun > PATIENCE:
            bar, shown = make_bar(description, total, done, None, unit), done
        if bar is not None:
            bar.update(done - shown)
            shown = done

    try:
        yield show
    finally:
        if bar is not None:
            bar.close()
