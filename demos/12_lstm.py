# %% [markdown]
# # 12 · The LSTM's constant error path
#
# Truncation accepts that gradients vanish. The LSTM does something about it. Its cell state is not multiplied by a
# weight matrix, but by a gate between 0 and 1:
#
# $$c_t = f_t \cdot c_{t-1} + i_t \cdot g_t, \qquad \frac{\partial c_t}{\partial c_{t-1}} = f_t.$$
#
# With the forget gate open, f = 1, the product over any number of steps is 1: constant error. The residual connection
# of deep networks is its cousin.

# %%
import math

from matplotlib.figure import Figure

from lesson import ask, check, show
from tinygrad_rnn import LSTMCell, RNNCell, jacobian, total, unroll

T = 100
inputs = [[math.sin(t)] for t in range(1, T + 1)]


def reach(cell: RNNCell | LSTMCell, state: str) -> list[float]:
    """How much of a gradient at step T arrives at T − lag, by lag."""
    unrolled = unroll(cell, inputs)
    total(unrolled[state][T]).backward()
    sizes = [math.hypot(*(entry.grad for entry in unrolled[state][T - lag])) for lag in range(T + 1)]
    return [size / sizes[0] for size in sizes]


# %%
ask("8 units, fresh weights. How much arrives 100 steps back: RNN, LSTM, LSTM with its forget bias set to 5?")

# %%
curves = {
    "RNN, along h": reach(RNNCell(1, 8), "h"),
    "LSTM, along c": reach(LSTMCell(1, 8), "c"),
    "LSTM, forget bias 3": reach(LSTMCell(1, 8, forget_bias=3.0), "c"),
    "LSTM, forget bias 5": reach(LSTMCell(1, 8, forget_bias=5.0), "c"),
}
print("                      1 step   10 steps  100 steps")
for name, sizes in curves.items():
    print(f"{name:20}" + "".join(f"  {sizes[lag]:9.2g}" for lag in (1, 10, 100)))

# %% [markdown]
# It is the bias that does it. A fresh LSTM with small biases forgets half at every step, as its gates stand half open.
#
# Along c alone, all else held fixed, the Jacobian is the gate itself:

# %%
unrolled = unroll(LSTMCell(1, 2, forget_bias=3.0), inputs)
print("f_1 =", [round(entry.data, 4) for entry in unrolled["f"][1]])
print("∂c_1/∂c_0 =", [[round(entry, 4) for entry in row] for row in jacobian(unrolled, 1, of=["c"], by=["c"])])

# %%
figure = Figure(figsize=(7.0, 4.0), layout="constrained")
axes = figure.add_subplot()
for (name, sizes), colour in zip(curves.items(), ("#b2182b", "#9ecae1", "#4292c6", "#08519c")):
    axes.semilogy(sizes, color=colour, linewidth=2.5, label=name)
axes.set_xlim(0, T)
axes.set_xlabel("lag: steps back in time")
axes.set_ylabel("gradient, relative to lag 0")
axes.grid(True, color="#e6e6e6", linewidth=0.8)
axes.legend(frameon=False, loc="lower left")
axes.spines[["top", "right"]].set_visible(False)
show(figure)

# %% [markdown]
# **Exercise.** Which forget bias lets a given share through? Take all other weights as 0, so that f = σ(bias).


# %%
def forget_bias(steps: int, share: float) -> float:
    """The bias b of the forget gate with which ``share`` of a gradient is left after ``steps`` steps along c."""
    ...


check(forget_bias)
