"""The scalar engine: numbers that remember how they were computed, and the chain rule.

    from tinygrad_rnn.engine import Value

It stands in for ``micrograd.engine``. To read it, follow a number from its making to its gradient:

1. `ops`: the op table. A row says what an operation computes, and what its local derivatives are.
2. `node`: a node of the graph: slots, and nothing else.
3. `recording`: what holds for new nodes (`no_grad`, `time_step`, `trace_creation`).
4. `backward`: the chain rule, one edge after the other. `walk` is the whole of it.
5. `making`: an operation becomes a node.
6. `value`: `Value`, a node with operators and methods.

The rest can be understood by itself: `arithmetic` (what a rule is written with), `notation` (the name of a node, its
formula and its derivative in writing), `steps` (one application of the chain rule, as a record), `hooks` (rarely used
fields of a node), `passes` (a whole pass, also one step at a time), `attached` (the debugger that is watching),
`copying` (copies and pickles), `anomaly` (gradients that cannot be trusted), `sums`, and `gradcheck`.
"""

from .anomaly import detect_anomaly
from .gradcheck import gradcheck
from .recording import no_grad, time_step, trace_creation
from .sums import dot, total
from .value import Value

__all__ = ["Value", "detect_anomaly", "dot", "gradcheck", "no_grad", "time_step", "total", "trace_creation"]
