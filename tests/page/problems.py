"""The scalar problem that both tests of the page explore."""

import math

from tinygrad_rnn import ScalarRNNCell, mse_loss, time_step, total, unroll


def problem(T=5, w=0.9, each=False):
    """A scalar RNN over T steps, with the loss of the last step or the mean of the losses of each."""
    inputs = [math.sin(0.7 * i) for i in range(1, T + 2)]
    unrolled = unroll(ScalarRNNCell(w=w, u=0.5, b=0.1), inputs[:-1])
    losses = []
    for t in range(1 if each else T, T + 1):
        with time_step(t):
            losses.append(mse_loss(unrolled.h[t], inputs[t]))
        losses[-1].label = f"L_{t}"
    loss = total(losses) / len(losses) if each else losses[0]
    loss.label = "L"
    return unrolled, loss, losses
