# %% [markdown]
# # 2 · A graph
#
# Numbers are computed from numbers that were computed. That is a graph.
#
# If x reaches y along several paths, each path brings its share, and the shares add up:
#
# $$\frac{\partial y}{\partial x} = \sum_{\text{paths}} \; \prod_{\text{edges}} \text{local gradient}.$$
#
# Multiply along a path, add between paths.

# %%
from lesson import ask, check, show
from tinygrad_rnn import Value, draw_dot, paths

x, w = Value(3.0, label="x"), Value(2.0, label="w")
a = w * x
b = x + 1.0
y = a * b
a.label, b.label, y.label = "a", "b", "y"
print(f"a = w·x = {a.data:g}, b = x + 1 = {b.data:g}, y = a·b = {y.data:g}")

# %%
ask("x reaches y through a and through b. How fast does y move with x?")

# %%
for path in paths(y, x):
    print(path)
y.backward()
print(f"backward(): ∂y/∂x = {x.grad:g}")

# %% [markdown]
# `backward()` never lists a path. It walks every edge once and lets gradients add up at the nodes. That matters: with
# every node used twice, the number of paths doubles at every step.

# %%
ask("20 doublings, each node the sum of the one before with itself: how many paths, how many edges?")

# %%
from tinygrad_rnn.bptt.paths import count_paths

node = start = Value(1.0)
for _ in range(20):
    node = node + node
steps = len(list(node.backward_steps()))
print(f"{count_paths(node, start):,} paths; backward() takes {steps} steps and finds {start.grad:,.0f}")

# %%
show(draw_dot(y, local_gradients=True))

# %% [markdown]
# **Exercise.** You get the paths from y to x, each as the list of its local gradients. What is ∂y/∂x?


# %%
def gradient_of(paths: list[list[float]]) -> float:
    """∂y/∂x, from the local gradients along each path."""
    ...


check(gradient_of)
