"""The compiler: recorded graphs and time steps of recurrent cells as native code, forward and backward.

    from tinygrad_rnn.compile import Recurrence, Symbols, compile

To read it, follow a graph on its way to machine code:

1. `symbol`: numbers that are not known yet; what is done to them is written onto a tape.
2. `trace`: the engine itself runs on symbols, forward by the rules of the op table, backward by the one walk.
3. `schedule`: the tape is cut into sections, straight pieces of code that hand on numbers through memory.
4. `emit`: a section as a function in LLVM assembly (`assembly`: how its lines are written).
5. `driver`: the loop that calls these functions, as a table says.
6. `machine`: the machine code (`native`: by LLVM) and the memory that it works in.
7. `graph`: `compile`, for a recorded graph: a single step without a state.

A recurrence adds what depends on time: `step` traces one time step, `plan` writes the table of what runs when, and
`recurrence` runs it over the sequences of a `batch`. The rest can be understood by itself: `rows` (instructions that
are alike become one on vectors), `elementary` (exp, tanh and their like), `lookup` (inputs that are whole numbers),
`boundary` (what is checked before native code sees an address), `replay` (the eager engine on the same numbers: to
raise its errors, and to look inside) and `listing` (a program in mathematics).
"""

from .graph import Program, compile
from .recurrence import Recurrence, Run
from .replay import Inspection
from .step import Symbols

__all__ = ["Inspection", "Program", "Recurrence", "Run", "Symbols", "compile"]
