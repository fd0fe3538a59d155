# %% [markdown]
# # 6 · Unrolling
#
# Apply the same step once per input and let the state run through. What was a loop is now a chain, a deep network whose
# layers are moments in time.
#
# The weights are *tied*: every step uses the same w, u and b.

# %%
from lesson import ask, check, show
from tinygrad_rnn import ScalarRNNCell, draw, mse_loss, unroll

cell = ScalarRNNCell(w=0.9, u=0.5, b=0.1)
unrolled = unroll(cell, [1.0, 0.5, -1.0])
loss = mse_loss(unrolled.h[3], 0.3)
for t in range(4):
    print(f"h_{t} = {unrolled.h[t].data:.4f}")
print(f"L = (h_3 − 0.3)² = {loss.data:.6f}")

# %%
ask("L sees h_3 alone. Does it have a gradient for h_0 as well? Larger or smaller than that for h_3?")

# %% [markdown]
# Plain `backward()` on the unrolled graph: that is backpropagation through time.

# %%
loss.backward()
for t in (3, 2, 1, 0):
    print(f"∂L/∂h_{t} = {unrolled.h[t].grad:+.6f}")

# %%
ask("How often does w occur in the graph? How often is it used?")

# %%
uses = [t for node, t in unrolled.steps_of([loss]).items() if cell.w in node.parents]
print(f"one node w = {cell.w.data}, used {len(uses)} times, at t = {uses}")

# %%
show(draw(unrolled, loss))

# %% [markdown]
# **Exercise.** Unroll the recurrence yourself, with plain numbers.


# %%
def states(w: float, u: float, b: float, inputs: list[float], h0: float) -> list[float]:
    """h_1 … h_T for inputs x_1 … x_T, starting from h_0."""
    ...


check(states)
