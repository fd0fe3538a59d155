"""A training loop without zero_grad(): every step goes by the sum of all gradients so far."""

from tinygrad_rnn import ScalarRNNCell, mse_loss, unroll
from tinygrad_rnn.debugger import Debugger, Terminal

for broken in (True, False):
    print("broken:" if broken else "right:")
    cell = ScalarRNNCell(w=0.9, u=0.5, b=0.1)
    for epoch in (1, 2):
        if not broken:
            cell.zero_grad()
        unrolled = unroll(cell, [1.0, 0.5])
        loss = mse_loss(unrolled.h[2], 0.3)
        debugger = Debugger(loss, unrolled)
        debugger.finish()
        print(f"epoch {epoch}: why w")
        Terminal(debugger).do("why w")
        for parameter in cell.parameters():
            parameter.data -= 0.1 * parameter.grad
