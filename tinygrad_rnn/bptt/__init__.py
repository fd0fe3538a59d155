"""Backpropagation through time: a cell is unrolled, and the gradients of the unrolled graph are read in many ways.

    from tinygrad_rnn import problem, unroll

1. `unroll`: a cell is applied to a sequence, step by step; an `Unrolled` keeps its quantities by name and time step.
2. `problem`: the same with targets and a loss, as the main command has it.
3. `chain`: what ``backward()`` left at every state, beside the product of the Jacobians multiplied forwards.

The rest can be understood by itself. Each module answers one question about a gradient:

- `anatomy`: where did it come from, by use step, loss step and lag? (`norm` and the like are here, too.)
- `jacobian`: how does a state move with the one before it, and how does a product of such Jacobians grow or vanish?
- `verdict`: what became of it over all steps: does it keep its size, vanish, explode?
- `decay`: how does it shrink or grow with the lag, for several ‖W‖ or in several cells?
- `straight`: how much of it came along the constant error path?
- `paths`: which paths is it a sum over?
- `truncated` runs truncated BPTT; `truncation` shows what that keeps and what it cuts.
"""

from .unroll import Unrolled, unroll

__all__ = ["Unrolled", "unroll"]
