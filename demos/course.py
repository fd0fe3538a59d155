# %% [markdown]
# # Backpropagation through time
#
# A recurrent network unrolled over T steps is a deep chain with tied weights. It is trained the only way we know:
# unroll it, then run the chain rule backwards through every step.
#
# Here you watch every number of it. Wherever there is a **question**, answer before you run the next cell.

# %%
# Where the package is missing, this installs it: from the checkout that the notebook is in, or a wheel beside the
# notebook (upload both to Colab); else from PyPI, which works only once the package is published there.
from importlib.util import find_spec
from pathlib import Path

if find_spec("tinygrad_rnn") is None:
    beside = [path.parent for path in Path.cwd().glob("../setup.cfg") if (path.parent / "tinygrad_rnn").is_dir()]
    beside += sorted(Path.cwd().glob("tinygrad_rnn-*.whl"), reverse=True)
    package = beside[0].resolve() if beside else "tinygrad_rnn"
    # %pip install -q "{package}[notebook,plot]"
    pass

# %%
import math

from tinygrad_rnn import (
    LSTMCell,
    RNNCell,
    ScalarRNNCell,
    anatomy,
    decay,
    explore,
    jacobian,
    mse_loss,
    truncated_bptt,
    unroll,
)
from tinygrad_rnn.bptt.decay import compare_decay, mean_direction, orthogonal_cells
from tinygrad_rnn.bptt.truncation import truncation
from tinygrad_rnn.pictures import draw
from tinygrad_rnn.plots.anatomy import anatomy_figure
from tinygrad_rnn.plots.decay import comparison_figure, decay_figure

# %% [markdown]
# ## The recurrence, unrolled
#
# $$h_t = \tanh(w\,h_{t-1} + u\,x_t + b)$$
#
# One unit, two steps. Every card is a number, with its gradient. The dashed weights are the same ones at both steps.

# %%
cell = ScalarRNNCell(w=0.9, u=0.5, b=0.1)
short = unroll(cell, [1.0, 0.5])
loss = mse_loss(short.h[2], 0.3)
loss.backward()  # backpropagation through time
draw(short, loss)

# %% [markdown]
# ## Step 1: one step of the chain rule
#
# The loss sees $h_{t-1}$ only through $h_t$:
#
# $$\frac{\partial L}{\partial h_{t-1}} = \frac{\partial L}{\partial h_t}\,\frac{\partial h_t}{\partial h_{t-1}}.$$
#
# ## Step 2: name the recurrent Jacobian
#
# $$J_t = \frac{\partial h_t}{\partial h_{t-1}} = \mathrm{diag}\big(\tanh'(z_t)\big)\,W$$
#
# With one unit it is a number: tanh'(z_t)·w = (1 − h_t²)·w.
#
# **Question.** w is 0.9. Can J_t be larger than that?

# %%
inputs = [1.0, 0.5, -1.0, 0.7, -0.2, 0.9, 0.1, -0.6, 0.4, 0.8, -0.3, 0.2]
T = len(inputs)
cell.zero_grad()
unrolled = unroll(cell, inputs)
loss = mse_loss(unrolled.h[T], 0.3)
loss.backward()
h = unrolled.h
print(" t      h_t      J_t   ∂L/∂h_t  ∂L/∂h_t·J_t  ∂L/∂h_(t−1)")
for t in range(T, 0, -1):
    J = (1.0 - h[t].data ** 2) * 0.9
    here, before = h[t].grad, h[t - 1].grad
    print(f"{t:2}  {h[t].data:+.4f}  {J:.4f}  {here:+.5f}     {here * J:+.5f}     {before:+.5f}")

# %% [markdown]
# With several units the Jacobian is a matrix.

# %%
vector = unroll(RNNCell(input_size=1, hidden_size=2, seed=1), [[x] for x in inputs])
print("W    =", [[round(entry.data, 4) for entry in row] for row in vector.cell.W])
print("J_12 =", [[round(entry, 4) for entry in row] for row in jacobian(vector, T)])

# %% [markdown]
# ## Step 3: chain it from step T back to step k
#
# $$\frac{\partial L}{\partial h_k} = \frac{\partial L}{\partial h_T}\, J_T\, J_{T-1} \cdots J_{k+1}$$

# %%
product = 1.0
for t in range(T, 0, -1):
    product *= (1.0 - h[t].data ** 2) * 0.9
print(f"∂L/∂h_12 · J_12 ⋯ J_1 = {h[T].grad * product:.12g}")
print(f"∂L/∂h_0 by backward() = {h[0].grad:.12g}")

# %% [markdown]
# **Exercise.** The same for any k. Fill in the product, and run the cell again.


# %%
def chain(w: float, h: list[float], k: int) -> float:
    """J_T ⋯ J_{k+1} of one unit with tanh, from w and the states h_0 … h_T."""
    return 1.0


for k in (11, 6, 0):
    mine = h[T].grad * chain(0.9, [h[t].data for t in range(T + 1)], k)
    word = "solved" if math.isclose(mine, h[k].grad, rel_tol=1e-6) else "not solved yet"
    print(f"k = {k:2}: yours {mine:+.6f}, by backward() {h[k].grad:+.6f}: {word}")

# %%
three = unroll(cell, inputs[:3])
last = mse_loss(three.h[3], 0.3)
last.backward()
draw(three, last)

# %% [markdown]
# ## Step 4: strip it to a scalar to see the law
#
# Pretend tanh' ≈ 1: a linear cell. Then every J_t is w, and T − k of them are a power,
#
# $$\frac{\partial L}{\partial h_k} \propto w^{\,T-k}.$$
#
# **Question.** w = 0.9. How much of a gradient arrives 20 steps back? And for w = 1.1?

# %%
for w in (0.9, 1.0, 1.1):
    linear = unroll(ScalarRNNCell(w, nonlinearity="identity"), [0.1] * 20)
    linear.h[20].backward()
    print(f"w = {w}: measured {linear.h[0].grad:.6f}, w^20 = {w**20:.6f}")

# %% [markdown]
# ## Step 5: the fate of long-range gradients
#
# With a matrix, ‖W‖, its largest singular value, bounds each factor: at most ‖W‖^(T−k) of a gradient arrives.
#
# $$\|W\| < 1 \Rightarrow \text{vanishing}, \qquad \|W\| > 1: \text{exploding is possible}$$
#
# The powers of a rotation times a number reach the bound, and explode above 1. On a logarithmic axis this law is a
# straight line, flat exactly at ‖W‖ = 1. Four units, such a W, no tanh:

# %%
norms = [0.8, 0.9, 1.0, 1.1, 1.25]
linear_cells = orthogonal_cells(4, nonlinearity="identity")
decay_figure(decay(linear_cells, norms, [[0.1]] * 50), title="linear: the law itself")

# %% [markdown]
# **Question.** With tanh, which lines bend, and which way?

# %%
tanh_cells = orthogonal_cells(4)
decay_figure(decay(tanh_cells, norms, [[0.1]] * 50), title="with tanh: below the law")

# %% [markdown]
# Walk through time, and slide ‖W‖ across 1 yourself.

# %%
page = explore(unrolled, loss)
page

# %% [markdown]
# The page and Python share what is set. Drag w, and `page.w` is what you dragged it to. Set it here, and the page
# follows:

# %%
page.w = 1.1
print(page.link)  # what differs from the page as it was built

# %% [markdown]
# ## Tied weights: where w.grad comes from
#
# w is used at every step, and w.grad is the sum of what all uses bring.
#
# **Question.** A loss at each of the 12 steps. Which lags t − k contribute most?

# %%
targets = [*inputs[1:], 0.5]
losses = [mse_loss(h[t], targets[t - 1]) for t in range(1, T + 1)]
split = anatomy(unrolled, losses, cell.w)
print(f"w.grad = {split.total():.4f}, a sum of {sum(1 for _ in split.terms())} terms; by lag:")
print({lag: round(term, 3) for lag, term in split.by_lag().items()})

# %% [markdown]
# ## Truncated BPTT
#
# 10,000 steps mean 10,000 states to keep. Truncated BPTT goes back within chunks of k steps only. The state flows on
# across the border, the gradient does not: constant memory, and a bias.
#
# **Question.** Chunks of 4 keep 30 of the 78 terms. Is w.grad then 30/78 of what it was?

# %%
cut = truncation(split, k1=4, k2=4)
print(f"full {split.total():.4f}, truncated {cut.kept.total():.4f}, bias {-cut.cut.total():.4f}")
anatomy_figure(split, truncation=cut)

# %%
long = [math.sin(t) for t in range(1, 2001)]
for chunk in (1, 5, 35, 2000):
    cell.zero_grad()
    truncated_bptt(cell, long[:-1], long[1:], k1=chunk, k2=chunk)
    print(f"2000 steps, chunks of {chunk:4}: w.grad = {cell.w.grad:.5f}")

# %% [markdown]
# With chunks of 35 the bias is below 1 %: what lies beyond has nearly vanished anyway.
#
# ## The deeper cure
#
# In an LSTM the cell state is multiplied by a gate and not by a weight matrix: $\partial c_t / \partial c_{t-1} = f_t$.
# With the gate open the error stays constant.
#
# **Question.** How much of a gradient arrives 100 steps back: in a plain RNN, in an LSTM with a forget bias of 5?

# %%
cells = {"RNN": RNNCell(1, 8), "LSTM": LSTMCell(1, 8, forget_bias=5.0)}
# The error starts, with length 1, at h_T of the RNN and at c_T of the LSTM.
rows = compare_decay(cells, [[x] for x in long[:100]], loss=lambda u: mean_direction(u, u.state_names[-1]))
for row in rows:
    print(f"{row.name:>4}, along {row.state}: {row.gradients[100]:.2g}")
comparison_figure(rows)

# %% [markdown]
# That is the whole story: a product along time, the same factor at every step, and what people do about it.
