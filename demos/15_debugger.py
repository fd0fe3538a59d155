# %% [markdown]
# # 15 · Stepping in your own debugger
#
# The backward pass is one flat loop over the edges. Its local variables have the names of this course: `node`,
# `parent`, `gradient`, `local_gradient`, `contribution`.
#
# `w.breakpoint()` stops there, in whatever debugger you use. `debuggers.md` shows pdb, VS Code and PyCharm.

# %%
import sys

from lesson import ask, check, show
from tinygrad_rnn import ScalarRNNCell, Unrolled, Value, mse_loss, unroll
from tinygrad_rnn.debugger import Debugger, Terminal, draw_flow
from tinygrad_rnn.engine.steps import Step


def forward() -> tuple[ScalarRNNCell, Unrolled, Value]:
    cell = ScalarRNNCell(w=0.9, u=0.5, b=0.1)
    unrolled = unroll(cell, [1.0, 0.5, -1.0])
    loss = mse_loss(unrolled.h[3], 0.3)
    loss.label = "L"
    return cell, unrolled, loss


# %% [markdown]
# A stand-in for your debugger: it prints what yours would show, and goes on. Leave out the line with `breakpointhook`,
# and your own opens in its place.


# %%
def look() -> None:
    here = sys._getframe(1).f_locals
    node, factor, gradient = here["node"].name, here["local_gradient"], here["node"].grad
    print(f"stopped at t = {here['node'].time_step}: {node} passes {factor:.4f}·({gradient:.4f}) to w")


sys.breakpointhook = look

# %%
ask("w is used at three steps. In which order will the pass stop there?")

# %%
cell, unrolled, loss = forward()
with cell.w.breakpoint():
    loss.backward()
print(f"w.grad = {cell.w.grad:.6f}")
sys.breakpointhook = sys.__breakpointhook__

# %% [markdown]
# The debugger of the package knows more about gradients: breakpoints with conditions, undo, and `why`. `->` marks the
# next step: its numbers are computed, but not added yet.

# %%
ask("Stop where the gradient of h_1 is complete. What has w.grad become by then, and what is still missing?")

# %%
cell, unrolled, loss = forward()
debugger = Debugger(loss, unrolled)
Terminal(debugger).do("b h_1", "c", "why w", "chain 0")

# %% [markdown]
# The picture shows the pass where it stands. Press on with `Terminal(debugger).do("c")`, or `tinygrad-rnn step` in a
# terminal.

# %%
show(draw_flow(debugger))

# %% [markdown]
# **Exercise.** A condition for a breakpoint: stop where w receives its part from time step 2, and nowhere else.


# %%
def stop_here(step: Step) -> bool:
    """Whether this step, one application of the chain rule, brings something from time step 2 to w."""
    ...


check(stop_here)
