"""Compiled time steps against eager, micrograd, CasADi, XAD, PyTorch, JAX and C, side by side in one run.

    pip install -e '.[bench]' && python tests/tools/benchmarks/compiled.py [--quick] [--resume]

The loss is Σ |h_T|² over the sequences of a batch; measured is the loss with all parameter gradients, in float64,
on one core. The peers take turns, round after round, so that whatever else the machine does hits all of them alike;
a time is the median of all runs. Peers that have no batches run the sequences one after the other; where that would
take long, the time of one sequence is multiplied and marked "≈". All gradients are compared with those of exact mode;
a peer that disagrees is reported as such, with no time.

The results, compiled.md, compiled.json and compiled.png, lie beside this script. They are written after every row;
``--resume`` keeps the rows that are there. A whole table takes about a quarter of an hour on an idle machine.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"

import numpy as np  # noqa: E402

import tinygrad_rnn  # noqa: E402
from tinygrad_rnn import RNNCell, total  # noqa: E402
from tinygrad_rnn.compile import Recurrence, Vector  # noqa: E402
from tinygrad_rnn.nn import LSTMCell  # noqa: E402

D = 8
GATES = {"rnn": 1, "lstm": 4}
#: Scalar operations per run beyond which a peer that records every one is not asked (its graph takes gigabytes).
TOO_MANY = {"eager": 400_000, "micrograd": 400_000, "CasADi SX": 700_000, "XAD": 700_000}
#: And of all sequences of a batch beyond which it runs only one of them.
MANY = 300_000
PEERS = ("compiled exact", "compiled fast", "C", "JAX", "PyTorch", "CasADi SX", "XAD", "eager", "micrograd")


@dataclass
class Cell:
    """One cell of the table: times in microseconds."""

    kind: str
    H: int
    T: int
    B: int
    peer: str
    median: float | None = None
    best: float | None = None
    runs: int = 0
    setup_seconds: float = 0.0
    note: str = ""


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
        program = Recurrence(problem.cell, Vector(D), lambda h: total([a * a for a in h]), loss_at="last", mode=mode)
        x = problem.x

        def run() -> tuple[float, Any]:
            result = program.forward_backward(x)
            return result.loss, result.gradients

        return run

    return make


def eager(problem: Problem) -> Runner:
    program = Recurrence(problem.cell, Vector(D), lambda h: total([a * a for a in h]), loss_at="last")
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


def prepare(problem: Problem, peers: Sequence[str]) -> tuple[dict[str, Cell], dict[str, Runner]]:
    """A cell for every peer, and what to run for those that can take part and agree about the gradients."""
    cells, runners, expected = {}, {}, None
    for peer in peers:
        cell = cells[peer] = Cell(problem.kind, problem.H, problem.T, problem.B, peer)
        if peer in TOO_MANY and problem.operations > TOO_MANY[peer]:
            cell.note = f"not run: {problem.operations:,} operations per sequence would be recorded one by one"
            continue
        if peer in TOO_MANY and problem.operations * problem.B > MANY and problem.B > 1:
            cell.note = "one sequence"
            continue
        began = time.perf_counter()
        try:
            runner = MAKERS[peer](problem)
            gradients = in_one_row(problem, runner()[1])
        except ImportError as error:
            cell.note = f"missing: {error}"
            continue
        cell.setup_seconds = time.perf_counter() - began
        expected = gradients if expected is None else expected
        if np.allclose(gradients, expected, rtol=1e-8, atol=1e-10):
            runners[peer] = runner
        else:
            cell.note = f"gradients differ by {np.abs(gradients - expected).max():.1e}"
    return cells, runners


def take_turns(runners: Mapping[str, Runner], seconds: float, rounds: int) -> dict[str, list[float]]:
    """The times of all runs: in every round each peer in turn runs for its share of the seconds, and at least once."""
    times: dict[str, list[float]] = {peer: [] for peer in runners}
    for _ in range(rounds):
        for peer, run in runners.items():
            if sum(times[peer]) > 4.0 * seconds:  # so slow that few runs must do
                continue
            gc.collect()
            until = time.perf_counter() + seconds / rounds
            while True:
                start = time.perf_counter()
                run()
                end = time.perf_counter()
                times[peer].append(end - start)
                if end > until:
                    break
    return times


def measure(problem: Problem, peers: Sequence[str], seconds: float, rounds: int, earlier: Sequence[Cell]) -> list[Cell]:
    """One row of the table.

    Args:
        problem: the row.
        peers: the columns.
        seconds: for each cell.
        rounds: turns that the peers take.
        earlier: rows above, which have the times of one sequence.
    """
    cells, runners = prepare(problem, peers)
    for peer, times in take_turns(runners, seconds, rounds).items():
        cells[peer].median, cells[peer].best = 1e6 * statistics.median(times), 1e6 * min(times)
        cells[peer].runs = len(times)
    for cell in cells.values():
        if cell.note == "one sequence":
            place = (cell.kind, cell.H, cell.T, 1, cell.peer)
            one = next(e for e in earlier if (e.kind, e.H, e.T, e.B, e.peer) == place)
            cell.note = f"one sequence × {problem.B}" if one.median else one.note
            cell.median, cell.best = (time_ and time_ * problem.B for time_ in (one.median, one.best))
    return list(cells.values())


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
    versions = {"tinygrad_rnn": tinygrad_rnn.__version__}
    for package in ("llvmlite", "jax", "torch", "casadi", "xad", "micrograd"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return {"processor": name, "python": platform.python_version(), "load": f"{os.getloadavg()[0]:.1f}", **versions}


# ---- what is made of the cells --------------------------------------------------------------------------------

Rows = dict[tuple[str, int, int, int], dict[str, Cell]]


def in_rows(cells: Sequence[Cell]) -> Rows:
    rows: Rows = {}
    for cell in cells:
        place = (cell.kind, cell.H, cell.T, cell.B)
        rows.setdefault(place, {peer: Cell(*place, peer, note="not asked for") for peer in PEERS})[cell.peer] = cell
    return rows


def shown(cell: Cell) -> str:
    if cell.median is None:
        return "–"
    digits = f"{cell.median:,.1f}" if cell.median < 100 else f"{cell.median:,.0f}"
    return f"≈{digits}" if cell.note else digits


def ratio(row: Mapping[str, Cell], peer: str, ours: str) -> float | None:
    """How many times as long a peer takes as we do; the ratio of the medians."""
    times = [row[name].median for name in (peer, ours)] if row else [None, None]
    return times[0] / times[1] if times[0] and times[1] else None


#: On the RNN with H = 16 and T = 35: batch, our mode, peer, and how many times as long the peer is to take.
GOALS = (
    (1, "compiled exact", "JAX", 1.5), (1, "compiled exact", "PyTorch", 25.0), (1, "compiled exact", "CasADi SX", 8.0),
    (1, "compiled exact", "micrograd", 5000.0), (1, "compiled exact", "C", 1 / 1.5),
    (32, "compiled fast", "JAX", 1.0), (32, "compiled fast", "PyTorch", 3.0),
    (256, "compiled fast", "JAX", 1.0), (256, "compiled fast", "PyTorch", 3.0),
)  # fmt: skip


def markdown(cells: Sequence[Cell], about: Mapping[str, str]) -> str:
    rows = in_rows(cells)
    versions = ", ".join(f"{name} {version}" for name, version in about.items() if name not in ("processor", "load"))
    lines = [
        "# Loss and all gradients of a recurrent network",
        "",
        f"Medians in µs, measured side by side by `compiled.py`: float64, one core of {about['processor']} "
        f"(load {about['load']}), D = 8; {versions}. ≈: the time of one sequence, multiplied. –: not run, see below. "
        "The best of each row is bold.",
        "",
        "Eager and micrograd run with Python's cyclic garbage collector on, as it is by default. How much longer "
        "micrograd takes depends on that, and on the version of Python: [the four cases](eager.md).",
        "",
        "| net | T | B | " + " | ".join(PEERS) + " |",
        "|---|--:|--:|" + "--:|" * len(PEERS),
    ]
    for (kind, H, T, B), row in rows.items():
        best = min((cell.median for cell in row.values() if cell.median is not None), default=None)
        entries = [f"**{shown(row[p])}**" if row[p].median == best else shown(row[p]) for p in PEERS]
        lines.append(f"| {kind.upper()} H={H} | {T} | {B} | " + " | ".join(entries) + " |")
    lines += ["", "## Goals, on the RNN with H = 16 and T = 35", "", "| B | mode | peer | goal | measured | met |"]
    lines.append("|--:|---|---|--:|--:|---|")
    for B, ours, peer, goal in GOALS:
        measured = ratio(rows.get(("rnn", 16, 35, B), {}), peer, ours)
        if measured is not None:
            lines.append(
                f"| {B} | {ours} | {peer} | {goal:,.3g} | {measured:,.3g} | {'yes' if measured >= goal else '**no**'} |"
            )
    lines += ["", "Goal and measured: how many times as long the peer takes.", "", "## Where a peer is faster", ""]
    for (kind, H, T, B), row in rows.items():
        ours = min(("compiled exact", "compiled fast"), key=lambda name: row[name].median or math.inf)
        for peer in PEERS[2:]:
            measured = ratio(row, peer, ours)
            if measured is not None and measured < 1.0:
                lines.append(
                    f"- {kind.upper()} H={H}, T={T}, B={B}: {peer} takes {measured:.2f} of the time of {ours}."
                )
    empty = [cell for row in rows.values() for cell in row.values() if cell.median is None]
    notes = sorted({f"- {c.kind.upper()} H={c.H}, T={c.T}, {c.peer}: {c.note}" for c in empty})
    return "\n".join([*lines, "", "## Not run", "", *notes, ""])


COLORS = {
    "compiled exact": "#08519c", "compiled fast": "#4292c6", "C": "#222222", "JAX": "#d95f0e", "PyTorch": "#cb181d",
    "CasADi SX": "#6a51a3", "XAD": "#c994c7", "eager": "#238b45", "micrograd": "#969696",
}  # fmt: skip


def plot(cells: Sequence[Cell], path: Path) -> None:
    """A panel per network, with the time per sequence over the size of the batch."""
    from matplotlib.figure import Figure

    columns = list(dict.fromkeys((c.kind, c.H) for c in cells))
    lengths = sorted({c.T for c in cells})
    figure = Figure(figsize=(2.9 * len(columns) + 1.4, 3.4 * len(lengths) + 0.9), layout="constrained")
    axes = figure.subplots(len(lengths), len(columns), sharex=True, sharey=True, squeeze=False)
    for T, line in zip(lengths, axes):
        for (kind, H), ax in zip(columns, line):
            for peer, color in COLORS.items():
                points = [
                    (c.B, c.median / c.B, c.note)
                    for c in cells
                    if (c.kind, c.H, c.T, c.peer) == (kind, H, T, peer) and c.median is not None
                ]
                if not points:
                    continue
                ours = peer.startswith("compiled")
                ax.plot(*zip(*[point[:2] for point in points]), color=color, linewidth=2.4 if ours else 1.3, label=peer,
                        zorder=3 if ours else 2)  # fmt: skip
                for B, y, note in points:
                    face = "white" if note else color  # hollow: multiplied, not measured
                    ax.plot(B, y, marker="o", markersize=4.5, color=color, markerfacecolor=face, zorder=4)
            ax.set_title(f"{kind.upper()}, H = {H}, T = {T}", loc="left", fontsize=10)
            ax.set_xscale("log", base=2)
            ax.set_yscale("log")
            ax.set_xticks([1, 32, 256], ["1", "32", "256"])
            ax.margins(x=0.08)
            ax.grid(axis="y", color="#e8e8e8", linewidth=0.8)
            ax.tick_params(which="both", length=0, labelsize=9)
            ax.spines[["top", "right", "left"]].set_visible(False)
    figure.supxlabel("sequences in a batch (hollow: the time of one sequence, multiplied)", fontsize=10)
    figure.supylabel("µs per sequence: loss and all gradients", fontsize=10)
    named = {name: handle for ax in axes.flat for handle, name in zip(*ax.get_legend_handles_labels())}
    shown_peers = [peer for peer in COLORS if peer in named]
    figure.legend([named[peer] for peer in shown_peers], shown_peers, loc="outside upper left",
                  ncols=min(len(shown_peers), 2 * len(columns)),
                  frameon=False, fontsize=9.5, handlelength=1.4, columnspacing=1.4)  # fmt: skip
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder for the results")
    parser.add_argument("--quick", action="store_true", help="H = 16 and T = 35 only")
    parser.add_argument("--seconds", type=float, default=0.6, help="time per cell")
    parser.add_argument("--rounds", type=int, default=6, help="turns that the peers take")
    parser.add_argument("--resume", action="store_true", help="keep the rows that compiled.json has")
    parser.add_argument("--peers", nargs="*", default=PEERS, choices=PEERS)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "compiled.json"
    cells: list[Cell] = []
    if options.resume and file.exists():
        cells = [Cell(**entry) for entry in json.loads(file.read_text())["cells"]]
    wanted, began = list(problems(options.quick)), time.perf_counter()
    for number, problem in enumerate(wanted, start=1):
        name = f"{problem.kind.upper()} H={problem.H} T={problem.T} B={problem.B}"
        if (problem.kind, problem.H, problem.T, problem.B) in in_rows(cells):
            continue
        row = measure(problem, options.peers, options.seconds, options.rounds, cells)
        cells += row
        times = ", ".join(f"{cell.peer} {shown(cell)}" for cell in row)
        print(
            f"[{number}/{len(wanted)}, {time.perf_counter() - began:.0f} s] {name}: {times}",
            file=sys.stderr,
            flush=True,
        )
        write(cells, machine(), options.out)
    if file.exists():  # also if nothing was left to measure
        write(cells, json.loads(file.read_text())["machine"], options.out)


def write(cells: Sequence[Cell], about: Mapping[str, str], folder: Path) -> None:
    entries = [asdict(cell) for cell in cells]
    (folder / "compiled.json").write_text(json.dumps({"machine": about, "cells": entries}, indent=1) + "\n")
    (folder / "compiled.md").write_text(markdown(cells, about))
    plot(cells, folder / "compiled.png")


if __name__ == "__main__":
    # A deep stack for micrograd, whose sort is recursive.
    import threading

    threading.stack_size(1 << 30)
    thread = threading.Thread(target=main)
    thread.start()
    thread.join()
