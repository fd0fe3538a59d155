"""Compiled time steps against eager, micrograd, CasADi, XAD, PyTorch, JAX and C, side by side in one run.

    python tests/benchmarks/compiled.py --out FOLDER [--quick]

The loss is Σ |h_T|² over the sequences of a batch; measured is the loss with all parameter gradients, in float64,
on one core, the best of several runs (medians are in the JSON). Peers that have no batches run the sequences one
after the other; where even one run would take minutes, the time of one sequence is multiplied and marked "≈".
All gradients are compared with those of exact mode; a peer that disagrees is reported as such, with no time.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import math
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"

import numpy as np  # noqa: E402

from tinygrad_rnn import RNNCell, total  # noqa: E402
from tinygrad_rnn.compile import Recurrence  # noqa: E402
from tinygrad_rnn.nn import LSTMCell  # noqa: E402

D = 8
GATES = {"rnn": 1, "lstm": 4}
#: Scalar operations per run beyond which a peer that records every one is not asked (its graph takes gigabytes).
TOO_MANY = {"eager": 400_000, "micrograd": 400_000, "CasADi SX": 700_000, "XAD": 700_000}
PEERS = ("compiled exact", "compiled fast", "C", "JAX", "PyTorch", "CasADi SX", "XAD", "eager", "micrograd")


@dataclass
class Cell:
    """One cell of the table: times in microseconds."""

    kind: str
    H: int
    T: int
    B: int
    peer: str
    best: float | None
    median: float | None
    runs: int
    setup_seconds: float
    note: str


@dataclass
class Problem:
    kind: str
    H: int
    T: int
    B: int

    def __post_init__(self) -> None:
        rng = np.random.default_rng(0)
        self.x = rng.standard_normal((self.B, self.T, D))
        make = {"rnn": RNNCell, "lstm": LSTMCell}[self.kind]
        self.cell = make(D, self.H, seed=0)
        P = self.H * self.H + self.H * D + self.H
        self.parameters = np.array([p.data for p in self.cell.parameters()]).reshape(GATES[self.kind], P)

    def split(self, numbers: Any) -> list[tuple[Any, Any, Any]]:
        """W, U, b of each gate."""
        H = self.H
        return [
            (row[: H * H].reshape(H, H), row[H * H : H * H + H * D].reshape(H, D), row[H * H + H * D :])
            for row in np.asarray(numbers).reshape(GATES[self.kind], -1)
        ]

    @property
    def operations(self) -> int:
        """Scalar operations of one sequence."""
        return GATES[self.kind] * 2 * self.H * (self.H + D + 1) * self.T


Runner = Callable[[], tuple[float, Any]]  # the loss and all gradients in one row


def compiled(mode: str) -> Callable[[Problem], Runner]:
    def make(problem: Problem) -> Runner:
        program = Recurrence(problem.cell, D, lambda h: total([a * a for a in h]), asks="last", mode=mode)
        x = problem.x

        def run() -> tuple[float, Any]:
            result = program.forward_backward(x)
            return result.loss, result.gradients

        return run

    return make


def eager(problem: Problem) -> Runner:
    program = Recurrence(problem.cell, D, lambda h: total([a * a for a in h]), asks="last")
    sequences = problem.x.tolist()

    def run() -> tuple[float, Any]:
        loss = 0.0
        for parameter in program.parameters:
            parameter.zero_grad()
        for sequence in sequences:
            _, root = program.eager(sequence)
            root.backward()
            loss += root.data
        return loss, [parameter.grad for parameter in problem.cell.parameters()]

    return run


def by_scalars(problem: Problem, parameters: list[Any], x: Any, tanh: Any, sigmoid: Any) -> Any:
    """The loss of one sequence, written with the scalars of some library."""
    H, P = problem.H, len(parameters) // GATES[problem.kind]

    def affine(gate: int, h: list[Any], inputs: Any) -> list[Any]:
        p = parameters[gate * P : (gate + 1) * P]
        result = []
        for i in range(H):
            z = p[H * H + H * D + i]
            for j in range(H):
                z = z + p[i * H + j] * h[j]
            for j in range(D):
                z = z + p[H * H + i * D + j] * inputs[j]
            result.append(z)
        return result

    h: list[Any] = [0.0] * H
    c: list[Any] = [0.0] * H
    for t in range(problem.T):
        if problem.kind == "rnn":
            h = [tanh(z) for z in affine(0, h, x[t])]
        else:
            i, f, g, o = (affine(gate, h, x[t]) for gate in range(4))
            c = [sigmoid(f_) * c_ + sigmoid(i_) * tanh(g_) for f_, c_, i_, g_ in zip(f, c, i, g)]
            h = [sigmoid(o_) * tanh(c_) for o_, c_ in zip(o, c)]
    loss = h[0] * h[0]
    for entry in h[1:]:
        loss = loss + entry * entry
    return loss


def micrograd(problem: Problem) -> Runner:
    from micrograd.engine import Value

    def tanh(v: Any) -> Any:  # as its author's lecture adds it: micrograd itself has only relu
        y = math.tanh(v.data)
        out = Value(y, (v,), "tanh")

        def back() -> None:
            v.grad += (1 - y * y) * out.grad

        out._backward = back
        return out

    def sigmoid(v: Any) -> Any:
        y = 1 / (1 + math.exp(-v.data))
        out = Value(y, (v,), "sigmoid")

        def back() -> None:
            v.grad += y * (1 - y) * out.grad

        out._backward = back
        return out

    sys.setrecursionlimit(10**7)
    sequences = problem.x.tolist()

    def run() -> tuple[float, Any]:
        loss, gradient = 0.0, 0.0
        for sequence in sequences:
            parameters = [Value(p) for p in problem.parameters.ravel().tolist()]
            root = by_scalars(problem, parameters, sequence, tanh, sigmoid)
            root.backward()
            loss += root.data
            gradient = gradient + np.array([p.grad for p in parameters])
        return loss, gradient

    return run


def xad(problem: Problem) -> Runner:
    import xad.adj_1st as adjoint
    import xad.math

    def sigmoid(v: Any) -> Any:
        return 1.0 / (1.0 + xad.math.exp(-v))

    sequences = problem.x.tolist()

    def run() -> tuple[float, Any]:
        loss, gradient = 0.0, 0.0
        for sequence in sequences:
            with adjoint.Tape() as tape:
                parameters = [adjoint.Real(p) for p in problem.parameters.ravel().tolist()]
                for parameter in parameters:
                    tape.registerInput(parameter)
                tape.newRecording()
                root = by_scalars(problem, parameters, sequence, xad.math.tanh, sigmoid)
                tape.registerOutput(root)
                root.derivative = 1.0
                tape.computeAdjoints()
                loss += root.value
                gradient = gradient + np.array([p.derivative for p in parameters])
        return loss, gradient

    return run


def casadi(problem: Problem) -> Runner:
    import casadi as ca

    p, x = ca.SX.sym("p", problem.parameters.size), ca.SX.sym("x", problem.T * D)
    entries = [x[t * D + j] for t in range(problem.T) for j in range(D)]
    rows = [entries[t * D : (t + 1) * D] for t in range(problem.T)]
    root = by_scalars(problem, ca.vertsplit(p), rows, ca.tanh, lambda v: 1 / (1 + ca.exp(-v)))
    function = ca.Function("bptt", [p, x], [root, ca.gradient(root, p)])
    buffer, call = function.buffer()
    numbers = np.ascontiguousarray(problem.parameters.ravel())
    sequences = [np.ascontiguousarray(sequence.ravel()) for sequence in problem.x]
    loss, gradient = np.zeros(1), np.zeros(numbers.size)
    buffer.set_arg(0, memoryview(numbers))
    buffer.set_res(0, memoryview(loss))
    buffer.set_res(1, memoryview(gradient))

    def run() -> tuple[float, Any]:
        sum_of_losses, sum_of_gradients = 0.0, np.zeros(numbers.size)
        for sequence in sequences:
            buffer.set_arg(1, memoryview(sequence))
            call()
            sum_of_losses += loss[0]
            sum_of_gradients += gradient
        return sum_of_losses, sum_of_gradients

    run.keep = function, buffer  # type: ignore[attr-defined]
    return run


def pytorch(problem: Problem) -> Runner:
    import torch

    torch.set_num_threads(1)
    kind = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM}[problem.kind]
    module = kind(D, problem.H, batch_first=True, dtype=torch.float64)
    parts = problem.split(problem.parameters)
    with torch.no_grad():
        module.weight_hh_l0.copy_(torch.tensor(np.concatenate([W for W, _, _ in parts])))
        module.weight_ih_l0.copy_(torch.tensor(np.concatenate([U for _, U, _ in parts])))
        module.bias_ih_l0.copy_(torch.tensor(np.concatenate([b for _, _, b in parts])))
        module.bias_hh_l0.zero_()
    x = torch.tensor(problem.x)

    def run() -> tuple[float, Any]:
        module.zero_grad()
        output, _ = module(x)
        loss = (output[:, -1] ** 2).sum()
        loss.backward()
        return loss.item(), (module.weight_hh_l0.grad, module.weight_ih_l0.grad, module.bias_ih_l0.grad)

    return run


def jax(problem: Problem) -> Runner:
    import jax as jax_
    import jax.numpy as jnp

    jax_.config.update("jax_enable_x64", True)
    parts = problem.split(problem.parameters)
    weights = tuple(jnp.array(np.concatenate([part[k] for part in parts])) for k in range(3))
    x = jnp.array(problem.x.transpose(1, 0, 2))

    def step(weights: Any, carry: Any, x_t: Any) -> Any:
        W, U, b = weights
        h, c = carry
        z = h @ W.T + x_t @ U.T + b
        if problem.kind == "rnn":
            return (jnp.tanh(z), c), None
        i, f, g, o = jnp.split(z, 4, axis=-1)
        c = jax_.nn.sigmoid(f) * c + jax_.nn.sigmoid(i) * jnp.tanh(g)
        return (jax_.nn.sigmoid(o) * jnp.tanh(c), c), None

    def loss(weights: Any, x: Any) -> Any:
        zero = jnp.zeros((x.shape[1], problem.H))
        (h, _), _ = jax_.lax.scan(lambda carry, x_t: step(weights, carry, x_t), (zero, zero), x)
        return jnp.sum(h * h)

    function = jax_.jit(jax_.value_and_grad(loss))

    def run() -> tuple[float, Any]:
        return jax_.block_until_ready(function(weights, x))  # type: ignore[no-any-return]

    return run


def c(problem: Problem) -> Runner:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise ImportError("no C compiler")
    folder = tempfile.mkdtemp()
    library = Path(folder) / "bptt.so"
    source = Path(__file__).with_name("bptt.c")
    subprocess.run([compiler, "-O3", "-march=native", "-shared", "-fPIC", source, "-o", library, "-lm"], check=True)
    function = getattr(ctypes.CDLL(str(library)), problem.kind)
    shutil.rmtree(folder)
    pointer = np.ctypeslib.ndpointer(np.float64, flags="C")
    function.restype, function.argtypes = ctypes.c_double, [ctypes.c_int] * 4 + [ctypes.c_void_p] * 3
    parameters, x = np.ascontiguousarray(problem.parameters), problem.x
    gradient = np.zeros(parameters.size)
    addresses = [ctypes.c_void_p(array.ctypes.data) for array in (parameters, x, gradient)]

    def run() -> tuple[float, Any]:
        return function(problem.B, problem.T, problem.H, D, *addresses), gradient

    run.keep = pointer, parameters, x  # type: ignore[attr-defined]
    return run


MAKERS: dict[str, Callable[[Problem], Runner]] = {
    "compiled exact": compiled("exact"), "compiled fast": compiled("fast"), "eager": eager, "micrograd": micrograd,
    "XAD": xad, "CasADi SX": casadi, "PyTorch": pytorch, "JAX": jax, "C": c,
}  # fmt: skip


def in_one_row(problem: Problem, gradients: Any) -> Any:
    """The gradients in the order of ``cell.parameters()``."""
    if not isinstance(gradients, tuple):
        return np.array(gradients, dtype=float)
    W, U, b = (np.asarray(part) for part in gradients)
    gates, H = GATES[problem.kind], problem.H
    rows = zip(W.reshape(gates, H * H), U.reshape(gates, H * D), b.reshape(gates, H))
    return np.concatenate([part for row in rows for part in row])


def measure(problem: Problem, peer: str, expected: Any, seconds: float) -> tuple[Cell, Any]:
    place = (problem.kind, problem.H, problem.T, problem.B, peer)
    scaled, asked = 1, problem
    if peer in TOO_MANY:
        if problem.operations > TOO_MANY[peer]:
            return Cell(
                *place,
                None,
                None,
                0,
                0.0,
                f"not run: {problem.operations:,} operations per sequence would be recorded one by one",
            ), None
        if problem.B > 1 and problem.operations * problem.B > 300_000:
            scaled, asked = problem.B, Problem(problem.kind, problem.H, problem.T, 1)
    began = time.perf_counter()
    try:
        run = MAKERS[peer](asked)
        _, gradients = run()
    except ImportError as error:
        return Cell(*place, None, None, 0, 0.0, f"missing: {error}"), None
    setup = time.perf_counter() - began
    got = in_one_row(asked, gradients)
    if scaled == 1 and expected is not None and not np.allclose(got, expected, rtol=1e-8, atol=1e-10):
        return Cell(*place, None, None, 0, setup, f"gradients differ by {np.abs(got - expected).max():.1e}"), None
    times: list[float] = []
    gc.collect()
    until = time.perf_counter() + seconds
    while not times or (time.perf_counter() < until and len(times) < 3000):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    note = f"one sequence × {scaled}" if scaled > 1 else ""
    return (
        Cell(*place, 1e6 * scaled * min(times), 1e6 * scaled * statistics.median(times), len(times), setup, note),
        got if scaled == 1 else None,
    )


def problems(quick: bool) -> Iterator[Problem]:
    for kind, sizes in (("rnn", (4, 16, 64)), ("lstm", (4, 16))):
        for H in sizes:
            for T in (35, 200):
                for B in (1, 32, 256):
                    if not quick or (T, H) == (35, 16):
                        yield Problem(kind, H, T, B)


def machine() -> dict[str, str]:
    name = platform.processor()
    if os.path.exists("/proc/cpuinfo"):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), name)
    return {"processor": name, "python": platform.python_version(), "load": f"{os.getloadavg()[0]:.1f}"}


def shown(cell: Cell) -> str:
    if cell.best is None:
        return "–"
    digits = f"{cell.best:,.1f}" if cell.best < 100 else f"{cell.best:,.0f}"
    return f"≈{digits}" if cell.note else digits


def markdown(cells: list[Cell], about: dict[str, str]) -> str:
    lines = [
        "# Loss and all gradients of a recurrent network, in µs",
        "",
        f"float64, one core of {about['processor']}, Python {about['python']}, load {about['load']}; the best of "
        "several runs; D = 8. ≈: one sequence, multiplied. –: not run, see the notes below.",
        "",
        "| net | T | B | " + " | ".join(PEERS) + " |",
        "|---|--:|--:|" + "--:|" * len(PEERS),
    ]
    table: dict[tuple[str, int, int, int], dict[str, Cell]] = {}
    for cell in cells:
        table.setdefault((cell.kind, cell.H, cell.T, cell.B), {})[cell.peer] = cell
    for (kind, H, T, B), row in table.items():
        best = min(cell.best for cell in row.values() if cell.best is not None)
        entries = [f"**{shown(row[p])}**" if row[p].best == best else shown(row[p]) for p in PEERS]
        lines.append(f"| {kind.upper()} H={H} | {T} | {B} | " + " | ".join(entries) + " |")
    notes = sorted({f"- {c.kind.upper()} H={c.H}, T={c.T}, {c.peer}: {c.note}" for c in cells if c.best is None})
    return "\n".join([*lines, "", *notes, ""])


def plot(cells: list[Cell], path: Path) -> None:
    from matplotlib.figure import Figure

    groups = list(dict.fromkeys((c.kind, c.H, c.T) for c in cells))
    columns = min(len(groups), 5)
    rows = math.ceil(len(groups) / columns)
    figure = Figure(figsize=(3.1 * columns, 3.3 * rows + 0.8), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    colors = ["#08519c", "#6baed6", "#333333", "#d95f0e", "#b2182b", "#7b3294", "#c994c7", "#1a9850", "#999999"]
    order = [groups[i] for i in sorted(range(len(groups)), key=lambda i: (groups[i][2], i))]
    for ax, group in zip(axes.flat, order):
        for peer, color in zip(PEERS, colors):
            points = [
                (c.B, c.best / c.B)
                for c in cells
                if (c.kind, c.H, c.T) == group and c.peer == peer and c.best is not None
            ]
            if points:
                ax.plot(*zip(*points), marker="o", markersize=3.5, linewidth=1.6, color=color, label=peer)
        kind, H, T = group
        ax.set_title(f"{kind.upper()} H={H}, T={T}", loc="left", fontsize=10)
        ax.set_xscale("log", base=2)
        ax.set_yscale("log")
        ax.set_xticks([1, 32, 256], ["1", "32", "256"])
        ax.grid(True, color="#e6e6e6", linewidth=0.7)
        ax.spines[["top", "right"]].set_visible(False)
    for ax in list(axes.flat)[len(groups) :]:
        ax.set_visible(False)
    figure.supxlabel("sequences in a batch")
    figure.supylabel("µs per sequence")
    handles, names = max((ax.get_legend_handles_labels() for ax in axes.flat), key=lambda pair: len(pair[0]))
    figure.legend(handles, names, loc="outside upper center", ncols=len(names), frameon=False, fontsize=9)
    figure.savefig(path, dpi=130)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for compiled.md, compiled.json, compiled.png")
    parser.add_argument("--quick", action="store_true", help="H = 16 and T = 35 only")
    parser.add_argument("--seconds", type=float, default=0.5, help="time per cell")
    parser.add_argument("--peers", nargs="*", default=PEERS, choices=PEERS)
    options = parser.parse_args()
    random.seed(0)
    options.out.mkdir(parents=True, exist_ok=True)
    cells: list[Cell] = []
    for problem in problems(options.quick):
        expected = None
        for peer in PEERS:
            if peer not in options.peers:
                place = (problem.kind, problem.H, problem.T, problem.B, peer)
                cells.append(Cell(*place, None, None, 0, 0.0, "not asked for"))
                continue
            cell, got = measure(problem, peer, expected, options.seconds)
            expected = got if expected is None else expected
            cells.append(cell)
            print(*asdict(cell).values(), flush=True)
        about = machine()
        (options.out / "compiled.json").write_text(
            json.dumps({"machine": about, "cells": [asdict(cell) for cell in cells]}, indent=1) + "\n"
        )
        (options.out / "compiled.md").write_text(markdown(cells, about))
    plot(cells, options.out / "compiled.png")


if __name__ == "__main__":
    # A deep stack for micrograd, whose sort is recursive.
    import threading

    threading.stack_size(1 << 30)
    thread = threading.Thread(target=main)
    thread.start()
    thread.join()
