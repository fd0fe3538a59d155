# %% [markdown]
# # 11 · Truncated BPTT and its bias
#
# To go back through 10,000 steps one must keep 10,000 states. *Truncated* BPTT goes forward in chunks and backward
# within each chunk only. The state flows on across the border; the gradient does not.
#
# Memory stays constant. The price is a bias: credit from beyond the border is lost.

# %%
from lesson import ask, check, show
from tinygrad_rnn import ScalarRNNCell, anatomy, mse_loss, truncated_bptt, unroll
from tinygrad_rnn.bptt.truncation import truncation
from tinygrad_rnn.plots.anatomy import anatomy_figure

inputs = [1.0, 0.5, -1.0, 0.7, -0.2, 0.9, 0.1, -0.6, 0.4, 0.8, -0.3, 0.2]
targets = [*inputs[1:], 0.5]
cell = ScalarRNNCell(w=0.9, u=0.5, b=0.1)

# %%
ask("12 steps, a loss at each, chunks of 4. Full BPTT finds w.grad = 4.448 in 78 terms. How many terms are left?")

# %%
unrolled = unroll(cell, inputs)
full = anatomy(unrolled, [mse_loss(unrolled.h[t], targets[t - 1]) for t in range(1, 13)], cell.w)
cut = truncation(full, k1=4, k2=4)
left = [(k, t) for k, t, _ in full.terms() if cut.keeps(k, t)]
print(f"{len(left)} terms are left, {len(cut.cut_terms())} are cut.")
print(f"w.grad = {cut.kept.total():.4f}, the bias is {-cut.cut.total():.4f}")
print("the largest that are cut:")
for term in cut.cut_terms()[:3]:
    print(f"  {term}")

# %% [markdown]
# That was bookkeeping. Now the real thing, chunk by chunk, for several lengths.

# %%
print("chunk   w.grad    states kept")
for chunk in (1, 2, 3, 4, 6, 12):
    cell.zero_grad()
    truncated_bptt(cell, inputs, targets, k1=chunk, k2=chunk)
    print(f"{chunk:5}  {cell.w.grad:7.4f}    {chunk:11}")

# %%
ask("A lag of 3 fits into a chunk of 4. Is every term with lag 3 kept?")

# %%
of_lag_3 = [(k, k + 3) for k in range(1, unrolled.T - 2)]
print(f"{sum(term in left for term in of_lag_3)} of {len(of_lag_3)} are kept:")
for k, t in of_lag_3:
    print(f"  loss of step {t:2}, use at step {k}: {'kept' if (k, t) in left else 'cut'}")

# %% [markdown]
# One per chunk: losses early in a chunk see hardly any past. Grey is what was cut.

# %%
show(anatomy_figure(full, truncation=cut))

# %% [markdown]
# **Exercise.** Which terms survive?


# %%
def reaches(k: int, t: int, chunk: int) -> bool:
    """Whether the loss of step t reaches the use of w at step k ≤ t, with chunks 1 … chunk, chunk + 1 … 2·chunk, …"""
    ...


check(reaches)
