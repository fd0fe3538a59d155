"""Every public argument that is a whole number goes through one check, whatever stands in for the number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_rnn import ScalarRNNCell, Unrolled, Value, time_step, unroll
from tinygrad_rnn.bptt.anatomy import anatomy
from tinygrad_rnn.bptt.truncated import truncated_bptt
from tinygrad_rnn.bptt.truncation import truncated_backward, truncation
from tinygrad_rnn.data import sunspots
from tinygrad_rnn.debugger.session import Debugger
from tinygrad_rnn.errors import ArgumentError
from tinygrad_rnn.pictures import draw
from tinygrad_rnn.tasks import Adding

INPUTS = (0.5, -0.25, 0.75)


def graph() -> tuple[Unrolled, Value]:
    unrolled = unroll(ScalarRNNCell(), INPUTS)
    return unrolled, unrolled.h[3] * unrolled.h[3]


def w_of(unrolled: Unrolled) -> Any:
    return unrolled.cell.w


def use(function: Callable[[Unrolled, Value, Any], Any]) -> Callable[[Any], Any]:
    return lambda number: function(*graph(), number)


def step_in(number: Any) -> int | None:
    with time_step(number):
        return (Value(2.0) * 3.0).time_step


def stepped(loss: Value, taken: int = 3) -> Debugger:
    debugger = Debugger(loss)
    debugger.step(taken)
    return debugger


#: By argument: what uses it, and what the whole number 2 gives.
ARGUMENTS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "unroll(first)": (lambda n: unroll(ScalarRNNCell(), INPUTS, first=n).T, 4),
    "time_step(t)": (step_in, 2),
    "a key of anatomy": (use(lambda u, L, n: anatomy(u, {n: L}, w_of(u)).loss_steps), (2,)),
    "anatomy[k, t]": (use(lambda u, L, n: anatomy(u, {3: L}, w_of(u))[n, 3] != 0.0), True),
    "anatomy.entry": (use(lambda u, L, n: anatomy(u, L, [w_of(u), u.cell.u, u.cell.b]).entry(n).name), "w[2]"),
    "Truncation.keeps": (use(lambda u, L, n: truncation(anatomy(u, {3: L}, w_of(u)), 2, 2).keeps(n, 3)), False),
    "truncation(k1, k2)": (use(lambda u, L, n: truncation(anatomy(u, {3: L}, w_of(u)), n, n).k1), 2),
    "a key of truncated_backward": (use(lambda u, L, n: truncated_backward(u, L, {n: L}, 2, 2)), None),
    "truncated_bptt(k1, k2)": (lambda n: truncated_bptt(ScalarRNNCell(), INPUTS, INPUTS, n, n) > 0.0, True),
    "draw(cuts)": (use(lambda u, L, n: draw(u, loss=L, cuts=[n]).svg is not None), True),
    "Debugger.step": (use(lambda u, L, n: len(Debugger(L).step(n))), 2),
    "Debugger.next": (use(lambda u, L, n: len(Debugger(L).next(n))), 3),
    "Debugger.back": (use(lambda u, L, n: len(stepped(L).back(n))), 2),
    "Debugger.latest": (use(lambda u, L, n: len(stepped(L).latest(n))), 2),
    "Debugger.up": (use(lambda u, L, n: stepped(L, 9).up(n) is not None), True),
    "Debugger.forward": (use(lambda u, L, n: len(Debugger(L).forward(n))), 2),
    "Debugger.verdict": (use(lambda u, L, n: Debugger(L, u).verdict(n)), None),
    "Series.last": (lambda n: len(sunspots().last(n).numbers), 2),
    "Task.validation(count)": (lambda n: len(Adding(5).validation(n)), 2),
    "Task.validation(seed)": (lambda n: Adding(5).validation(1, n) == Adding(5).validation(1, 2), True),
}


@pytest.mark.parametrize("number", [2, np.int8(2), np.array(2)], ids=["int", "int8", "array"])
@pytest.mark.parametrize("argument", ARGUMENTS)
def test_a_whole_number_of_any_library_is_one(argument: str, number: Any) -> None:
    function, expected = ARGUMENTS[argument]
    found = function(int(number) if argument.startswith("a key") else number)  # an array is no key of a dict
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("argument", ARGUMENTS)
@pytest.mark.parametrize("number", [2.0, 2.5, float("nan"), "2", True, Value(2.0)], ids=repr)
def test_anything_else_is_an_error_of_ours(argument: str, number: Any) -> None:
    with pytest.raises(ArgumentError, match="must be a whole number"):
        ARGUMENTS[argument][0](number)


@pytest.mark.parametrize("argument", ARGUMENTS)
def test_so_is_a_tensor_without_data(argument: str) -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(ArgumentError, match="must be a whole number"):
        ARGUMENTS[argument][0](torch.empty((), dtype=torch.int64, device="meta"))


@pytest.mark.parametrize("name", ["step", "next", "back", "latest"])
def test_no_step_of_the_debugger_is_none_and_not_all(name: str) -> None:
    debugger = stepped(graph()[1])
    assert getattr(debugger, name)(0) == []
    assert debugger.taken == 3
    with pytest.raises(ArgumentError, match=r"^count is -1\. count must be a whole number of at least 0$"):
        getattr(debugger, name)(-1)
