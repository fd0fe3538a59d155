"""Backpropagation through time: unroll a cell over a sequence, and examine the gradients of the unrolled graph.

    from tinygrad_rnn import problem, unroll

1. `unroll`: a cell is applied to a sequence, step by step; an `Unrolled` keeps its quantities by name and time step.
2. `problem`: the same with targets and a loss, as in the main command.
3. `chain`: what ``backward()`` left at every state, beside the product of the Jacobians multiplied forwards.

The other modules can be read one by one. Each answers one question about a gradient:

- `anatomy`: where did it come from, by use step, loss step and lag? (It also holds `norm` and the like.)
- `jacobian`: how does a state move with the one before it, and how does a product of such Jacobians grow or vanish?
- `verdict`: what became of it over all steps: does it keep its size, vanish, explode?
- `decay`: how does it shrink or grow with the lag, for several ‖W‖ or in several cells?
- `straight`: how much of it came along the constant error path?
- `paths`: which paths is it a sum over?
- `truncated` runs truncated BPTT; `truncation` shows what that keeps and what it cuts.
"""

from .unroll import Unrolled, unroll

__all__ = ["Unrolled", "unroll"]
