"""The error wall of a recurrent unit (Pascanu, Mikolov & Bengio 2013, section 2.3 and figure 6).

The unit x_t = w σ(x_(t-1)) + b is left to itself for 50 steps, and is to end at 0.7. Where a fixed point of the map
appears or vanishes, the error has a wall, and a plain gradient step at the wall is thrown far away; a clipped one is
not.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from operator import sub
from typing import Any

from common import Row, Source, figure, main, timed

from tinygrad_rnn import Value
from tinygrad_rnn.compile import Number, Recurrence
from tinygrad_rnn.nn import Cell
from tinygrad_rnn.optim import SGD, clip_grad_norm_
from tinygrad_rnn.support.sums import norm_of
from tinygrad_rnn.sweep import Record

T, START, TARGET = 50, 0.5, 0.7
W, B = (4.6, 5.4), (-3.0, -2.2)  # the part of the plane that is shown
RATE, MAX_NORM, STEPS = 0.01, 1.0, 12
AT_THE_WALL = (5.0, -2.61234)

SOURCE = Source(
    title="The error wall of one unit, and a clipped step",
    paper="Pascanu, Mikolov & Bengio, On the difficulty of training recurrent neural networks, ICML",
    year=2013,
    section="2.3, figure 6",
    setting=f"x_t = w σ(x_(t-1)) + b, x_0 = {START}, error (σ(x_{T}) − {TARGET})²; {STEPS} steps "
    f"of gradient descent from w = {AT_THE_WALL[0]}, b = {AT_THE_WALL[1]} with rate {RATE}, plain and clipped to norm "
    f"{MAX_NORM:g}",
    differences="none known; the paper shows the surface and the step as a picture, without figures",
    criterion="the steepest slope on the line w = 5, and the errors of descent from the face of the wall",
)
SETTINGS = [("line", 2001), ("descent", STEPS)]
SEEDS = (0,)


class Unit(Cell):
    """One step. The parameters are part of the state, so that every lane of a vector can have its own."""

    state_names = ("x", "w", "b")

    def step(self, x: Any, *state: Any) -> dict[str, Value]:
        """x_t; there is no input."""
        before, w, b = state
        return {"x": w * before.sigmoid() + b, "w": w * 1.0, "b": b * 1.0}

    def initial_state(self) -> tuple[Value, ...]:
        """x_0, and the face of the wall."""
        return Value(START), Value(AT_THE_WALL[0]), Value(AT_THE_WALL[1])


@cache
def program() -> Recurrence:
    """The unit and its error, compiled."""
    return Recurrence(Unit(), Number(), lambda x: (x.sigmoid() - TARGET) ** 2, loss_at="last")


def errors_and_slopes(points: Sequence[tuple[float, float]], engine: str = "compiled") -> list[list[float]]:
    """Of every (w, b): the error, and its derivatives by w and by b."""
    if engine == "compiled":
        run = program().forward_backward([[0.0] * T] * len(points), h0=[[START, w, b] for w, b in points])
        gradients: Any = run.state_gradients.tolist()
        return [[E, by_w, by_b] for E, (_, by_w, by_b) in zip(run.losses, gradients)]
    rows = []
    for w, b in points:
        unrolled, E = program().eager([0.0] * T, h0=[START, w, b])
        assert E is not None
        E.backward()
        rows.append([E.data, *(part.grad for part in unrolled.state(0)[1:])])
    return rows


def descent(clip: bool, steps: int, engine: str = "compiled") -> list[list[float]]:
    """Where gradient descent goes from the face of the wall: (w, b, error) before every step and at the end."""
    w, b = (Value(number) for number in AT_THE_WALL)
    optimizer = SGD([w, b], lr=RATE)
    path = []
    for _ in range(steps + 1):
        ((E, w.grad, b.grad),) = errors_and_slopes([(w.data, b.data)], engine)
        path.append([w.data, b.data, E])
        if clip:
            clip_grad_norm_([w, b], MAX_NORM)
        optimizer.step()
    return path


@timed
def experiment(part: str, n: int, seed: int) -> dict[str, Any]:
    """One part of the result."""
    if part == "line":
        bs = [-2.62 + 0.02 * i / (n - 1) for i in range(n)]
        rows = errors_and_slopes([(5.0, b) for b in bs])
        slope, b = min((row[2], b) for row, b in zip(rows, bs))
        return {"slope": slope, "b": b}
    return {"plain": descent(False, n), "clipped": descent(True, n)}


def data(records: Sequence[Record]) -> dict[str, Any]:
    """The slope and the paths; the surface is computed again for the picture."""
    line, paths = (record.result or {} for record in records)
    rounded = {
        kind: [[float(f"{number:.6g}") for number in point] for point in paths[kind]] for kind in ("plain", "clipped")
    }
    return {"slope": line["slope"], "b": line["b"], **rounded}


def rows(data: dict[str, Any]) -> list[Row]:
    """The lines of the table."""
    plain, clipped = data["plain"], data["clipped"]
    return [
        Row(
            f"{STEPS} plain steps from the wall",
            f"{norm_of(map(sub, plain[0][:2], plain[-1][:2])):.3g} away, by the first; {errors(plain)}",
            "thrown far away (picture)",
        ),
        Row(
            f"{STEPS} steps clipped to norm {MAX_NORM:g}",
            f"{norm_of(map(sub, clipped[0][:2], clipped[-1][:2])):.3f} away; {errors(clipped)}",
            "stays near the wall (picture)",
        ),
        Row("steepest ∂E/∂b at w = 5", f"{data['slope']:.0f} at b = {data['b']:.4f}", "a wall (picture)"),
    ]


def errors(path: list[list[float]]) -> str:
    """The errors on a path."""
    passed = [E for *_, E in path]
    return f"error {passed[0]:.3f} at first, {min(passed):.3f} at the least, {passed[-1]:.3f} at the end"


def text(data: dict[str, Any]) -> str:
    """What clipping does, and what it does not."""
    return (
        "Clipping bounds the step, so that descent stays where it was; with a constant rate it does not come to rest "
        "in the valley, but climbs the wall again and again."
    )


def picture(data: dict[str, Any]) -> Any:
    """The surface with its wall, and the plane from above with the gradient field and both steps."""
    import numpy as np
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm
    from matplotlib.patheffects import withStroke

    # A mesh that follows the wall, dense where it is steep, and reaches beyond B at either end of it.
    n = 121
    offsets = [math.copysign(abs(i / 60) ** 4 * 0.7, i) for i in range(-60, 61)]
    columns = [W[0] + (W[1] - W[0]) * i / (n - 1) for i in range(n)]
    walls = [wall(w) for w in columns]
    points = [(w, at + offset) for w, at in zip(columns, walls) for offset in offsets]
    surface = np.array(errors_and_slopes(points)).reshape(n, len(offsets), 3)
    w, b = np.array(points).reshape(n, len(offsets), 2).transpose(2, 0, 1)
    E, steep = surface[:, :, 0], np.hypot(surface[:, :, 1], surface[:, :, 2])

    drawing = figure(15.0, 5.6)
    halves: Any = drawing.subfigures(1, 2, width_ratios=[1.0, 1.75])
    left, right = halves
    outline = [withStroke(linewidth=4.0, foreground="#1a1a1a")]
    styles = (("plain", "#ff5a5f", "plain step"), ("clipped", "#7df9c0", "steps clipped to norm 1"))

    solid = left.add_subplot(projection="3d", computed_zorder=False)
    inner = slice(*np.searchsorted(offsets, [-0.42, 0.42]))
    cut = (slice(None), inner)
    colours = colormaps["viridis"](E[cut] / 0.36)
    solid.plot_surface(w[cut], b[cut], E[cut], facecolors=colours, rcount=n, ccount=n, linewidth=0, shade=False)
    for kind, colour, _ in styles:
        path = np.array(inside(data[kind], (W, (-3.0, -2.25))))
        path[:, 2] += 0.006  # in front of the surface
        solid.plot(*path.T, color=colour, linewidth=2.0, zorder=5, path_effects=outline)
    solid.plot(*[[x] for x in data["plain"][0]], "o", color="white", markeredgecolor="#1a1a1a", markersize=7, zorder=6)
    solid.set(xlabel="w", ylabel="b", xlim=W, zlim=(0.0, 0.36), zticks=[0.0, 0.1, 0.2, 0.3])
    solid.text2D(0.02, 0.66, "error", transform=solid.transAxes)
    solid.view_init(elev=30, azim=38)
    solid.set_box_aspect((1.0, 1.2, 0.6), zoom=0.93)
    left.suptitle("The error after 50 steps: a wall", x=0.06, ha="left", fontsize=12)

    panels = right.subplots(1, 2)
    for part, title, window, spacing in (
        (0, "From above: downhill, and how steep", (W, B), 0.055),
        (1, "The same, 16 times closer", ((4.975, 5.025), (-2.635, -2.585)), 0.0034),
    ):
        axes = panels[part]
        image = axes.pcolormesh(w, b, steep, norm=LogNorm(1e-2, 1e3), cmap="magma", shading="gouraud", rasterized=True)
        field = [
            (x, y)
            for x in np.arange(window[0][0] + spacing / 2, window[0][1], spacing)
            for y in np.arange(window[1][0] + spacing / 2, window[1][1], spacing)
        ]
        slopes = np.array(errors_and_slopes(field))[:, 1:]
        downhill = -slopes / np.hypot(*slopes.T)[:, None]
        axes.quiver(*np.array(field).T, *downhill.T, color="#ffffff90", scale=24, width=0.0035, headwidth=4)
        for kind, colour, label in styles:
            path = np.array(inside(data[kind], window))[:, :2]
            axes.plot(*path.T, color=colour, linewidth=1.8, marker="o", markersize=3, path_effects=outline, label=label)
        axes.plot(*data["plain"][0][:2], "o", color="white", markeredgecolor="#1a1a1a", markersize=7)
        axes.set(xlim=window[0], ylim=window[1], xlabel="w", ylabel="b", box_aspect=1.0)
        axes.locator_params(nbins=5)
        axes.set_title(title, loc="left", fontsize=12)
    axes.legend(loc="lower left", framealpha=0.9)
    bar = right.colorbar(image, ax=panels, location="bottom", shrink=0.5, pad=0.03, aspect=40)
    bar.set_label("‖∇E‖")
    return drawing


def wall(w: float) -> float:
    """The b at which the error jumps, by bisection: on its left the unit ends low, on its right high."""
    low, high = B[0] - 0.3, B[1] + 0.3
    for _ in range(50):
        middle = (low + high) / 2
        ((E, _, _),) = errors_and_slopes([(w, middle)])
        low, high = (middle, high) if E > 0.15 else (low, middle)
    return (low + high) / 2


def inside(path: list[list[float]], window: Any) -> list[list[float]]:
    """The path as far as it can be shown: a step that leaves the picture ends at its edge."""
    shown = [path[0]]
    for before, after in pairwise(path):
        shares = [
            (edge[after[i] > before[i]] - before[i]) / (after[i] - before[i])
            for i, edge in enumerate(window)
            if not edge[0] <= after[i] <= edge[1]
        ]
        if shares:
            return [*shown, [x + min(shares) * (y - x) for x, y in zip(before, after)]]
        shown.append(after)
    return shown


def slice_of(engine: str) -> list[float]:
    """A coarse grid and some steps of descent."""
    rows = errors_and_slopes([(w, b) for w in (4.8, 5.0, 5.2) for b in (-2.8, -2.6, -2.4)], engine)
    return [number for row in rows + descent(False, 2, engine) + descent(True, 5, engine) for number in row]


if __name__ == "__main__":
    main(sys.modules[__name__])
