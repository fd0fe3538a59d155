# %% [markdown]
# # 4 · tanh and its derivative
#
# The recurrence of this course squeezes a number z into h = tanh z, between -1 and 1.
#
# Its derivative needs nothing but the result:
#
# $$\tanh'(z) = 1 - \tanh^2(z) = 1 - h^2.$$
#
# It is at most 1. So tanh never makes a gradient larger, and where it is saturated it makes it almost nothing.

# %%
from lesson import ask, axes_to_plot_on, check, show
from tinygrad_rnn import Value

# %%
ask("Where is tanh' as large as it gets, and how large? How large is it at z = 3?")

# %%
print("   z         h      tanh'")
for number in (-3.0, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0):
    z = Value(number)
    h = z.tanh()
    h.backward()
    print(f"{number:4g}  {h.data:8.5f}  {z.grad:9.6f}")

# %%
ask("A gradient of 1 passes through 10 steps, each with z = 2. What is left of it?")

# %%
z = Value(2.0)
z.tanh().backward()
print(f"after  1 step:  {z.grad:.4g}")
print(f"after 10 steps: {z.grad**10:.4g}")

# %%
axes = axes_to_plot_on()
grid = [i / 50 for i in range(-200, 201)]
outputs = [Value(number).tanh().data for number in grid]
axes.plot(grid, outputs, color="#2166ac", linewidth=2.5, label="h = tanh z")
axes.plot(grid, [1.0 - h * h for h in outputs], color="#b2182b", linewidth=2.5, label="tanh' = 1 − h²")
axes.axhline(0.0, color="#999999", linewidth=0.8)
for edge in (-4.0, 2.0):
    axes.axvspan(edge, edge + 2.0, color="#eeeeee")
axes.text(-3.9, 0.2, "saturated:\nlittle passes", color="#666666")
axes.text(2.1, -0.6, "saturated:\nlittle passes", color="#666666")
axes.set_xlim(-4.0, 4.0)
axes.set_xlabel("z")
axes.legend(frameon=False, loc="upper left")
show(axes.figure)

# %% [markdown]
# **Exercise.** The slope of tanh, from h alone.


# %%
def tanh_slope(h: float) -> float:
    """tanh'(z), given h = tanh z."""
    ...


check(tanh_slope)
