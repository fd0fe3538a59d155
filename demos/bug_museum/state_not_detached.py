"""Truncated BPTT that hands the state on with its past: every pass goes back to the first step."""

from tinygrad_rnn import ScalarRNNCell, mse_loss, unroll

CHUNK = 4
inputs = [1.0, 0.5, -1.0, 0.7, -0.2, 0.9, 0.1, -0.6, 0.4, 0.8, -0.3, 0.2]

for broken in (True, False):
    print("broken:" if broken else "right:")
    cell = ScalarRNNCell(w=0.9, u=0.5, b=0.1)
    state = 0.0
    for begin in range(0, len(inputs), CHUNK):
        unrolled = unroll(cell, inputs[begin : begin + CHUNK], state, first=begin + 1)
        loss = mse_loss(unrolled.h[unrolled.T], 0.3)
        steps = list(loss.backward_steps())
        earliest = min(step.time_step for step in steps if step.time_step is not None)
        print(f"  chunk t = {begin + 1} … {unrolled.T}: {len(steps)} steps, back to t = {earliest}")
        state = unrolled.h[unrolled.T]
        if not broken:
            state = state.detach()
