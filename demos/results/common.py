"""What the scripts of this directory share: a network on the compiled engine, the flags, the JSON, the look of plots.

A script states where its experiment was published (`Source`), makes records with `tinygrad_rnn.sweep`, and turns them
into rows of `RESULTS.md` and a picture. ``python NAME.py`` runs the sweep (resumable: what is on record in ``runs/``
is not repeated) and writes ``NAME.json`` and ``NAME.png``; ``--picture`` draws again from the JSON; ``--slice`` runs a
small part on both engines and compares every bit.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import wraps
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_rnn.compile import Recurrence, Vector
from tinygrad_rnn.nn import Cell, Linear
from tinygrad_rnn.optim import Optimizer, clip_grad_norm_, gradient_norm
from tinygrad_rnn.support.files import write_whole
from tinygrad_rnn.support.sums import add_up
from tinygrad_rnn.sweep import ProcessPool, Record, sweep

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HERE = Path(__file__).parent

# ---- a network on either engine ------------------------------------------------------------------------------


class Network(Cell):
    """A cell and its read-out as one cell whose state begins with y_t, so that a compiled run hands it out."""

    def __init__(self, cell: Cell, readout: Linear) -> None:
        self.cell, self.readout = cell, readout
        self.input_size = cell.input_size
        self.state_names = ("y", *cell.state_names)

    def step(self, x: Any, *state: Any) -> dict[str, Any]:
        """What the cell computes, and y_t = V h_t + c."""
        named = self.cell.step(x, *state[1:])
        return {**named, "y": self.readout(named["h"])}

    def initial_state(self) -> tuple[Any, ...]:
        """Zeros."""
        state = self.cell.initial_state()
        return ([0.0 * y for y in self.readout(state[0])], *state)


class Learner:
    """A network and a loss, differentiated by the compiled engine or, to the same bits, by the eager one.

    Args:
        network: its numbers are changed in place.
        x, loss, target: as for `tinygrad_rnn.compile.Recurrence`.
        engine: ``"eager"``, ``"compiled"``, or ``"compiled fast"``, which rounds differently.
    """

    def __init__(self, network: Network, x: Any, loss: Callable[..., Any], target: Any, engine: str) -> None:
        self.network, self.eager = network, engine == "eager"
        mode = "fast" if engine == "compiled fast" else "exact"
        self.program = Recurrence(network, x, loss, target, loss_at="mask", mode=mode)
        self._nothing: Any = [0.0] * target.size if isinstance(target, Vector) else 0

    def restart(self, network: Network) -> None:
        """Take over the numbers of a network of the same shape, instead of compiling it again."""
        self.network.load_state_dict(network.state_dict())

    def step(
        self,
        optimizer: Optimizer,
        xs: Sequence[Any],
        targets: Sequence[Any],
        asked: Sequence[bool] | None = None,
        max_norm: float | None = None,
        state: Any = None,
    ) -> tuple[float, float, Any]:
        """Update by the gradient of the mean loss of some sequences of one length.

        Args:
            optimizer: of the network's parameters.
            xs, targets: of each sequence, for every time step.
            asked: per time step, whether there is a loss; by default at all.
            max_norm: bound on the norm of the gradient; None for no clipping.
            state: the initial state of each sequence; by default the cell's own.

        Returns:
            That loss, the norm of its gradient before clipping, and the state of each sequence after the last step.
        """
        asked = [True] * len(xs[0]) if asked is None else asked
        scale = 1.0 / (add_up(asked) * len(xs))
        run = self._eager if self.eager else self._compiled
        loss, gradients, after = run(xs, targets, asked, scale, state)
        for parameter, gradient in zip(self.program.parameters, gradients):
            parameter.grad = gradient
        parameters = optimizer.parameters
        norm = gradient_norm(parameters) if max_norm is None else clip_grad_norm_(parameters, max_norm)
        optimizer.step()
        return loss * scale, norm, after

    def _compiled(self, xs: Any, targets: Any, asked: Any, scale: float, state: Any) -> tuple[float, Any, Any]:
        self.program.read_parameters()
        run = self.program.forward_backward(xs, targets, state, asked, scale)
        return run.loss, run.gradients, run.state.tolist()

    def _eager(self, xs: Any, targets: Any, asked: Any, scale: float, state: Any) -> tuple[float, Any, Any]:
        total, sums, after = 0.0, [0.0] * len(self.program.parameters), []
        for b, (x, target) in enumerate(zip(xs, targets)):
            for parameter in self.program.parameters:
                parameter.zero_grad()
            unrolled, loss = self.program.eager(x, target, state and state[b], asked)
            assert loss is not None
            loss.backward(scale)
            total += loss.data
            sums = [before + parameter.grad for before, parameter in zip(sums, self.program.parameters)]
            after.append([entry.data for entry in unrolled.state(unrolled.T)])
        return total, sums, after

    def last_outputs(self, xs: Sequence[Sequence[Any]]) -> list[list[float]]:
        """y_T of every sequence."""
        self.program.read_parameters()
        T = len(xs[0])
        run = self.program.forward(xs, [[self._nothing] * T] * len(xs), mask=[False] * T)
        return self._outputs(run.state)

    def outputs(self, inputs: Iterator[Sequence[Any]]) -> Iterator[list[list[float]]]:
        """y_t of every sequence, one time step after the other; ``inputs`` gives x_t of every sequence."""
        self.program.read_parameters()
        state: Any = None
        for x in inputs:
            run = self.program.forward([[entry] for entry in x], [[self._nothing]] * len(x), state, [False])
            state = run.state
            yield self._outputs(state)

    def _outputs(self, state: Any) -> list[list[float]]:
        size = len(self.network.readout.V)
        return [row[:size] for row in state.tolist()]


# ---- results -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """Where an experiment was published, and what is done here.

    Attributes:
        title: of the result.
        paper: authors, title, where it appeared.
        year: of the paper.
        section: of the paper.
        setting: what is done here.
        differences: from the paper: what is scaled down, and what else is not the same.
        criterion: when a run counts as solved, or what is measured.
    """

    title: str
    paper: str
    year: int
    section: str
    setting: str
    differences: str
    criterion: str


@dataclass(frozen=True)
class Row:
    """A line of the table: what was measured, our figure, the paper's, each a short text."""

    what: str
    ours: str
    theirs: str


def timed(experiment: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """The experiment, which also says how many seconds of processor time it took."""

    @wraps(experiment)
    def run(*setting: Any, seed: int) -> dict[str, Any]:
        began = time.process_time()
        return {**experiment(*setting, seed=seed), "cpu": time.process_time() - began}

    return run


def by_setting(records: Sequence[Record]) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    """The results of the experiment, without the time it took, by setting: one result per seed."""
    results: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for record in records:
        assert record.result is not None  # see `result`
        kept = {name: value for name, value in record.result.items() if name != "cpu"}
        results.setdefault(record.setting, []).append(kept)
    return results


def share(count: int, of: int) -> str:
    """``"29 of 30"``."""
    return f"{count} of {of}"


def main(module: Any) -> None:
    """Run a script of this directory, by its flags.

    The script has ``SOURCE``; ``SETTINGS`` and ``SEEDS`` of its ``experiment(*setting, seed=seed)``; ``rows(data)``,
    the lines of the table; ``data(records)``, what the rows and the picture are made of, as JSON; ``picture(data)``;
    and ``slice_of(engine)``, numbers that are the same on both engines.
    """
    name = Path(module.__file__).stem
    parser = argparse.ArgumentParser(description=f"{module.SOURCE.title} ({module.SOURCE.paper})")
    parser.add_argument("--slice", action="store_true", help="run a small part on both engines and compare every bit")
    parser.add_argument("--picture", action="store_true", help="only tell and draw again what the JSON has")
    parser.add_argument("--workers", type=int, default=0, help="processes to run in; by default this one")
    arguments = parser.parse_args()
    if arguments.slice:
        compare(module.slice_of)
        return
    target = HERE / f"{name}.json"
    if not arguments.picture:
        (HERE / "runs").mkdir(exist_ok=True)
        pool = ProcessPool(arguments.workers) if arguments.workers else nullcontext()
        with pool as executor:
            records = sweep(
                module.experiment, module.SETTINGS, executor, seeds=module.SEEDS, file=HERE / "runs" / f"{name}.jsonl"
            )
        write(name, result(module, records))
    stored = json.loads(target.read_text(encoding="utf-8"))
    write(name, {**stored, **presented(module, stored["data"])})
    write_whole(HERE / f"{name}.png", png(module.picture(stored["data"]), digest(stored["data"])))


def result(module: Any, records: Sequence[Record]) -> dict[str, Any]:
    """What the JSON of a script holds."""
    failed = [record for record in records if record.error is not None]
    if failed:
        sys.exit(f"{len(failed)} runs failed, the first with: {failed[0].error}")
    data = module.data(records)
    return {
        **presented(module, data),
        "seeds": list(module.SEEDS),
        "runs": len(records),
        "seconds": round(add_up(record.result["cpu"] for record in records if record.result), 1),
        "data": data,
    }


def presented(module: Any, data: dict[str, Any]) -> dict[str, Any]:
    """The source, the rows and the text that a script makes of its data."""
    return {
        "source": asdict(module.SOURCE),
        "rows": [asdict(row) for row in module.rows(data)],
        **({"text": module.text(data)} if hasattr(module, "text") else {}),
    }


def write(name: str, content: dict[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text = text.replace('","', '",\n"').replace('},"', '},\n"').replace('],"', '],\n"')
    write_whole(HERE / f"{name}.json", text + "\n")


def digest(content: Any) -> str:
    """The digest of a result's data. Its picture carries it, so that a picture of other data can be recognised."""
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def compare(slice_of: Callable[[str], list[float]]) -> None:
    """Say whether both engines give the same numbers, and end with status 1 if not."""
    eager, compiled = slice_of("eager"), slice_of("compiled")
    if eager != compiled:
        where = next(i for i, (a, b) in enumerate(zip(eager, compiled)) if a != b)
        sys.exit(f"eager and compiled differ: number {where} is {eager[where]!r} and {compiled[where]!r}")
    print(f"eager and compiled agree to the bit: {len(eager)} numbers")


# ---- plots ---------------------------------------------------------------------------------------------------

BLUE, RED, GREEN, ORANGE, GREY = "#2166ac", "#b2182b", "#1b7837", "#d95f02", "#737373"


def figure(width: float, height: float) -> Figure:
    """An empty figure."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def png(drawing: Figure, comment: str) -> bytes:
    """A small file: 256 colours, dithered so that shades stay smooth; the comment is in it as it is."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    drawn, file, info = io.BytesIO(), io.BytesIO(), PngInfo()
    drawing.savefig(drawn, dpi=110)
    info.add_text("Comment", comment)
    image = Image.open(drawn).convert("RGB")
    palette = image.quantize(256, method=Image.Quantize.MAXCOVERAGE)
    palette.putpalette([255 if shade > 248 else shade for shade in palette.getpalette() or []])  # paper stays white
    image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(file, "png", optimize=True, pnginfo=info)
    return file.getvalue()


def plain(axes: Any, counts: bool = False) -> None:
    """A quiet grid, and no frame above and to the right; along x, counts get a comma between thousands."""
    if counts:
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
    axes.grid(True, color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def interval(solved: int, of: int) -> tuple[float, float]:
    """The 95 % interval of Wilson (1927) for a share."""
    z, p = 1.96, solved / of
    middle, half = p + z * z / (2 * of), z * (p * (1 - p) / of + z * z / (4 * of * of)) ** 0.5
    return (middle - half) / (1 + z * z / of), (middle + half) / (1 + z * z / of)
