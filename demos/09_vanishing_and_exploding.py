# %% [markdown]
# # 9 · Vanishing and exploding, measured
#
# The gradient that reaches T − k steps into the past is scaled by w^(T−k), and with a matrix by at most ‖W‖^(T−k):
#
# $$\|W\| < 1 \Rightarrow \text{gradient} \to 0, \qquad \|W\| > 1: \text{it can explode.}$$
#
# ‖W‖ is the largest singular value of W. Of a number, and of a rotation times a number, as below, the powers grow by
# ‖W‖ exactly, and above 1 the gradient does explode. On a logarithmic axis that is a straight line: down, flat or up.

# %%
from lesson import ask, check, show
from tinygrad_rnn import decay
from tinygrad_rnn.bptt.decay import orthogonal_cells
from tinygrad_rnn.nn.linalg import product, spectral_norm
from tinygrad_rnn.plots.decay import decay_figure

# %%
ask("100 steps back: what becomes of a gradient of 1 if ‖W‖ = 0.9? If ‖W‖ = 1.1?")

# %% [markdown]
# Four hidden units, no tanh, one backward pass per ‖W‖.

# %%
norms = [0.5, 0.9, 1.0, 1.1, 1.5]
linear = decay(orthogonal_cells(4, nonlinearity="identity"), norms, [[0.1]] * 100)
print("‖W‖   10 steps   50 steps  100 steps      law")
for curve in linear:
    sizes = "  ".join(f"{curve.gradients[lag]:9.3g}" for lag in (10, 50, 100))
    print(f"{curve.W_norm:3}  {sizes}  {curve.law[100]:9.3g}")

# %%
ask("W = [[0.5, 10], [0, 0.5]] has ‖W‖ = 10. Does a gradient explode, if W is no rotation?")

# %%
W = power = [[0.5, 10.0], [0.0, 0.5]]
for lag in range(1, 101):
    if lag in (1, 10, 100):
        print(f"lag {lag:3}: ‖W^lag‖ = {spectral_norm(power):9.3g}, at most ‖W‖^lag = {spectral_norm(W) ** lag:9.3g}")
    power = product(power, W)

# %% [markdown]
# It vanishes, after a start that looked like the opposite: the eigenvalues, both 0.5, win in the end. ‖W‖ > 1 is
# necessary for exploding, not sufficient (Pascanu, Mikolov & Bengio 2013).

# %%
ask("Put tanh back in. Which of the five curves change, and in which direction?")

# %%
curves = decay(orthogonal_cells(4), norms, [[0.1]] * 100)
print("‖W‖   10 steps   50 steps  100 steps")
for curve in curves:
    print(f"{curve.W_norm:3}  " + "  ".join(f"{curve.gradients[lag]:9.3g}" for lag in (10, 50, 100)))

# %% [markdown]
# All bend down, since tanh' is never above 1. A large W even drives the states into saturation: then the gradient
# vanishes although ‖W‖ > 1. This is why a plain RNN forgets: what happened at step 1 hardly reaches step 100.
#
# Dashed is the law, solid what was measured.

# %%
show(decay_figure(curves))

# %% [markdown]
# **Exercise.** How far does a linear cell see?


# %%
def horizon(w: float, share: float) -> float:
    """The least number of steps after which less than ``share`` of a gradient is left, or infinity."""
    ...


check(horizon)
