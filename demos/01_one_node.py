# %% [markdown]
# # 1 · The chain rule by one node
#
# A node is a number that remembers how it was computed. Take c = a·b.
#
# It knows how fast it moves when one of its operands moves. These are its *local gradients*: ∂c/∂a = b and ∂c/∂b = a.
#
# A loss L that depends on c sees a only through c. So
#
# $$\frac{\partial L}{\partial a} = \frac{\partial L}{\partial c} \, \frac{\partial c}{\partial a}.$$
#
# This is the chain rule. Nothing else will happen in this course.

# %%
from lesson import ask, check, show
from tinygrad_rnn import Value, draw_dot

a, b = Value(2.0, label="a"), Value(3.0, label="b")
c = a * b
c.label = "c"
print(f"a = {a.data:g}, b = {b.data:g}, c = a·b = {c.data:g}")

# %%
ask("L moves 10 times as fast as c: ∂L/∂c = 10. How fast does L move with a, and how fast with b?")

# %% [markdown]
# A backward pass applies the chain rule to one edge after the other. Each line is one application: the local gradient,
# and what it adds.

# %%
for step in c.backward_steps(10.0):
    print(step)

# %% [markdown]
# Believe nothing: nudge a, and look at L = 10·c.

# %%
nudge = 1e-6
moved = 10.0 * (a.data + nudge) * b.data - 10.0 * c.data
print(f"nudged by {nudge:g}, L moves by {moved:.6f}: {moved / nudge:.3f} times as far")

# %%
show(draw_dot(c, local_gradients=True))

# %% [markdown]
# **Exercise.** Division, c = a / b. What does it pass on to a, and what to b?


# %%
def quotient(a: float, b: float, gradient: float) -> tuple[float, float]:
    """∂L/∂a and ∂L/∂b for c = a / b, if ∂L/∂c is ``gradient``."""
    ...


check(quotient)
