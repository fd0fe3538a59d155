"""One time step in full, at the foot of the level of states: the last one that is shown."""

from __future__ import annotations

from typing import Protocol

from .sheet import Sheet
from .step_chain import StepChain
from .step_equations import StepEquations
from .step_graph import StepGraph
from .subject import Subject


class Panel(Protocol):
    """A time step, laid out."""

    @property
    def height(self) -> float:
        """How much room it takes."""
        ...

    def draw(self, top: float) -> None:
        """Draw it, with its upper edge at ``top``."""


def choose(subject: Subject, sheet: Sheet, room: float) -> Panel | None:
    """The last time step that is shown in as much detail as fits into that height; None if nothing does.

    Every Value as a chain where that is all there is; the equations of a cell on vectors that we know; of any other
    cell every Value as a graph.
    """
    t = max(subject.shown)
    if t == subject.first:
        return None
    panel: Panel | None = StepChain.of(subject, sheet, t) if subject.is_scalar else None
    panel = panel or StepEquations.of(subject, sheet, t)
    if panel is None and not subject.is_built_in:
        panel = StepGraph.of(subject, sheet, t, room)
    return panel if panel is not None and panel.height <= room + 1e-6 else None
