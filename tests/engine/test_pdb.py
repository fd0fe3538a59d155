"""What a person sees who steps through the engine with pdb, and how many keystrokes it takes."""

from __future__ import annotations

import cProfile
import pstats
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

import tinygrad_rnn
from tinygrad_rnn import ScalarRNNCell, Value, mse_loss, unroll
from tinygrad_rnn.errors import DomainError

from ..debuggers import APPLICATION, DEMO, ROOT, WALK, Pdb, Where, lines_with

PAGE = ROOT / "demos" / "debuggers.md"

PROGRAM = """\
from tinygrad_rnn import Value
w = Value(.9); h = Value(.5)
z = w*h + 1
loss = z.tanh()
loss.backward()
print("end")
"""

CELL = """\
from tinygrad_rnn import ScalarRNNCell, Value, unroll
cell = ScalarRNNCell(0.9, 0.5, 0.1)
h = Value(0.0)
h = cell(1.0, h)
rnn = unroll(cell, [1.0, 0.5])
print("end")
"""


class PdbOf:
    """The type of the fixture: it starts a program under pdb."""

    def __call__(self, program: str) -> Pdb:
        raise NotImplementedError


@pytest.fixture
def pdb(tmp_path: Path) -> Iterator[PdbOf]:
    started = []

    def start(program: str) -> Pdb:
        path = tmp_path / "program.py"
        path.write_text(program)
        started.append(Pdb("-m", "pdb", str(path)))
        return started[-1]

    yield start
    for each in started:
        each.close()


# ---- keystrokes --------------------------------------------------------------------------------------------------


def s(where: Where | None) -> str:
    return "s"


def best_mix(where: Where | None) -> str:
    """``s`` into ``backward()`` and into the walk, ``n`` everywhere else."""
    return "s" if where is None or where.source.startswith("walk(") else "n"


def at_most(counted: list[int], bars: list[int]) -> bool:
    """Whether keystrokes stay below the bars, which are of Python 3.11: other versions have lines of their own."""
    allowance = 0 if sys.version_info[:2] == (3, 11) else 6
    return len(counted) == len(bars) and all(number <= bar + allowance for number, bar in zip(counted, bars))


def added(before: Where, now: Where) -> bool:
    return before.source == APPLICATION


def test_keystrokes_through_a_product_and_a_sum(pdb: PdbOf) -> None:
    assert at_most(pdb(PROGRAM).keys(3, lambda before, now: False, s), [42])


@pytest.mark.parametrize(("key", "bars"), [(s, [24, 40, 45]), (best_mix, [16, 29, 34])])
def test_keystrokes_until_the_chain_rule_has_been_applied(pdb: PdbOf, key: object, bars: list[int]) -> None:
    counted = pdb(PROGRAM).keys(5, added, key)  # type: ignore[arg-type]
    assert at_most(counted[:3], bars), counted


@pytest.mark.parametrize(("line", "bar"), [(4, 8), (5, 25)])
def test_keystrokes_until_the_recurrence(pdb: PdbOf, line: int, bar: int) -> None:
    counted = pdb(CELL).keys(line, lambda before, now: "self.w * h + self.u * x + self.b" in now.source, s)
    assert at_most(counted[:1], [bar]), counted


# ---- frames and lines --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "function", "line"),
    [
        ("w * h", "__mul__", "self._data * other._data"),
        ("w + h", "__add__", "self._data + other._data"),
        ("w - h", "__sub__", "self._data - other._data"),
        ("w / h", "__truediv__", "self._data / other._data"),
        ("1.0 - h", "__rsub__", "other._data - self._data"),
        ("-w", "__neg__", "-self._data"),
        ("w.tanh()", "tanh", "tanh(self._data)"),
        ("w.exp()", "exp", "exp(self._data)"),
    ],
)
def test_an_operation_is_a_frame_of_its_name_with_the_operation_on_a_line(
    pdb: PdbOf, expression: str, function: str, line: str
) -> None:
    debugger = pdb(f'from tinygrad_rnn import Value\nw = Value(.9); h = Value(.5)\nz = {expression}\nprint("end")\n')
    debugger("tbreak 3")
    debugger("c")
    where = debugger.at("s")
    assert (where.function, where.event) == (function, "Call")
    lines = []
    for keys in range(1, 6):  # noqa: B007
        where = debugger.at("n")
        lines.append(where.source)
        if where.file == "program.py":
            break
    assert keys <= 4
    assert any(line in each for each in lines)


def test_tracebacks_and_profiles_name_the_operation_and_its_derivative() -> None:
    x = Value(-1.0)
    profile = cProfile.Profile()
    profile.enable()
    (x * x + x.tanh()).backward()
    profile.disable()
    names = {name for _, _, name in pstats.Stats(profile).stats}  # type: ignore[attr-defined]
    assert {"__mul__", "__add__", "tanh", "backward", "walk", "mul_derivative", "tanh_derivative"} <= names
    with pytest.raises(DomainError) as caught:
        x.sqrt()
    assert "sqrt" in {frame.name for frame in traceback.extract_tb(caught.value.__traceback__)}
    zero = Value(0.0).sqrt()
    with pytest.raises(DomainError) as caught:
        zero.backward()
    assert caught.value.__cause__ is not None
    assert traceback.extract_tb(caught.value.__cause__.__traceback__)[-1].name == "sqrt_derivative"


def test_one_line_of_the_package_adds_a_contribution() -> None:
    package = Path(tinygrad_rnn.__file__).parent
    assert {str(path): len(lines) for path in package.rglob("*.py") if (lines := lines_with(APPLICATION, path))} == {
        str(WALK): 1
    }


# ---- the backward pass -------------------------------------------------------------------------------------------

WAYS = {
    "plain": "loss.backward()",
    "stepped": "for step in loss.backward_steps(): pass",
    "with hooks": "cell.u.register_hook(lambda gradient: None); loss.backward()",
    "with a breakpoint": "cell.b.breakpoint(); loss.backward()",
    "under detect_anomaly": "detect = detect_anomaly(); detect.__enter__(); loss.backward()",
}

RNN = """\
from tinygrad_rnn import ScalarRNNCell, detect_anomaly, mse_loss, unroll
cell = ScalarRNNCell(w=0.9, u=0.5, b=0.1)
unrolled = unroll(cell, [1.0, 0.5, -1.0])
loss = mse_loss(unrolled.h[3], 0.3)
WAY
print(f"w.grad = {cell.w.grad:.6f}")
"""


def expected_steps() -> list[tuple[str, str, str, str]]:
    """What the local variables must show in the course of the demo's backward pass."""
    cell = ScalarRNNCell(w=0.9, u=0.5, b=0.1)
    loss = mse_loss(unroll(cell, [1.0, 0.5, -1.0]).h[3], 0.3)
    return [
        (step.node.name, step.parent.name, repr(step.local_gradient), repr(step.contribution))
        for step in loss.backward_steps()
    ]


SHOWN = "p node.name, parent.name, repr(local_gradient), repr(contribution)"


@pytest.mark.parametrize("way", WAYS)
def test_one_conditional_breakpoint_stops_in_every_kind_of_pass(pdb: PdbOf, way: str) -> None:
    debugger = pdb(RNN.replace("WAY", WAYS[way]))
    (line,) = lines_with(APPLICATION, WALK)
    assert "Breakpoint" in debugger(f"b {WALK}:{line}, parent.label == 'w'")
    seen, sums = [], [0.0]
    while "walk()" in debugger("c"):
        stop = eval(debugger(SHOWN))
        if stop[1] != "w":  # where the program itself asked to stop
            continue
        seen.append(stop)
        assert eval(debugger("p parent.grad")) == sums[-1]  # the contribution has not been added yet
        sums.append(sums[-1] + float(stop[3]))
        assert any(debugger.at("u").file == "program.py" for _ in range(3)), "too many frames up to the user's line"
    assert seen == [step for step in expected_steps() if step[1] == "w"]
    assert "w.grad = -0.160292" in debugger.said


def test_a_breakpoint_on_a_value_stops_before_the_addition_near_the_users_line(pdb: PdbOf) -> None:
    debugger = pdb(RNN.replace("WAY", "cell.w.breakpoint(); loss.backward()"))
    seen, sums = [], [0.0]
    while "walk()" in debugger("c"):
        seen.append(eval(debugger(SHOWN)))
        assert eval(debugger("p parent.grad")) == sums[-1]
        sums.append(sums[-1] + float(seen[-1][3]))
        assert debugger("p [waiting[number].name for number in queue]").startswith("[")  # what comes next
        assert any(debugger.at("u").file == "program.py" for _ in range(3))
    assert seen == [step for step in expected_steps() if step[1] == "w"]
    assert len(seen) == 3


def test_n_shows_one_application_of_the_chain_rule_after_the_other(pdb: PdbOf) -> None:
    debugger = pdb(RNN.replace("WAY", "loss.backward()"))
    debugger("tbreak 5")
    debugger("c")
    where = debugger.at("s")
    while where.function != "walk":
        where = debugger.at("s" if where.source.startswith("walk(") else "n")
    seen = []
    while where.function == "walk" and where.event != "Return":
        if where.source == APPLICATION:
            seen.append(eval(debugger(SHOWN)))
        where = debugger.at("n")
    assert seen == expected_steps()


# ---- the page ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", [0, 1, 2])
def test_the_transcripts_on_the_page_are_what_pdb_says(pdb: PdbOf, which: int) -> None:
    transcript = re.findall(r"```pdb\n(.*?)```", PAGE.read_text(), re.S)[which]
    (line,) = lines_with(APPLICATION, WALK)
    parts = re.split(r"(?m)^\(Pdb\) (.*)$", transcript.replace("NUMBER", str(line)))
    without = re.sub(r"(?m)^cell\.w\.breakpoint.*$", "", DEMO.read_text())
    program = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    assert program
    debugger = Pdb(str(DEMO)) if which == 1 else pdb([program[1], "", without][which])
    for command, answer in zip(parts[1::2], parts[2::2]):
        # Where pdb says it stands differs between machines, and between versions of Python: from 3.13 on it stops at
        # breakpoint() itself, not at the line after it.
        place = r"> |\[|Breakpoint|Deleted" + ("|-> (breakpoint|parent._grad)" if which == 1 else "")
        said = [each for each in debugger(command).splitlines() if not re.match(place, each)]
        expected = [each for each in answer.split("\n")[1:-1] if not re.match(place, each)]
        assert said == expected, command
    debugger.close()
