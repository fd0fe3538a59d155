# %% [markdown]
# # 14 · The compiled engine
#
# A recorded graph is a list of small computations. Written down in order it is called a *tape*. Played forwards, it
# gives the numbers, played backwards, the gradients.
#
# Such a list can be translated into machine code: once, to be run as often as you like.

# %%
from timeit import repeat

from lesson import ask, check, show
from tinygrad_rnn import ScalarRNNCell, draw, mse_loss, unroll
from tinygrad_rnn.compile import Number, Recurrence, Run, compile

cell = ScalarRNNCell(w=0.9, u=0.5, b=0.1)
unrolled = unroll(cell, [1.0, 0.5])
loss = mse_loss(unrolled.h[2], 0.3)
loss.label = "L"
program = compile(loss)
print(program.source)

# %%
ask("One engine in Python, one in machine code. In how many digits do their gradients agree?")

# %%
loss.backward()
_, gradients = program.forward_backward()
for leaf, gradient in zip(program.leaves[:3], gradients):
    print(f"{leaf.name}.grad: {leaf.grad!r} by backward(), {gradient!r} compiled: {leaf.grad == gradient}")

# %% [markdown]
# All time steps are alike. So it is enough to compile one and to play it T times.

# %%
T = 10_000
ask(f"{T:,} steps, forward and backward. How many times as fast is the compiled step?")

# %%
again = ScalarRNNCell(w=0.9, u=0.5, b=0.1)
step = Recurrence(again, x=Number(), loss=mse_loss, target=Number(), loss_at="last")
step.forward_backward([[0.1]], [[0.3]])  # the first call compiles


def eager() -> None:
    again.zero_grad()
    long = unroll(again, [0.1] * T)
    mse_loss(long.h[T], 0.3).backward()


def compiled() -> Run:
    return step.forward_backward([[0.1] * T], [[0.3] * T])


slow, fast = (min(repeat(engine, number=1, repeat=5)) for engine in (eager, compiled))  # the fastest of five
print(f"w.grad: {again.w.grad!r} by backward(), {compiled().gradients[0]!r} compiled")
print(f"measured: {slow * 1000:.0f} ms and {fast * 1000:.1f} ms, {slow / fast:.0f} times as fast")

# %% [markdown]
# What is compiled is one column of this picture, with the order of its nodes.

# %%
show(draw(unrolled, loss, detail="values"))

# %% [markdown]
# **Exercise.** Play a tape forwards. A line (op, i, j) says: apply op to the numbers i and j of what is there so far.


# %%
def run_tape(tape: list[tuple[str, int] | tuple[str, int, int]], inputs: list[float]) -> float:
    """The last number, for lines ("add", i, j), ("mul", i, j) and ("tanh", i); the inputs are numbers 0, 1, 2, …"""
    ...


check(run_tape)
