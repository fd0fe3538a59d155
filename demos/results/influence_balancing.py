"""Influence balancing: truncated BPTT goes the wrong way (Tallec & Ollivier 2017).

x_t = A x_(t-1) + θ (1, …, 1, -1, …, -1), A with ½ on its diagonal and above it. θ pushes the first entry up soon, by
the near entries, and down in the end, by the many far ones. A gradient that is cut after K steps sees the push only.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from typing import Any

from common import BLUE, GREEN, GREY, ORANGE, RED, Row, Source, figure, main, plain, timed

from tinygrad_rnn import Value
from tinygrad_rnn.bptt import unroll
from tinygrad_rnn.bptt.anatomy import anatomy
from tinygrad_rnn.compile import Number, Recurrence
from tinygrad_rnn.nn import Cell
from tinygrad_rnn.optim import SGD
from tinygrad_rnn.sweep import Record

UP, DOWN = 10, 13
SIZE = UP + DOWN
RATE, START = 1e-3, 0.0
FULL = 500
LENGTHS = (1, 10, 41, 100, 109, 120, 200, FULL)
UPDATES = 3000

SOURCE = Source(
    title="Influence balancing: truncated BPTT against full BPTT",
    paper="Tallec & Ollivier, Unbiasing truncated backpropagation through time, arXiv:1705.08209, and Unbiased online "
    "recurrent optimization, arXiv:1702.05043",
    year=2017,
    section="influence balancing, in the experiments of both",
    setting=f"{SIZE} units, {UP} pushed up by θ and {DOWN} down; loss ½ (x_1 − 1)² at every step; after "
    f"every K steps an update by the gradient of their mean loss, which goes back to the first of them (the state "
    f"flows on); gradient descent, rate {RATE:g}, θ = {START:g} at first, {UPDATES:,} updates",
    differences=f"full BPTT is stood in for by K = {FULL}: of the gradient of a loss at the end of a window, what "
    "is left out is below the rounding of doubles; constant rate",
    criterion="distance of θ from the optimum after training, larger (diverges) or smaller (converges) than at first; "
    "and ∂x_1/∂θ at the end of a window of K steps, as far as it is seen within it, against the whole",
)
SETTINGS = [("gradient", 200), *[("training", K) for K in LENGTHS]]
SEEDS = (0,)


class System(Cell):
    """The system; it has no input."""

    state_names = ("x",)

    def __init__(self) -> None:
        self.theta = Value(START, label="θ")

    def step(self, x: Any, *state: Any) -> dict[str, Any]:
        """x_t."""
        (before,) = state
        above = [*before[1:], Value(0.0)]
        signs = [1.0] * UP + [-1.0] * DOWN
        return {"x": [0.5 * a + 0.5 * b + sign * self.theta for a, b, sign in zip(before, above, signs)]}

    def initial_state(self) -> tuple[list[Value]]:
        """Zeros."""
        return ([Value(0.0) for _ in range(SIZE)],)


def loss(x: list[Value]) -> Value:
    """½ (x_1 − 1)²."""
    return 0.5 * (x[0] - 1.0) ** 2


@cache
def program(mode: str) -> tuple[System, Recurrence]:
    """The system, compiled."""
    system = System()
    return system, Recurrence(system, Number(), loss, loss_at="every", mode=mode)


def train(K: int, windows: int, engine: str) -> tuple[list[float], list[float]]:
    """θ before every window and after the last, and the losses."""
    system, compiled = program("exact")
    system.theta.data = START
    optimizer = SGD([system.theta], lr=RATE)
    state: Any = [[0.0] * SIZE]
    thetas, losses = [START], []
    for _ in range(windows):
        if engine == "eager":
            system.zero_grad()
            unrolled, value = compiled.eager([0.0] * K, h0=state[0])
            assert value is not None
            value.backward(1.0 / K)
            losses.append(value.data / K)
            state = [[entry.data for entry in unrolled.state(K)]]
        else:
            compiled.read_parameters()
            run = compiled.forward_backward([[0.0] * K], h0=state, gradient=1.0 / K)
            (system.theta.grad,) = run.gradients
            losses.append(run.loss / K)
            state = run.state
        if abs(system.theta.data) > 1e6:
            break  # it has diverged
        optimizer.step()
        thetas.append(system.theta.data)
    return thetas, losses


@timed
def experiment(part: str, K: int, seed: int) -> dict[str, Any]:
    """What a gradient through K steps sees, or training with it."""
    if part == "gradient":
        unrolled = unroll(System(), [0.0] * K)
        by_lag = anatomy(unrolled, unrolled["x"][K][0], unrolled.cell.theta).by_lag()
        sums = [0.0]
        for lag in range(K):
            sums.append(sums[-1] + by_lag[lag])
        return {"sums": sums}
    thetas, _ = train(K, UPDATES, "compiled")
    updates = sorted({min(round(1.12**i), len(thetas) - 1) for i in range(80)})
    return {"updates": updates, "thetas": [thetas[i] for i in updates]}


def data(records: Sequence[Record]) -> dict[str, Any]:
    """The gradients by K, and the path of θ."""
    gradient, *trainings = (record.result or {} for record in records)
    best = 1.0 / gradient["sums"][-1]
    courses = [
        {"K": K, "updates": t["updates"], "off": [float(f"{abs(theta - best):.3g}") for theta in t["thetas"]]}
        for K, t in zip(LENGTHS, trainings)
    ]
    return {"sums": [round(number, 4) for number in gradient["sums"]], "trainings": courses}


def rows(data: dict[str, Any]) -> list[Row]:
    """The lines of the table."""
    sums = data["sums"]
    first = next(K for K in range(1, len(sums)) if sums[K] < 0.0)
    off = {training["K"]: training["off"] for training in data["trainings"]}
    names = [*map(str, LENGTHS[:-1]), "full"]
    fates = ["diverges" if off[K][-1] > off[K][0] else "converges" for K in LENGTHS]
    return [
        Row(
            "gradient cut after K steps, or full",
            "; ".join(
                f"K = {', '.join(name for name, its in zip(names, fates) if its == fate)}: {fate}"
                for fate in ("diverges", "converges")
            ),
            "diverges unless the truncation is much longer than the intrinsic range (curves)",
        ),
        Row(
            f"distance to the optimum after up to {UPDATES:,} updates",
            ", ".join(f"{off[K][-1]:.1g}" for K in LENGTHS),
            "–",
        ),
        Row("∂x_1/∂θ in full", f"{sums[-1]:.4f}", f"{2 * (UP - DOWN)}, as 2 · ({UP} − {DOWN})"),
        Row("the largest wrong one", f"{max(sums):+.3f} at K = {sums.index(max(sums))}", "–"),
        Row("right sign of the gradient of a loss at the end of a window from", f"K = {first}", "–"),
    ]


def picture(data: dict[str, Any]) -> Any:
    """The gradient seen within K steps, and θ during training."""
    drawing = figure(11.0, 4.2)
    left, right = drawing.subplots(1, 2)
    sums = data["sums"][:111]
    left.axhline(0.0, color=GREY, linewidth=0.8)
    left.fill_between(range(len(sums)), sums, 0.0, where=[s >= 0 for s in sums], color=RED, alpha=0.18, linewidth=0)
    left.fill_between(range(len(sums)), sums, 0.0, where=[s <= 0 for s in sums], color=GREEN, alpha=0.18, linewidth=0)
    left.plot(range(len(sums)), sums, color="#333333", linewidth=2.0)
    left.axhline(data["sums"][-1], color=GREEN, linestyle="--", linewidth=1.2)
    left.text(108, data["sums"][-1] + 0.5, "in full: −6", color=GREEN, ha="right", fontsize=9)
    left.text(22, 4.0, "wrong sign", color=RED, fontsize=10, ha="center")
    left.text(72, -2.6, "right sign", color=GREEN, fontsize=10, ha="center")
    left.set(xlabel="steps K that the gradient goes back", ylabel="∂x$_1$/∂θ within K steps", xlim=(0, 110))
    left.set_title("What the gradient of the last loss of a window sees", loc="left", fontsize=11)
    colours = {
        1: "#67000d",
        10: RED,
        41: "#ef6548",
        100: ORANGE,
        109: "#c7a500",
        120: "#78c679",
        200: GREEN,
        FULL: BLUE,
    }
    for training in data["trainings"]:
        K, off = training["K"], [max(1e-12, distance) for distance in training["off"]]
        right.plot(training["updates"], off, color=colours[K], linewidth=1.8, label="full" if K == FULL else f"K = {K}")
    right.set(xscale="log", yscale="log", xlabel="updates", ylabel="|θ − optimum|")
    right.set(ylim=(1e-10, 1e7), xlim=(1, UPDATES))
    right.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
    right.set_title("Training with a loss at every step", loc="left", fontsize=11)
    right.legend(frameon=False, ncols=2, fontsize=9)
    for axes in (left, right):
        plain(axes)
    return drawing


def slice_of(engine: str) -> list[float]:
    """Some windows of truncated and of longer passes."""
    return [number for K in (3, 41) for part in train(K, 4, engine) for number in part]


if __name__ == "__main__":
    main(sys.modules[__name__])
