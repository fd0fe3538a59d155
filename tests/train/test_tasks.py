"""The tasks: that they are what their sources say, that they repeat, and that they refuse what makes no sense."""

from __future__ import annotations

import math
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_rnn.errors import ArgumentError, DataError
from tinygrad_rnn.tasks import (
    TASKS,
    Adding,
    CopyMemory,
    Example,
    Forecast,
    Latch,
    Reber,
    Task,
    TemporalOrder,
    Text,
    make_task,
)
from tinygrad_rnn.tasks.reber import SYMBOLS

ALL: list[Task] = [make() for make in TASKS.values()]


def examples(task: Task, count: int, seed: int = 0) -> list[Example]:
    rng = random.Random(seed)
    return [task.example(rng) for _ in range(count)]


def perfect(task: Task, example: Example) -> list[list[float]]:
    """Outputs that are right at every step that is asked."""
    outputs = []
    for target in example.targets:
        if isinstance(target, int):
            outputs.append([50.0 if i == target else -50.0 for i in range(task.output_size)])
        else:
            outputs.append([10.0 * (2 * y - 1) if task.name == "latch" else y for y in target or [0.0]])
    return outputs


@pytest.mark.parametrize("task", ALL, ids=lambda task: task.name)
def test_every_task_keeps_its_promises(task: Task) -> None:
    assert task.source
    assert task.criterion
    assert task.trivial
    assert task.metric
    assert 0.0 < task.goal < task.baseline or task.name == "series"
    assert examples(task, 3, seed=1) == examples(task, 3, seed=1) != examples(task, 3, seed=2)
    assert task.validation(4) == task.validation(4)
    for example in [*examples(task, 5), *task.validation(5)]:
        assert len(example.inputs) == len(example.targets)
        assert example.target_count > 0
        for x in example.inputs:
            assert 0 <= x < task.input_size if isinstance(x, int) else len(x) == task.input_size
        for target in example.targets:
            if target is not None:
                assert 0 <= target < task.output_size if isinstance(target, int) else len(target) == task.output_size
    again = make_task(task.name, task.settings())
    assert again.settings() == task.settings()
    assert examples(again, 2) == examples(task, 2)


@pytest.mark.parametrize("task", [t for t in ALL if t.name != "reber"], ids=lambda task: task.name)
def test_being_right_is_no_error(task: Task) -> None:
    for example in examples(task, 5):
        assert task.error(example, perfect(task, example)) == pytest.approx(0.0, abs=1e-12)


def test_tasks_import_nothing_of_the_engine() -> None:
    code = (
        "import tinygrad_rnn.tasks as t, inspect, pkgutil, re, pathlib\n"
        "for f in pathlib.Path(t.__file__).parent.glob('*.py'):\n"
        "    found = re.findall(r'^from (\\.\\.\\S+)', f.read_text(), re.M)\n"
        "    known = {'..errors', '..data', *(f'..support.{each}' for each in ('checks', 'memory', 'sums', 'text'))}\n"
        "    assert set(found) <= known, (f, found)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ---- Reber ------------------------------------------------------------------------------------------------------


def brute_force_continuations(prefix: str, strings: set[str]) -> set[str]:
    return {s[len(prefix) : len(prefix) + 1] for s in strings if s.startswith(prefix)}


def every_string(longest: int) -> set[str]:
    """All strings of the embedded grammar up to a length, from the published diagram written as rules."""
    rules = {"a": ["Tb", "Pc"], "b": ["Sb", "Xd"], "c": ["Tc", "Ve"], "d": ["Xc", "S"], "e": ["Pd", "V"]}
    done, open_ = set(), ["a"]
    while open_:
        derived = open_.pop()
        if not derived[-1].islower():
            done.add(derived)
        elif len(derived) <= longest:
            open_ += [derived[:-1] + rule for rule in rules[derived[-1]]]
    return {f"B{wing}B{inside}E{wing}E" for wing in "TP" for inside in done}


def test_reber_strings_and_the_oracle_against_the_rules_of_the_grammar() -> None:
    task, strings = Reber(), every_string(14)
    rng = random.Random(0)
    drawn = {task.string(rng) for _ in range(500)}
    assert {s for s in drawn if len(s) <= 12} <= strings
    for string in sorted(s for s in strings if len(s) <= 11):
        for length in range(len(string)):
            assert task.legal(string[:length]) == brute_force_continuations(string[:length], strings)
        assert task.legal(string) == {""}


def test_reber_choices_are_as_likely() -> None:
    rng = random.Random(1)
    wings = Counter(Reber().string(rng)[1] for _ in range(2000))
    assert abs(wings["T"] - 1000) < 150
    assert {len(Reber(embedded=False).string(rng)) for _ in range(500)} >= {5, 6, 7, 8}


@pytest.mark.parametrize("prefix", ["T", "BB", "BTX", "BTBTE", "BTBTXSEP", "BTBTXSETEE", "Q"])
def test_the_oracle_refuses_what_is_not_in_the_grammar(prefix: str) -> None:
    with pytest.raises(
        ArgumentError, match=f"{prefix[-1]!r} at place {len(prefix) - 1} of {prefix!r} is not in the grammar"
    ):
        Reber().legal(prefix)


def test_a_perfect_reber_predictor_is_right_and_one_without_memory_is_wrong_half_the_time() -> None:
    task = Reber()

    def rate(legal: set[str]) -> list[float]:
        return [1.0 if symbol in legal else 0.0 for symbol in SYMBOLS]

    wrong = 0.0
    for example in examples(task, 400):
        string = "".join(SYMBOLS[i] for i in example.inputs)
        oracle = [rate(task.legal(string[:t])) for t in range(1, len(string) + 1)]
        assert task.error(example, oracle) == 0.0
        forgetful = [*oracle[:-2], rate({"T"}), oracle[-1]]
        wrong += task.error(example, forgetful)
    assert 0.4 < wrong / 400 < 0.6 == pytest.approx(task.baseline + 0.1)


# ---- the others -------------------------------------------------------------------------------------------------


@given(T=st.integers(2, 60), seed=st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_adding_marks_one_step_of_each_half(T: int, seed: int) -> None:
    (example,) = examples(Adding(T), 1, seed)
    marked = [t for t, (_, marker) in enumerate(example.inputs) if marker]
    assert len(marked) == 2
    assert marked[0] < T // 2 <= marked[1]
    assert example.targets[-1] == (sum(example.inputs[t][0] for t in marked),)
    assert set(example.targets[:-1]) <= {None}


def test_baselines_are_those_of_the_trivial_predictors() -> None:
    adding, order, latch, copy = Adding(10), TemporalOrder(10), Latch(10), CopyMemory(3, 4)
    for task, outputs in (
        (adding, [[1.0]] * 10),
        (order, [[0.0, 0.0, 1.0, 0.0]] * 10),
        (latch, [[1.0]] * 10),
        (copy, [[0, 0, 1, 0, 0, 0, 0, 0, 0]] * 11),
    ):
        sample = examples(task, 4000)
        assert sum(task.error(e, outputs) for e in sample) / len(sample) == pytest.approx(task.baseline, abs=0.03)
    forecast = Forecast()
    (held_out,) = forecast.validation(1)
    assert forecast.error(held_out, held_out.inputs) == forecast.baseline


@given(T=st.integers(10, 200), seed=st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_temporal_order_shows_two_symbols_in_their_tenths(T: int, seed: int) -> None:
    (example,) = examples(TemporalOrder(T), 1, seed)
    (first, a), (second, b) = [(t, symbol) for t, symbol in enumerate(example.inputs) if symbol < 2]
    assert T // 10 <= first < 2 * T // 10
    assert 4 * T // 10 <= second < 5 * T // 10
    assert example.targets[-1] == 2 * a + b


def test_copy_memory_asks_for_the_letters_after_the_wait() -> None:
    (example,) = examples(CopyMemory(T=4, count=3), 1)
    letters = example.inputs[:3]
    assert example.inputs[3:] == (8, 8, 8, 9, 8, 8, 8)
    assert example.targets == (*[8] * 7, *letters)


def test_the_latch_is_three_inputs_long_and_then_noise() -> None:
    for example in examples(Latch(30), 20):
        sign = 1.0 if example.targets[-1] == (1.0,) else -1.0
        assert example.inputs[:3] == ((sign,),) * 3
        assert all(abs(x) < 1.2 for (x,) in example.inputs[3:])


def test_text_is_split_and_encoded() -> None:
    task = Text(text="abcdefghij" * 30, length=5)
    assert task.alphabet == "abcdefghij"
    assert task.encode("cab") == [2, 0, 1]
    assert task.goal < 0.5  # a bigram model all but knows this text
    assert task.baseline == pytest.approx(math.log2(10), abs=0.01)
    uniform = [[0.0] * 10] * 5
    assert task.error(task.validation(1)[0], uniform) == pytest.approx(math.log2(10))
    assert Text(text="A  b\n" * 50, length=2).alphabet == " ab"
    assert Text(text="A  b\n" * 50, length=2, simple=False).alphabet == "\n Ab"
    with pytest.raises(DataError, match=r"'X' at position 2 is not in the alphabet"):
        task.encode("abX")


def test_training_pieces_of_a_text_do_not_reach_into_the_held_out_part() -> None:
    task = Text(text="a" * 900 + "b" * 100, length=10)
    assert {symbol for e in examples(task, 200) for symbol in (*e.inputs, *e.targets)} == {0}
    assert {symbol for e in task.validation(7) for symbol in (*e.inputs, *e.targets)} == {1}


def test_a_series_is_scaled_by_its_training_part(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("t,x\n" + "".join(f"{t},{10 + (t % 2)}\n" for t in range(100)))
    task = Forecast(str(path), "x", length=6)
    assert (task.mean, task.deviation) == (10.5, 0.5)
    assert {x for e in examples(task, 5) for (x,) in e.inputs} == {-1.0, 1.0}
    assert task.baseline == 4.0


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Adding(1), "T must be a whole number of at least 2"),
        (lambda: Latch(3), "at least 4"),
        (lambda: TemporalOrder(9), "at least 10"),
        (lambda: CopyMemory(0), "at least 1"),
        (lambda: CopyMemory(5, 0), "count"),
        (lambda: Adding(2.5), "T is 2.5"),  # type: ignore[arg-type]
        (lambda: Text(text=""), "0 characters"),
        (lambda: Text(text="a"), "1 character"),
        (lambda: Text(text="ab" * 20, length=10), "at most 3"),
        (lambda: Text("/nowhere.txt"), "cannot read"),
        (lambda: Forecast("/nowhere.csv"), "cannot read"),
        (lambda: Forecast(length=1000), "too few"),
        (lambda: make_task("chess", {}), "Known ones: reber"),
        (lambda: make_task("adding", {"length": 3}), "no setting length"),
    ],
)
def test_what_makes_no_sense_is_one_clear_error(make: Any, complaint: str) -> None:
    with pytest.raises((ArgumentError, DataError), match=complaint):
        make()


def test_how_to_read_a_series_can_be_said_and_is_among_its_settings(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_text("".join(f"{t};{t % 3},5\n" for t in range(100)))
    task = Forecast(str(file), "2", length=6, header=False, separator=";", decimal=",")
    assert make_task("series", task.settings()).digest == task.digest
    with pytest.raises(ArgumentError, match="decimal without csv"):
        Forecast(decimal=",")
    file.write_text("day,x,remark\n" + "".join(f"{t},{t % 3},\n" for t in range(100)))
    with pytest.raises(DataError, match="line 2, column 'remark': the cell is empty"):
        Forecast(str(file), "x", length=6)
    task = Forecast(str(file), "x", length=6, gaps_elsewhere=True)
    assert make_task("series", task.settings()).digest == task.digest
    with pytest.raises(ArgumentError, match="gaps_elsewhere without csv"):
        Forecast(gaps_elsewhere=True)


@pytest.mark.parametrize("unit", [2.0**1020, 2.0**-1060, 1.0])
def test_large_and_small_numbers_are_scaled_as_any(unit: float, tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_text("x\n" + "".join(f"{(8 + t % 5) * unit!r}\n" for t in range(100)))
    task = Forecast(str(file), length=6)
    assert (task.mean, task.deviation) == (10.0 * unit, pytest.approx(2.0**0.5 * unit, rel=1e-3))
    assert {x for e in examples(task, 5) for (x,) in e.inputs} == {(n - 10) / 2.0**0.5 for n in range(8, 13)}


@pytest.mark.parametrize("numbers", ["1e308 -1e308 1e308 0", "5e-324 0 0 0", "1e-300 2e-300 1e-300 0"])
def test_any_finite_series_can_be_learned_from(numbers: str, tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_text("x\n" + "\n".join([*numbers.split()] * 5))
    task = Forecast(str(file), length=3)
    assert all(math.isfinite(x) for e in examples(task, 20) for (x,) in e.inputs)
    assert 0.0 < task.baseline < math.inf


def test_a_last_fifth_of_another_order_is_an_error_or_infinitely_wrong(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_text("x\n" + "1e-300\n2e-300\n" * 20 + "1e308\n" * 10)
    with pytest.raises(DataError, match="the last one is too large"):
        Forecast(str(file), length=3)
    file.write_text("x\n" + "1\n2\n" * 20 + "1e308\n-1e308\n" * 5)
    assert Forecast(str(file), length=3).baseline == math.inf


@pytest.mark.parametrize("count", [1, 9, 10, 19, 20, 37])
def test_what_is_advised_for_too_few_data_is_enough(count: int, tmp_path: Path) -> None:
    file = tmp_path / "data.csv"

    def series(count: int, length: int) -> Task:
        file.write_text("x\n" + "".join(f"{i % 7}\n" for i in range(count)))
        return Forecast(str(file), length=length)

    def text(count: int, length: int) -> Task:
        file.write_text("".join(chr(97 + i % 7) for i in range(count)))
        return Text(str(file), length=length)

    for make in (text, series):
        with pytest.raises(DataError, match=f"{count} (character|number)") as caught:
            make(count, 30)
        remedy = str(caught.value.remedy)
        (least,) = map(int, re.findall(r"least (\d+)", remedy))
        assert [_accepts(make, n, 30) for n in (least - 1, least)] == [False, True]
        (longest,) = map(int, re.findall(r"at most (\d+)", remedy) or [0])
        assert [_accepts(make, count, length) for length in (longest, longest + 1)] == [longest > 0, False]


def _accepts(make: Callable[[int, int], Task], count: int, length: int) -> bool:
    try:
        make(count, length)
    except (DataError, ArgumentError):
        return False
    return True


def test_a_constant_series_and_a_binary_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "flat.csv").write_text("x\n" + "3\n" * 100)
    with pytest.raises(DataError, match="nothing to forecast"):
        Forecast(str(tmp_path / "flat.csv"), "x", length=5)
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not UTF-8"):
        Text(str(tmp_path / "binary.txt"))


def test_the_error_about_a_series_that_is_too_short_does_not_count_up_to_its_length() -> None:
    for length, least in [(292, "at least 366 numbers"), (10**18, "at least 1250000000000000001 numbers")]:
        with pytest.raises(DataError) as raised:
            Forecast(length=length)
        assert least in str(raised.value.remedy)
