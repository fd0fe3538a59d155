"""What the lessons share: a question before an answer, a picture, and the checks of the exercises.

The checks know the answers only by asking the engine: there is no solution to be found here.
"""

from __future__ import annotations

import io
import math
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tinygrad_rnn import Drawing, LSTMCell, RNNCell, ScalarRNNCell, Value, jacobian, mse_loss, paths, unroll
from tinygrad_rnn.bptt.truncation import keeps
from tinygrad_rnn.engine.backward import topological_order
from tinygrad_rnn.errors import MissingDependencyError
from tinygrad_rnn.optim import clip_grad_norm_
from tinygrad_rnn.plots.saving import new_figure, save
from tinygrad_rnn.tasks import Reber

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DEMOS = Path(__file__).parent

if isinstance(sys.stdout, io.TextIOWrapper):
    sys.stdout.reconfigure(errors="replace")  # a terminal that lacks ∂ shows ?


def _say_what_is_missing(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if isinstance(error, MissingDependencyError):
        print(f"error: {error}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, traceback)


sys.excepthook = _say_what_is_missing


# ---- questions and pictures ------------------------------------------------------------------------------------


def ask(question: str) -> None:
    """Put a question. At a terminal, wait for a guess; in a notebook, the answer is in the next cell."""
    print(f"\n? {question}")
    if not _in_notebook() and sys.stdin.isatty():
        with suppress(EOFError):
            input("  Your guess, then Enter: ")


def show(picture: Any) -> None:
    """Show a drawing or a figure: in a notebook below the cell, else as a file.

    A script writes it into the folder that is its first argument, or into a temporary one, under its own name.
    """
    if _in_notebook():
        from IPython.display import display

        display(picture)  # type: ignore[no-untyped-call]
        return
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp(prefix="lesson-"))
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / Path(sys.argv[0]).stem
    if isinstance(picture, Drawing):
        picture.save(file := file.with_suffix(".svg"))
    else:
        save(picture, file := file.with_suffix(".png"))
    print(f"\nPicture: {file}")


def axes_to_plot_on() -> Axes:
    """Empty axes of matplotlib, for `show` their ``figure``."""
    axes = new_figure(7.0, 4.0).add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def _in_notebook() -> bool:
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(shell, "kernel")


# ---- exercises ---------------------------------------------------------------------------------------------------

Case = tuple[tuple[Any, ...], Any]  # arguments, and the answer, or a function that tells whether an answer is right


@dataclass(frozen=True)
class Exercise:
    """The cases that a function must solve, and a hint for whoever gets one wrong."""

    cases: Callable[[], Iterator[Case]]
    hint: str


EXERCISES: dict[str, Exercise] = {}


def check(function: Callable[..., Any]) -> None:
    """Say whether the learner's function is right; its name says which exercise it is of."""
    print(f"\nExercise {function.__name__}: {verdict(function)}")


def verdict(function: Callable[..., Any]) -> str:
    """``solved``, ``not solved yet``, or what is wrong, with a hint."""
    exercise = EXERCISES[function.__name__]
    right, first_wrong, signs = 0, "", set()
    cases = list(exercise.cases())
    for arguments, expected in cases:
        call = f"{function.__name__}({', '.join(map(_short, arguments))})"
        try:
            answer = _plain(function(*_copied(arguments)))
        except Exception as error:
            first_wrong = first_wrong or f"{call} raised {type(error).__name__}: {error}"
            signs.add(False)
            continue
        if answer is None and not right and not first_wrong:
            return "not solved yet."
        if _is_right(answer, expected):
            right += 1
        else:
            first_wrong = first_wrong or f"{call} {'returned' if answer is None else 'gave'} {_short(answer)}"
            signs.add(not callable(expected) and _agree(_map(abs, answer), _map(abs, expected)))
    if right == len(cases):
        return "solved."
    note = "Only the sign is wrong. " if signs == {True} else f"{right} of {len(cases)} cases are right. "
    return f"not yet: {first_wrong}. {note if right or True in signs else ''}{exercise.hint}"


def _copied(thing: Any) -> Any:
    """A copy of an argument for the learner's function, which may change it; the check needs the original."""
    if type(thing) in (list, tuple):
        return type(thing)(map(_copied, thing))
    return {key: _copied(entry) for key, entry in thing.items()} if type(thing) is dict else thing


def _is_right(answer: Any, expected: Any) -> bool:
    try:
        return bool(expected(answer)) if callable(expected) else _agree(answer, expected)
    except Exception:  # an answer of another type
        return False


def _plain(answer: Any) -> Any:
    """An answer in Python's own numbers and lists, where it has NumPy's."""
    if hasattr(answer, "tolist"):
        answer = answer.tolist()
    if isinstance(answer, (list, tuple)):
        return type(answer)([_plain(entry) for entry in answer])
    return {key: _plain(entry) for key, entry in answer.items()} if isinstance(answer, Mapping) else answer


def _agree(answer: Any, expected: Any) -> bool:
    if isinstance(expected, (bool, str)):
        return bool(answer == expected)
    if isinstance(expected, Mapping):
        return isinstance(answer, Mapping) and _agree(
            [answer.get(key) for key in expected], list(expected.values())
        ) and len(answer) == len(expected)  # fmt: skip
    if isinstance(expected, Sequence):
        is_sequence = isinstance(answer, Sequence) and len(answer) == len(expected)
        return is_sequence and all(map(_agree, answer, expected))
    answer = getattr(answer, "data", answer)  # a Value will do
    return isinstance(answer, (int, float)) and math.isclose(answer, expected, rel_tol=1e-6, abs_tol=1e-9)


def _map(function: Callable[[float], float], tree: Any) -> Any:
    if isinstance(tree, (list, tuple)):
        return [_map(function, entry) for entry in tree]
    return function(tree) if isinstance(tree, (int, float)) else tree


def _short(thing: Any) -> str:
    if isinstance(thing, float):
        return f"{thing:.4g}"
    if isinstance(thing, (list, tuple)) and len(thing) <= 12:
        ends = "[]" if isinstance(thing, list) else "()"
        return f"{ends[0]}{', '.join(map(_short, thing))}{ends[1]}"
    text = str(thing)
    return text if len(text) <= 60 else f"{text[:59]}…"


def exercise(hint: str) -> Callable[[Callable[[], Iterator[Case]]], Callable[[], Iterator[Case]]]:
    """Make the decorated generator the cases of the exercise that has its name."""

    def register(cases: Callable[[], Iterator[Case]]) -> Callable[[], Iterator[Case]]:
        EXERCISES[cases.__name__] = Exercise(cases, f"Hint: {hint}")
        return cases

    return register


@exercise("how fast does a / b move with a alone, and with b alone? Both times what arrived from above.")
def quotient() -> Iterator[Case]:
    for numbers in ((6.0, 2.0, 1.0), (1.0, 4.0, 1.0), (3.0, -2.0, 10.0), (-1.0, 0.5, 0.1)):
        a, b, gradient = Value(numbers[0]), Value(numbers[1]), numbers[2]
        (a / b).backward(gradient)
        yield numbers, (a.grad, b.grad)


@exercise("along a path, one thing after the other; between paths, one thing beside the other.")
def gradient_of() -> Iterator[Case]:
    for number in (3.0, -1.0, 0.5):
        x = Value(number)
        for y in (x * 2.0 + 1.0, x * x, (x * 3.0) * (x + 1.0) + x, (x * x).tanh() * x):
            y.backward()
            yield ([list(path.factors) for path in paths(y, x)],), x.grad
            x.zero_grad()


@exercise("take a node only when every node that uses it has been taken.")
def in_order() -> Iterator[Case]:
    for operands in (
        {"y": ["x"], "x": []},
        {"y": ["a", "b"], "a": ["x"], "b": ["a"], "x": []},
        {"y": ["b", "a"], "b": ["a"], "a": ["x"], "x": []},
        {"L": ["h2", "h1"], "h2": ["h1", "w"], "h1": ["h0", "w"], "h0": [], "w": []},
    ):
        yield (operands,), partial(_is_in_order, operands)


def _is_in_order(operands: Mapping[str, Sequence[str]], answer: Sequence[str]) -> bool:
    place = {node: i for i, node in enumerate(answer)}
    is_complete = len(answer) == len(operands) and place.keys() == operands.keys()
    return is_complete and all(place[node] < place[operand] for node in operands for operand in operands[node])


@exercise("the slope at z, written with h = tanh z alone. Where h is near 1 or -1, hardly anything moves.")
def tanh_slope() -> Iterator[Case]:
    for number in (0.0, 0.5, -1.0, 2.0, -4.0):
        z = Value(number)
        h = z.tanh()
        h.backward()
        yield (h.data,), z.grad


@exercise("row i is about h_t[i]; it moves with h_{t-1}[j] by W[i][j], and then tanh squeezes the whole row.")
def recurrent_jacobian() -> Iterator[Case]:
    for seed in range(3):
        unrolled = unroll(RNNCell(1, 2, seed=seed), [[1.5]], [Value(0.3), Value(-0.8)])
        W = [[entry.data for entry in row] for row in unrolled.cell.W]
        yield (W, [h.data for h in unrolled.h[1]]), jacobian(unrolled, 1)


@exercise("h_1 needs h_0, h_2 needs h_1, and so on. Return h_1 … h_T.")
def states() -> Iterator[Case]:
    for w, u, b, inputs, h0 in (
        (0.9, 0.5, 0.1, [1.0], 0.0),
        (0.9, 0.5, 0.1, [1.0, 0.5, -1.0], 0.0),
        (-1.5, 1.0, 0.0, [0.2, 0.4, -0.3, 0.1], 0.7),
    ):
        unrolled = unroll(ScalarRNNCell(w, u, b), inputs, h0)
        yield (w, u, b, inputs, h0), [unrolled.h[t].data for t in range(1, unrolled.T + 1)]


def _random_sequence(T: int) -> list[float]:
    rng = random.Random(T)
    return [rng.uniform(-1.0, 1.0) for _ in range(T)]


@exercise("one factor for every step on the way: the first is J_T, the last J_{k+1}, which needs h_{k+1}.")
def chain() -> Iterator[Case]:
    for w, T, k in ((0.9, 1, 0), (0.9, 4, 1), (1.3, 6, 0), (-0.7, 5, 3), (0.5, 3, 3)):
        unrolled = unroll(ScalarRNNCell(w, 0.8), _random_sequence(T), 0.4)
        unrolled.h[T].backward()
        yield (w, [unrolled.h[t].data for t in range(T + 1)], k), unrolled.h[k].grad


@exercise("w is used once per step k. What arrives at z_k, times what w is multiplied with there; then add up.")
def w_gradient() -> Iterator[Case]:
    for w, T in ((0.9, 1), (0.9, 3), (1.3, 6), (-0.7, 5)):
        unrolled = unroll(ScalarRNNCell(w, 0.8), _random_sequence(T), 0.4)
        loss = mse_loss(unrolled.h[T], 0.3)
        loss.backward()
        yield (w, [unrolled.h[t].data for t in range(T + 1)], unrolled.h[T].grad), unrolled.cell.w.grad


@exercise(
    "each step multiplies by |w|. Solve for the number of steps, or count them; for which w would you count forever?"
)
def horizon() -> Iterator[Case]:
    for w, share in ((0.5, 0.01), (0.9, 0.01), (-0.9, 0.3), (0.99, 0.5), (1.0, 0.01), (1.2, 0.1)):
        gradient, steps = 1.0, 0
        while gradient >= share and abs(w) < 1.0:
            gradient, steps = gradient * abs(w), steps + 1
        yield (w, share), float(steps) if steps else math.inf


@exercise("one factor for all, so that the direction stays; a gradient that is short enough stays as it is.")
def clipped() -> Iterator[Case]:
    for gradients, max_norm in (([3.0, 4.0], 1.0), ([0.3, -0.4], 1.0), ([-600.0, 0.0, 800.0], 5.0), ([0.0], 1.0)):
        parameters = [Value(0.0) for _ in gradients]
        for parameter, gradient in zip(parameters, gradients):
            parameter.grad = gradient
        clip_grad_norm_(parameters, max_norm)
        yield (gradients, max_norm), [parameter.grad for parameter in parameters]


@exercise("not the lag decides: draw the chunks 1 … chunk, chunk + 1 … 2·chunk; are both in the same one?")
def reaches() -> Iterator[Case]:
    for chunk in (1, 3, 4):
        for t in range(1, 10):
            for k in range(1, t + 1):
                yield (k, t, chunk), keeps(k, t, chunk, chunk)


@exercise("which f leaves the share when it is multiplied with itself so many times? And for which b is σ(b) this f?")
def forget_bias() -> Iterator[Case]:
    for steps, share in ((1, 0.5), (10, 0.5), (100, 0.5), (100, 0.9)):
        yield (steps, share), partial(_leaves, steps, share)


def _leaves(steps: int, share: float, b: float) -> bool:
    cell = LSTMCell(1, 1)
    for parameter in cell.parameters():
        parameter.data = 0.0
    assert cell.b_f is not None
    cell.b_f[0].data = b
    unrolled = unroll(cell, [[0.0]] * steps)
    unrolled["c"][steps][0].backward()
    return math.isclose(unrolled["c"][0][0].grad, share, rel_tol=1e-6)


@exercise("number the symbols from 1. Which one is the T or P to remember, and after which is it asked for?")
def lag() -> Iterator[Case]:
    task, rng = Reber(), random.Random(0)
    for _ in range(5):
        string = task.string(rng)
        other = string[0] + "TP"[string[1] == "T"] + string[2:]
        asked = next(t for t in range(2, len(string)) if task.legal(string[:t]) != task.legal(other[:t]))
        yield (string,), float(asked - 2)


@exercise("keep a list of numbers, the inputs first; every line of the tape appends one.")
def run_tape() -> Iterator[Case]:
    for inputs in ([2.0, 3.0, 1.0], [0.5, -0.4, 0.1]):
        a, b, c = map(Value, inputs)
        for root in (a * b, a + b * c, (a * b + c).tanh(), ((a + c) * (a + c)).tanh() * b):
            order = [a, b, c, *(node for node in reversed(topological_order(root)) if node.parents)]
            tape = [(node.op, *map(order.index, node.parents)) for node in order[3:]]
            yield (tape, inputs), root.data


@exercise("a step has .parent.label and .time_step; w receives something at every time step.")
def stop_here() -> Iterator[Case]:
    for T in (2, 4):
        unrolled = unroll(ScalarRNNCell(), [1.0] * T)
        for step in unrolled.h[T].backward_steps():
            yield (step,), step.parent is unrolled.cell.w and step.time_step == 2


@exercise("what if one operand stands in two places, as in x·x?")
def accumulated() -> Iterator[Case]:
    yield ({"x": 0.0, "y": 0.0}, ["x", "y"], [3.0, 2.0]), {"x": 3.0, "y": 2.0}
    yield ({"x": 1.0, "y": 0.0}, ["x"], [2.0]), {"x": 3.0, "y": 0.0}
    yield ({"x": 0.0}, ["x", "x"], [3.0, 3.0]), {"x": 6.0}
