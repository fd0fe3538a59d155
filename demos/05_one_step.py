# %% [markdown]
# # 5 · One recurrent step
#
# $$h_t = \tanh(z_t), \qquad z_t = w\,h_{t-1} + u\,x_t + b.$$
#
# The new state is made of the old one and of an input. A change of $h_{t-1}$ reaches $h_t$ in two steps: times w, then
# times tanh'. Their product has a name, the *recurrent Jacobian*:
#
# $$J_t = \frac{\partial h_t}{\partial h_{t-1}} = \tanh'(z_t)\,w.$$

# %%
from lesson import ask, check, show
from tinygrad_rnn import RNNCell, ScalarRNNCell, draw, jacobian, unroll

cell = ScalarRNNCell(w=0.9, u=0.5, b=0.1)
unrolled = unroll(cell, [1.0], h0=0.2)
z, h = unrolled.z[1].data, unrolled.h[1].data
print(f"z_1 = 0.9·0.2 + 0.5·1 + 0.1 = {z:.4f},  h_1 = tanh z_1 = {h:.4f}")

# %%
ask("w is 0.9. Is J_1 = ∂h_1/∂h_0 larger or smaller than that? How large?")

# %%
unrolled.h[1].backward()
print(f"tanh'(z_1) = 1 − h_1² = {unrolled.z[1].grad:.4f}")
print(f"J_1 = {unrolled.z[1].grad:.4f}·0.9 = {unrolled.h[0].grad:.4f}")

# %%
show(draw(unrolled, unrolled.h[1], detail="values", local_gradients=True))

# %% [markdown]
# With several hidden units, W is a matrix, and so is the Jacobian: $J_t = \mathrm{diag}(\tanh'(z_t))\,W$.

# %%
vector = unroll(RNNCell(input_size=1, hidden_size=2, seed=1), [[1.0]])
W = [[entry.data for entry in row] for row in vector.cell.W]
print("W   =", [[round(entry, 4) for entry in row] for row in W])
print("h_1 =", [round(entry.data, 4) for entry in vector.h[1]])
print("J_1 =", [[round(entry, 4) for entry in row] for row in jacobian(vector, 1)])

# %% [markdown]
# **Exercise.** J_t, from W and h_t.


# %%
def recurrent_jacobian(W: list[list[float]], h: list[float]) -> list[list[float]]:
    """J_t: row i, column j is ∂h_t[i]/∂h_{t-1}[j]."""
    ...


check(recurrent_jacobian)
