"""Truncated BPTT that cuts the gradient at every step of its window, not where the window begins."""

from tinygrad_rnn import ScalarRNNCell, Value, mse_loss, unroll
from tinygrad_rnn.debugger import Debugger, Terminal

cell = ScalarRNNCell(w=0.9, u=0.5, b=0.1)


def cut_at_every_step(x: Value, h: Value) -> Value:
    h_next: Value = cell(x, h.detach())
    return h_next


window = [1.0, 0.5, -1.0, 0.7]
state_before_the_window = Value(0.2)

for cut in (cut_at_every_step, cell):
    print("broken:" if cut is cut_at_every_step else "right:")
    unrolled = unroll(cut, window, state_before_the_window.detach())
    loss = mse_loss(unrolled.h[4], 0.3)
    loss.label = "L"
    cell.zero_grad()
    Terminal(Debugger(loss, unrolled)).do("finish", "chain 0", "why w")
