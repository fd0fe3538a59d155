"""Places in memory: where compiled code reads its numbers, and where it leaves its results."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple


@dataclass(frozen=True, order=True)
class Region:
    """A part of memory for one purpose; or a table in such a part, of which every sequence reads one row.

    Attributes:
        name: also the name of its address in LLVM assembly.
        index: for a table, the name of the region with the whole number that chooses the row.
        stride: for a table, the slots from one row to the next.
    """

    name: str
    index: str = ""
    stride: int = 0

    def table(self, index: str, stride: int) -> Region:
        """The table in this region in which slot s means slot s + stride · index."""
        return Region(self.name, index, stride)

    @property
    def whole(self) -> Region:
        """The region in which a table lies."""
        return Region(self.name)


class Place(NamedTuple):
    """The place of a number."""

    region: Region
    slot: int

    @property
    def gradient(self) -> Place:
        """The place of the gradient of the parameter at this place."""
        return Place(replace(self.region, name=GRADIENT.name), self.slot)


PARAMETER, GRADIENT = Region("parameter"), Region("gradient")
ANY_LEAF = Region("leaf")  # leaves that may turn out to be parameters; they have no place yet
PACKED = Region("packed")  # parameters that are not neighbours, copied side by side once per run
SEED = Region("seed")  # the gradient of each loss
X, TARGET, Y, LOSS = Region("x"), Region("target"), Region("y"), Region("loss")
STATE, NEW_STATE = Region("state"), Region("new_state")
STATE_GRADIENT, NEW_STATE_GRADIENT = Region("state_gradient"), Region("new_state_gradient")
SAVED = Region("saved")  # results that later sections read, above all those of the backward pass
ALARM = Region("alarm")  # conditions that a section reports; they have no place in memory

#: Regions that all sequences of a batch share.
SHARED = (PARAMETER, PACKED, SEED)

#: Regions with numbers for every sequence. Which row a time step sees depends on the step.
ROWED = (X, TARGET, STATE, NEW_STATE, SAVED, LOSS, Y, STATE_GRADIENT, NEW_STATE_GRADIENT)

#: The parameters of the function of every section: the address of each region.
REGIONS = (*SHARED, GRADIENT, *ROWED)

#: Regions that are the next row of another one.
NEXT_ROW_OF = {NEW_STATE: STATE, NEW_STATE_GRADIENT: STATE_GRADIENT}


class Sizes(NamedTuple):
    """The number of parameters, and for one sequence the numbers in one row of each region."""

    parameters: int
    x: int = 0
    target: int = 0
    state: int = 0
    y: int = 0
    saved: int = 0

    def row(self, region: Region) -> int:
        """The numbers in one row of a region; 0 if it has no rows."""
        rows = {X: self.x, TARGET: self.target, Y: self.y, SAVED: self.saved, LOSS: 1}
        return rows.get(region, self.state if region in (STATE, STATE_GRADIENT) else 0)
