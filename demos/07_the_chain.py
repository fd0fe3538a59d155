# %% [markdown]
# # 7 · The chain w^(T−k)
#
# From h_T back to h_k, the Jacobians multiply:
#
# $$\frac{\partial L}{\partial h_k} = \frac{\partial L}{\partial h_T}\, J_T\, J_{T-1} \cdots J_{k+1}.$$
#
# A deep feed-forward net has the same product, of a different factor per layer. Here it is the same w at every step.
#
# Pretend that tanh' is 1, with a linear cell. Then every J_t is w, and T − k of them are a power: w^(T−k).

# %%
from lesson import ask, check, show
from tinygrad_rnn import ScalarRNNCell, draw, unroll

T = 20
ask(f"w = 0.9, a linear cell, T = {T}. How much of a change of h_0 arrives at h_{T}?")

# %%
linear = unroll(ScalarRNNCell(w=0.9, u=0.5, nonlinearity="identity"), [0.1] * T)
linear.h[T].backward()
print(f"∂h_{T}/∂h_0 = {linear.h[0].grad:.6f} = 0.9^{T} = {0.9**T:.6f}")

# %%
ask("Now with tanh, and inputs of 0.1. More or less?")

# %% [markdown]
# From row to row, one factor more: w times the tanh' of the row above.

# %%
unrolled = unroll(ScalarRNNCell(w=0.9, u=0.5), [0.1] * T)
unrolled.h[T].backward()
print(" k   tanh'(z_k)   ∂h_T/∂h_k    w^(T−k)")
for k in (20, 19, 18, 17, 10, 5, 0):
    slope = f"{1.0 - unrolled.h[k].data ** 2:.6f}" if k else ""
    print(f"{k:2}   {slope:10}   {unrolled.h[k].grad:.7f}   {0.9 ** (T - k):.6f}")

# %% [markdown]
# The lit path is this product, factor by factor.

# %%
short = unroll(ScalarRNNCell(w=0.9, u=0.5), [0.1] * 4)
short.h[4].backward()
show(draw(short, short.h[4], k=0))

# %% [markdown]
# **Exercise.** ∂h_T/∂h_k, from w and the states. Mind both ends of the product.


# %%
def chain(w: float, h: list[float], k: int) -> float:
    """∂h_T/∂h_k for the states h[0] … h[T] of h_t = tanh(w h_{t-1} + …)."""
    ...


check(chain)
