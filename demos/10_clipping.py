# %% [markdown]
# # 10 · Clipping
#
# Where gradients explode, the loss has a wall: a tiny step in w changes everything. One step of gradient descent from
# the wall can throw w out of the landscape.
#
# The cure is to keep the direction and bound the length (Pascanu, Mikolov & Bengio 2013):
#
# $$g \leftarrow g \cdot \frac{\text{max\_norm}}{\|g\|} \quad \text{wherever } \|g\| > \text{max\_norm}.$$

# %%
from lesson import ask, axes_to_plot_on, check, show
from tinygrad_rnn import ScalarRNNCell, mse_loss, unroll
from tinygrad_rnn.optim import SGD, clip_grad_norm_


def loss_of(cell: ScalarRNNCell) -> float:
    """200 steps from a tiny h_0: the wanted h_200 = 0.3 lies between dying out and growing to the full."""
    cell.zero_grad()
    unrolled = unroll(cell, [0.0] * 200, h0=1e-12)
    loss = mse_loss(unrolled.h[200], 0.3)
    loss.backward()
    return loss.data


for w in (1.05, 1.13, 1.14, 1.15, 1.25):
    cell = ScalarRNNCell(w)
    print(f"w = {w}:  L = {loss_of(cell):.4f}, ∂L/∂w = {cell.w.grad:10.4g}")


# %%
def descend(max_norm: float | None) -> list[tuple[float, float]]:
    """Gradient descent from w = 1.25; the (w, L) on the way."""
    cell, path = ScalarRNNCell(1.25), []
    optimizer = SGD([cell.w], lr=0.02)
    for _ in range(20):
        path.append((cell.w.data, loss_of(cell)))
        if max_norm is not None:
            clip_grad_norm_([cell.w], max_norm)
        optimizer.step()
    return path


# %%
ask("Start at w = 1.25 and go downhill. With clipping at 0.5, and without: where do the two end up?")

# %%
paths = {"without clipping": descend(None), "clipped to 0.5": descend(0.5)}
for name, path in paths.items():
    print(f"{name:>16}: w = {'  '.join(f'{w:.3f}' for w, _ in path[::3])};  best L = {min(L for _, L in path):.4f}")

# %% [markdown]
# Without clipping the wall throws w to where the gradient has vanished. It stays there for good. With clipping w gets
# into the valley, and hops to and fro between its walls.

# %%
axes = axes_to_plot_on()
grid = [1.02 + i / 1000 for i in range(240)]
axes.plot(grid, [loss_of(ScalarRNNCell(w)) for w in grid], color="#bbbbbb", linewidth=3, label="L(w)")
for (name, path), colour, marker in zip(paths.items(), ("#b2182b", "#2166ac"), "xo"):
    axes.plot(*zip(*path), color=colour, marker=marker, markersize=6, linewidth=1, alpha=0.8, label=name)
axes.set_xlabel("w")
axes.set_ylabel("L")
axes.legend(frameon=False)
show(axes.figure)

# %% [markdown]
# **Exercise.** Clip a gradient by its norm.


# %%
def clipped(gradients: list[float], max_norm: float) -> list[float]:
    """The gradients, shrunk together so that their Euclidean norm is at most ``max_norm``."""
    ...


check(clipped)
