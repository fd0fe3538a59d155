# %% [markdown]
# # 3 · Why topological order
#
# A node may pass its gradient on only when all of it has arrived. So every node must come before its operands, and
# after everything that uses it. Such an order is called *topological*.
#
# The order in which the numbers were computed, read backwards, is one. For a sequence that means: last step first.

# %%
from lesson import ask, check, show
from tinygrad_rnn import Value, draw_dot
from tinygrad_rnn.engine.backward import local_gradients, topological_order

x = Value(3.0, label="x")
a = x**2
b = a**2
y = a + b
a.label, b.label, y.label = "a", "b", "y"
print(f"a = x² = {a.data:g}, b = a² = {b.data:g}, y = a + b = {y.data:g}")


# %%
def backward_in(order: list[Value]) -> None:
    """A backward pass in any order, right or wrong."""
    for node in order:
        node.zero_grad()
    y.grad = 1.0
    for node in order:
        for parent, slope in zip(node.parents, local_gradients(node)):
            before = parent.grad
            parent.grad += slope * node.grad
            print(f"  {parent.label}.grad = {before:g} + {slope:g}·{node.grad:g} = {parent.grad:g}")
    print(f"  ∂y/∂x = {x.grad:g}")


# %%
ask("y uses a directly and through b. If a passes its gradient on before b has been there, what is ∂y/∂x?")

# %%
print("y, a, b: a too early")
backward_in([y, a, b, x])
print("y, b, a: a waits for b")
backward_in(topological_order(y))

# %% [markdown]
# The red edges are the two that a has to wait for.

# %%
y.backward()
show(draw_dot(y, style=lambda part: {"stroke": "#b2182b", "pen": 2.0} if getattr(part, "parent", None) is a else None))

# %% [markdown]
# **Exercise.** Put nodes in topological order. You get the operands of each, by name.


# %%
def in_order(operands: dict[str, list[str]]) -> list[str]:
    """The names, each before all of its operands: {"y": ["x"], "x": []} gives ["y", "x"]."""
    ...


check(in_order)
