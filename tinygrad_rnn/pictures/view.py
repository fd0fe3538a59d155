"""`View`: what is to be drawn of an unrolled network."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ..errors import ArgumentError
from ..support.checks import whole_number
from .geometry import Box, Line, Row
from .graph import Edge, Node

#: From the coarsest to the finest: states with what each time step multiplies the gradient by; also the gates of the
#: cell; every Value.
DETAILS = ("states", "gates", "values")
#: Width and height of the page, in points: 1920 × 1080 and 1440 × 1080 pixels.
ASPECTS = {"16:9": (1440.0, 810.0), "4:3": (1080.0, 810.0)}

#: Called with every drawn `Node` and `Edge`; returns what is to differ from the usual, by the names of the attributes
#: of `Box` and `Line`, or None.
Style = Callable[[Node | Edge], Mapping[str, Any] | None]
Drawn = TypeVar("Drawn", Box, Line)


@dataclass(frozen=True)
class View:
    """The choice of what to draw.

    Attributes:
        detail: a level of `DETAILS`.
        aspect: the shape of the page: a key of `ASPECTS`.
        k: the time step to which the chain is lit; None: the earliest that the loss reaches.
        state: the part of the state that the chain follows; None: the whole state.
        lit: whether to light the chain at all.
        only: the first and the last time step to draw, in place of all.
        max_steps: the most time steps to draw; None: as many as can be read.
        title: the headline, in place of the verdict; empty for none.
        values: whether to write data and gradients.
        local_gradients: whether to write its local gradient on every edge, where edges are of single Values.
        style: what is to look different.
        time_limit: how long Graphviz may take, in seconds.
        cuts: the time steps t such that no gradient passes from t back to t - 1, as truncated BPTT has it.
        names: what x_1 … x_T are called, such as years; empty where they have no names.
        notes: further lines about the time steps 1 … T, a tuple for each; empty for nothing.

    Raises:
        ArgumentError: a detail or aspect is unknown, or the time steps make no sense.
    """

    detail: str = "states"
    aspect: str = "16:9"
    k: int | None = None
    state: str | None = None
    lit: bool = True
    only: tuple[int, int] | None = None
    max_steps: int | None = None
    title: str | None = None
    values: bool = True
    local_gradients: bool = False
    style: Style | None = None
    time_limit: float = 60.0
    names: Sequence[str] = ()
    notes: Sequence[Sequence[str]] = ()
    cuts: Collection[int] = ()

    def __post_init__(self) -> None:
        for name, known in (("detail", DETAILS), ("aspect", tuple(ASPECTS))):
            if getattr(self, name) not in known:
                raise ArgumentError(f"{name} {getattr(self, name)!r}", remedy=f"Known ones: {', '.join(known)}")
        if self.k is not None:
            object.__setattr__(self, "k", whole_number("k", self.k, least=None))
        if self.max_steps is not None:
            object.__setattr__(self, "max_steps", whole_number("max_steps", self.max_steps, least=2))
        object.__setattr__(self, "names", tuple(self.names))
        cuts = tuple(whole_number("a time step of cuts", t, least=None) for t in self.cuts)
        object.__setattr__(self, "cuts", cuts)
        if self.only is not None:
            if len(self.only) != 2:
                raise ArgumentError(f"only is {self.only!r:.40}", remedy="Give the first and the last time step")
            only = tuple(whole_number("a time step of only", each, least=None) for each in self.only)
            object.__setattr__(self, "only", only)
        if self.only is not None and self.only[0] > self.only[1]:
            first, last = self.only
            raise ArgumentError(f"only {first}..{last}", remedy=f"Give the earlier step first: {last}..{first}")

    def name_of(self, place: int) -> str:
        """The name of the input at this place of the sequence, from 0; empty if it has no name."""
        return self.names[place] if 0 <= place < len(self.names) else ""

    def notes_of(self, place: int) -> Sequence[str]:
        """Further lines about the time step at this place of the sequence, from 0."""
        return self.notes[place] if 0 <= place < len(self.notes) else ()

    @property
    def page(self) -> tuple[float, float]:
        """Width and height of the page, in points."""
        return ASPECTS[self.aspect]


def styled(item: Drawn, subject: Node | Edge | None, style: Style | None) -> Drawn:
    """A `Box` or `Line` with what the user's style changes for its `Node` or `Edge`."""
    changes = dict(style(subject) or {}) if style and subject is not None else {}
    if "rows" in changes:
        changes["rows"] = [Row(row) if isinstance(row, str) else row for row in changes["rows"]]
    return replace(item, **changes) if changes else item
