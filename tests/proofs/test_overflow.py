"""A number too large for a double is infinite, whatever the op and the engine; what has no real value is an error."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest

from tinygrad_rnn import RNNCell, ScalarRNNCell, Value, mse_loss, unroll
from tinygrad_rnn.bptt.anatomy import anatomy
from tinygrad_rnn.bptt.truncation import truncation
from tinygrad_rnn.cli import main
from tinygrad_rnn.compile import compile
from tinygrad_rnn.errors import DomainError
from tinygrad_rnn.pictures import draw

OVERFLOWS: list[tuple[Callable[[Value], Value], float, float]] = [
    (lambda x: x * x, -1e200, math.inf),
    (lambda x: x + x, -1.7e308, -math.inf),
    (lambda x: x / 1e-200, -1e200, -math.inf),
    (lambda x: x**2, -1e200, math.inf),
    (lambda x: x**3, -1e200, -math.inf),
    (lambda x: x ** Value(3.0), 1e200, math.inf),
    (lambda x: 10.0**x, 400.0, math.inf),
    (lambda x: x.exp(), 710.0, math.inf),
]


@pytest.mark.parametrize(("f", "x", "expected"), OVERFLOWS)
@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_all_ops_and_both_engines_agree(f: Callable[[Value], Value], x: float, expected: float, mode: str) -> None:
    leaf = Value(x)
    root = f(leaf)
    assert root.data == expected
    root.backward()
    compiled = compile(root, mode=mode)
    value, gradients = compiled.forward_backward({leaf: x})
    assert value == expected
    assert gradients[compiled.leaves.index(leaf)] == leaf.grad


def test_a_loss_that_overflows_is_infinite_and_so_is_its_gradient() -> None:
    rnn = unroll(ScalarRNNCell(w=1e20, u=1.0, nonlinearity="identity"), [1.0] * 12)
    loss = mse_loss(rnn.h[12], 0.0)
    loss.backward()
    assert loss.data == math.inf
    assert rnn.h[12].grad == 2e220
    assert rnn.h[0].grad == math.inf


@pytest.mark.parametrize("w", ["1e20", "1e40", "1e100", "1e200", "-1e100"])
def test_the_command_says_overflow_however_large_the_weight(w: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--w", w, "--nonlinearity", "identity", "--no-picture"]) == 0
    assert "overflowed from step" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            "--w 1e200 --nonlinearity identity",
            "Infinite first in time step 3: w·h_2 = 1e+200·4.792e+199 = inf. NaN first in time step 1: w.grad receives "
            "0·inf. The gradient is infinite after 12 steps",
        ),
        (
            "--w 1e200 --u 0",
            "Infinite first in time step 11: h_10.grad receives 1e+200·(−2.441e+199). NaN first in time step 10: "
            "x_10.grad receives 0·(−inf). The gradient is infinite after 12 steps",
        ),
        ("--w 1e155 --nonlinearity identity --steps 2", "Infinite first in time step 2: L = "),
    ],
)
def test_the_command_says_where_a_number_overflowed_first(
    options: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*options.split(), "--no-picture"]) == 0
    assert said in " ".join(capsys.readouterr().out.split())
    assert main([*options.split(), "--no-picture", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["agrees"] is None
    assert {row["agrees"] for row in found["table"]} <= {True, None}
    assert None in {row["agrees"] for row in found["table"]}


def test_a_picture_says_the_factor_that_is_known_where_gradients_are_infinite() -> None:
    rnn = unroll(ScalarRNNCell(w=1e200, nonlinearity="identity"), [0.5] * 3)
    loss = mse_loss(rnn.h[3], 0.0)
    loss.backward()
    said = draw(rnn, loss=loss).text
    assert "The gradient is infinite after 3 steps back" in said
    assert "w 10²⁰⁰" in said
    assert "NaN" not in said


@pytest.mark.parametrize("detail", ["states", "gates", "values"])
def test_infinities_of_both_signs_can_be_drawn(detail: str) -> None:
    cell = RNNCell(1, 2, nonlinearity="relu")
    cell.load_state_dict({"W": [[1e200, 0.0], [-1e200, 0.0]], "U": [[1.0], [1.0]], "b": [0.0, 0.0]})
    rnn = unroll(cell, [[0.5]] * 4)
    loss = rnn.h[4][0] ** 2 + rnn.h[4][1] ** 2
    loss.backward()
    assert {math.inf, -math.inf} <= {z.data for z in rnn.z[4]}
    drawing = draw(rnn, loss=loss, detail=detail)
    assert drawing.text
    assert drawing.svg()


def test_a_heat_map_in_text_tells_nan_from_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["anatomy", "--w", "1e200", "--nonlinearity", "identity", "--steps", "4"]) == 0
    said = capsys.readouterr().out
    assert "1 | ..??????\n2 |   ██████\n3 |     ████\n4 |       ██\n" in said
    assert "?=NaN" in said
    assert said.endswith("The numbers overflowed: a double ends at 1.8e308.\n")


def test_of_the_terms_that_were_cut_nan_comes_first_and_then_the_largest() -> None:
    rnn = unroll(ScalarRNNCell(w=1e100, nonlinearity="identity"), [0.5] * 7)
    parts = anatomy(rnn, {t: rnn.h[t] ** 2 for t in range(1, 8)}, rnn.cell.w)
    sizes = [term.size for term in truncation(parts, 1, 1).cut_terms()]
    unknown = sum(map(math.isnan, sizes))
    assert 0 < unknown < len(sizes)
    assert all(map(math.isnan, sizes[:unknown]))
    assert sizes[unknown:] == sorted(sizes[unknown:], reverse=True)


def test_what_has_no_real_value_stays_an_error() -> None:
    for f, x in ((lambda x: x**-1, 0.0), (lambda x: x**0.5, -1.0), (Value.log, 0.0), (lambda x: 1.0 / x, 0.0)):
        with pytest.raises(DomainError):
            f(Value(x))
