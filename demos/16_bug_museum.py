# %% [markdown]
# # 16 · The bug museum
#
# Backpropagation that is wrong still runs, and often still learns. Seven classic mistakes are in the folder
# `bug_museum`, each with the tool that catches it. Here are three.
#
# Guess what each prints before it does. "broken" comes first.

# %%
import runpy

from lesson import DEMOS, ask, check, show
from tinygrad_rnn import ScalarRNNCell, Value, draw, gradcheck, mse_loss, unroll
from tinygrad_rnn.errors import GradcheckError


def exhibit(name: str) -> None:
    runpy.run_path(str(DEMOS / "bug_museum" / f"{name}.py"))


# %% [markdown]
# A product whose derivative says `=` where it should say `+=`:


# %%
def product(a: Value, b: Value) -> Value:
    out = Value(a.data * b.data, (a, b), "product")

    def backward() -> None:
        a.grad = b.data * out.grad
        b.grad = a.data * out.grad

    out._backward = backward
    return out


# %%
ask("x·y is right with it. What will it say about ∂(x·x)/∂x at x = 3?")

# %%
gradcheck(product, [3.0, 5.0])
print("x·y: right")
try:
    gradcheck(lambda x: product(x, x), 3.0)
except GradcheckError as error:
    print(f"x·x: {error}")

# %%
ask("A training loop without zero_grad(). By how much is w.grad wrong in epoch 2?")

# %%
exhibit("forgotten_zero_grad")

# %%
ask("Truncated BPTT in chunks of 4 that forgets to detach the state. How far back does the third chunk go?")

# %%
exhibit("state_not_detached")

# %% [markdown]
# The opposite mistake, exhibit 7: the state is detached at every step. One look at the picture: every factor is 0, and
# no gradient reaches the past.

# %%
cell = ScalarRNNCell(w=0.9, u=0.5, b=0.1)


def cut_at_every_step(x: Value, h: Value) -> Value:
    new: Value = cell(x, h.detach())
    return new


unrolled = unroll(cut_at_every_step, [1.0, 0.5, -1.0], Value(0.2))
loss = mse_loss(unrolled.h[3], 0.3)
loss.backward()
show(draw(unrolled, loss))

# %% [markdown]
# **Exercise.** The line that so many got wrong: let contributions arrive at the operands.


# %%
def accumulated(gradients: dict[str, float], operands: list[str], contributions: list[float]) -> dict[str, float]:
    """The gradients by name, after each contribution has arrived at its operand."""
    ...


check(accumulated)
