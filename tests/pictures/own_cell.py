"""A cell of which pictures know nothing."""

from __future__ import annotations

from tinygrad_rnn import Unrolled, Value, unroll


def unrolled_own_cell(count: int) -> tuple[Unrolled, Value]:
    """Of a cell with two numbers as its state and so many weights, over 12 time steps; and a loss."""
    w = [Value(0.3 + 0.1 * i, label=f"w{i}") for i in range(count)]

    def cell(x: Value, h: Value, m: Value) -> tuple[Value, Value]:
        for weight in w:
            m = (m * 0.8 + (weight * h + x).tanh() * 0.3).tanh()
        return (m * h).sigmoid(), m

    cell.state_names = ("h", "m")  # type: ignore[attr-defined]
    unrolled = unroll(cell, [0.1 * t for t in range(12)], h0=(0.5, 0.1))
    return unrolled, (unrolled.h[12] - 1.0) ** 2
