"""A backward pass to stop in with a debugger: see debuggers.md."""

from tinygrad_rnn import ScalarRNNCell, mse_loss, unroll

cell = ScalarRNNCell(w=0.9, u=0.5, b=0.1)
unrolled = unroll(cell, [1.0, 0.5, -1.0])
loss = mse_loss(unrolled.h[3], 0.3)

cell.w.breakpoint()  # wherever w receives a part of its gradient
loss.backward()
print(f"w.grad = {cell.w.grad:.6f}")
