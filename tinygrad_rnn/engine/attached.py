"""Whether the debugger that is attached can stop in this package."""

from __future__ import annotations


def warn_if_it_cannot_stop() -> None:
    """Warn."""
