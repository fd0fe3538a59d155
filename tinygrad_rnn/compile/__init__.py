"""The compiler: recorded graphs and time steps of recurrent cells as native code or JavaScript, forward and backward.

    from tinygrad_rnn.compile import Number, Recurrence, Symbols, Vector, compile

You can skip this package when you read the code: nothing else needs it to be understood. It computes the same, faster
or in a browser.

To read it, follow a graph on its way to machine code:

1. `symbol`: numbers that are not known yet. Every operation on them is written onto a tape.
2. `trace`: the engine itself runs on symbols, forward by the op table, backward by the one walk.
3. `schedule`: the tape is cut into sections, straight pieces of code that pass numbers on through memory (`memory`:
   its regions, and places in them).
4. `emit`: a section as a function in LLVM assembly (`assembly`: how its lines are written).
5. `driver`: the loop that calls these functions in the order of a plan.
6. `machine`: the machine code (`native`: by LLVM) and its working memory.
7. `graph`: `compile`, for a recorded graph: a single step without a state.

A recurrence adds time: `inputs` has the kinds of inputs and targets, `step` traces one time step on a copy of what the
user wrote (`twins`), `plan` lists which function runs when, and `recurrence` runs the plan over the sequences of a
`batch`.

`javascript`, a package with a reading guide of its own, writes a time step as JavaScript from the same tape.

The other modules can be read one by one: `rows` (instructions that are alike become one on vectors), `elementary` (exp,
tanh and their like), `lookup` (inputs that are whole numbers), `undecided` (what user code must not decide on),
`boundary` (the checks before native code sees an address), `turns` (one run at a time), `replay` (the eager engine on
the same numbers: to raise its errors, and to look inside), `evaluation` (what a program computes, in Python) and
`listing` (a program in mathematics).
"""

from .graph import Program, compile
from .inputs import Number, Symbols, Vector
from .recurrence import Recurrence, Run
from .replay import Inspection

__all__ = ["Inspection", "Number", "Program", "Recurrence", "Run", "Symbols", "Vector", "compile"]
