"""One time step in full, at the foot of the level of states: the last one that is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ..errors import DrawError
from ..support import colours
from .sheet import LEAST, Columns, Sheet
from .step_chain import StepChain
from .step_equations import StepEquations
from .step_graph import Plan, StepGraph
from .subject import Subject

_MISSING = 1.6  # height of the line about a time step that is not drawn, in sizes of text


class Panel(Protocol):
    """A time step, laid out."""

    @property
    def height(self) -> float:
        """The room that it takes."""
        ...

    def draw(self, top: float) -> None:
        """Draw it, with its upper edge at ``top``."""


@dataclass(frozen=True)
class Missing:
    """A time step that is not drawn, and why."""

    sheet: Sheet
    step: int
    why: str

    @property
    def height(self) -> float:
        """The room that it takes."""
        return _MISSING * self.sheet.size

    def draw(self, top: float) -> None:
        """Write that it is missing, with the upper edge at ``top``."""
        s = self.sheet.size
        line = f"Step {self.step} is not drawn in full: {self.why}"
        self.sheet.line_of_text("step", line, top + 0.8 * s, s, ink=colours.QUIET, role="heading", step=self.step)


def choose(subject: Subject, least: float) -> tuple[Columns, Panel | None]:
    """The columns of a page, and the last time step that is shown in as much detail as the page has room for.

    Every Value as a chain where that is all there is; the equations of a cell on vectors that we know; of any other
    cell every Value as a graph, for which text may be smaller. None where there is no time step.

    Args:
        subject: what is drawn.
        least: the height of the rest of the page, in sizes of text.
    """
    t, high = max(subject.shown), subject.view.page[1]
    columns = Columns(subject, least)
    if t == subject.first:
        return columns, None
    found = _of_known_cell(subject, columns.sheet, t)
    if found is not None and found.height > high - least * columns.sheet.size:  # smaller, if that helps
        columns = Columns(subject, least + found.height / columns.sheet.size)
        found = _of_known_cell(subject, columns.sheet, t)
    if found is not None and columns.sheet.height <= high:
        return columns, found
    why = "it has no room here"
    if found is None:
        try:
            plan = Plan.of(subject, t, high / LEAST - least)
            columns = Columns(subject, least + plan.height)
            return columns, StepGraph(subject, columns.sheet, t, plan)
        except DrawError as error:
            why = error.what
    columns = Columns(subject, least + _MISSING)
    return columns, Missing(columns.sheet, t, why)


def _of_known_cell(subject: Subject, sheet: Sheet, t: int) -> Panel | None:
    """The time step as a chain or as equations; None for a cell whose equations we do not know."""
    chain = StepChain.of(subject, sheet, t) if subject.is_scalar else None
    return chain or StepEquations.of(subject, sheet, t)
