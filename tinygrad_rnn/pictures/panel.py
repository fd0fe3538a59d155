"""One time step in full, at the foot of the coarser levels."""

from __future__ import annotations

from dataclasses import dataclass

from .sheet import Sheet
from .subject import Subject


@dataclass
class Panel:
    """A time step, laid out.

    Attributes:
        height: how much room it takes.
    """

    height: float

    def draw(self, y: float) -> None:
        """Draw it, with its upper edge at ``y``."""


def choose(subject: Subject, sheet: Sheet, room: float) -> Panel | None:
    """The last time step in as much detail as fits into that height; None if nothing does."""
    return None
