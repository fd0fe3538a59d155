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

from lesson import ask, check, show
from tinygrad_rnn import LSTMCell, RNNCell, Unrolled, Value, jacobian, unroll
from tinygrad_rnn.bptt.decay import compare_decay, mean_direction
from tinygrad_rnn.plots.decay import comparison_figure

inputs = [[math.sin(t)] for t in range(1, 101)]


def error_at_the_end(unrolled: Unrolled) -> Value:
    """A loss whose gradient has length 1 where it starts: at h_T of an RNN, at c_T of an LSTM."""
    return mean_direction(unrolled, unrolled.state_names[-1])


# %%
ask("8 units, fresh weights. How much arrives 100 steps back: RNN, LSTM, LSTM with its forget bias set to 5?")

# %%
cells = {
    "RNN": RNNCell(1, 8),
    "LSTM": LSTMCell(1, 8),
    "LSTM, forget bias 3": LSTMCell(1, 8, forget_bias=3.0),
    "LSTM, forget bias 5": LSTMCell(1, 8, forget_bias=5.0),
}
rows = compare_decay(cells, inputs, loss=error_at_the_end)
rows = [row for row in rows if row.name == "RNN" or row.state == "c"]
print("                          1 step   10 steps  100 steps")
for row in rows:
    print(f"{row.name:>19}, {row.state} " + "".join(f"  {row.gradients[lag]:9.2g}" for lag in (1, 10, 100)))

# %% [markdown]
# It is the bias that does it. A fresh LSTM with small biases forgets half at every step, as its gates stand half open.
#
# Along c alone, all else held fixed, the Jacobian is the gate itself:

# %%
unrolled = unroll(LSTMCell(1, 2, forget_bias=3.0), inputs)
print("f_1 =", [round(entry.data, 4) for entry in unrolled["f"][1]])
print("∂c_1/∂c_0 =", [[round(entry, 4) for entry in row] for row in jacobian(unrolled, 1, of=["c"], by=["c"])])

# %%
show(comparison_figure(rows))

# %% [markdown]
# **Exercise.** Which forget bias lets a given share through? Take all other weights as 0, so that f = σ(bias).


# %%
def forget_bias(steps: int, share: float) -> float:
    """The bias b of the forget gate with which ``share`` of a gradient is left after ``steps`` steps along c."""
    ...


check(forget_bias)
