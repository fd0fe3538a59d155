"""A time step of a recurrence as plain JavaScript, forward and backward, from the same tape as native code.

To read it, follow a time step on its way: `units` traces it, `program` chooses what its functions compute, and `text`
writes them, a line per node; `facts` writes what is said about them. `outside` is what was computed before the first
time step, or after the last one. `prelude.js` has the few functions that they call, `sequence.js` the loop over time.
"""

from .outside import Whole, find_outside
from .program import PRELUDE, SEQUENCE, Program, javascript
from .units import TimeStep

__all__ = ["PRELUDE", "SEQUENCE", "Program", "TimeStep", "Whole", "find_outside", "javascript"]
