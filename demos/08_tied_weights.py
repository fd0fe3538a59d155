# %% [markdown]
# # 8 · Tied weights, and where w.grad comes from
#
# w is one number, used at every step. So w.grad is a sum, with one term per use:
#
# $$\frac{\partial L}{\partial w} = \sum_{k=1}^{T} \frac{\partial L}{\partial z_k}\, h_{k-1}.$$
#
# Optimizers see only the sum. Here it is taken apart.

# %%
from lesson import ask, check, show
from tinygrad_rnn import ScalarRNNCell, anatomy, mse_loss, unroll
from tinygrad_rnn.plots.anatomy import anatomy_figure

cell = ScalarRNNCell(w=0.9, u=0.5, b=0.1)
unrolled = unroll(cell, [1.0, 0.5, -1.0])
loss = mse_loss(unrolled.h[3], 0.3)

# %%
ask("w is used at steps 1, 2 and 3. Which use brings the most to w.grad, and which brings nothing at all?")

# %%
loss.backward()
print(" k   ∂L/∂z_k    h_(k−1)      term")
for k in (3, 2, 1):
    z, h = unrolled.z[k], unrolled.h[k - 1]
    print(f"{k:2}  {z.grad:+.6f}  {h.data:+.6f}  {z.grad * h.data + 0.0:+.6f}")
print(f"w.grad = {cell.w.grad:+.6f}")

# %% [markdown]
# With a loss at every step, L = L_1 + … + L_T, the terms form a triangle: use step k, loss step t ≥ k.

# %%
inputs = [1.0, 0.5, -1.0, 0.7, -0.2, 0.9, 0.1, -0.6, 0.4, 0.8, -0.3, 0.2]
targets = [*inputs[1:], 0.5]
unrolled = unroll(cell, inputs)
split = anatomy(unrolled, [mse_loss(unrolled.h[t], targets[t - 1]) for t in range(1, 13)], cell.w)
print(f"{sum(1 for _ in split.terms())} terms; w.grad = {split.total():+.6f}. By lag t − k:")
by_lag = split.by_lag()
print("  ".join(f"{lag}: {by_lag[lag]:+.3f}" for lag in range(6)))

# %%
show(anatomy_figure(split))

# %% [markdown]
# **Exercise.** Backpropagation through time by hand: w.grad, from the states and ∂L/∂h_T.


# %%
def w_gradient(w: float, h: list[float], gradient: float) -> float:
    """∂L/∂w for the states h[0] … h[T], if L sees h_T alone and ∂L/∂h_T is ``gradient``."""
    ...


check(w_gradient)
