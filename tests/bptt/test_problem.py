"""`problem`: a cell, a sequence and its losses in one call, as the main command has them."""

from __future__ import annotations

import doctest
from typing import Any

import pytest

import tinygrad_rnn
from tinygrad_rnn import RNN, Linear, LSTMCell, RNNCell, ScalarRNNCell, cross_entropy, mse_loss, problem, total, unroll
from tinygrad_rnn.cli.inputs import Data, pose
from tinygrad_rnn.errors import ArgumentError, DataError

INPUTS, TARGETS = [0.5, -0.25, 1.0], [0.25, 0.5, -1.0]


def test_the_example_runs() -> None:
    from tinygrad_rnn.bptt import problem as module

    assert doctest.testmod(module) == (0, 5)


def test_it_is_there_at_the_top() -> None:
    assert "problem" in tinygrad_rnn.__all__
    assert tinygrad_rnn.problem is tinygrad_rnn.problem is problem


def test_the_loss_of_the_last_time_step() -> None:
    posed = problem(ScalarRNNCell(), INPUTS, TARGETS)
    assert posed.loss is posed.losses[0]
    assert posed.loss.data == mse_loss(unroll(ScalarRNNCell(), INPUTS).h[3], -1.0).data
    assert (posed.loss.label, posed.loss.time_step) == ("L", 3)
    assert posed.readout is None
    assert [name for name, _ in posed.named_parameters()] == ["w", "u", "b"]


def test_the_mean_over_every_time_step() -> None:
    posed = problem(ScalarRNNCell(), INPUTS, TARGETS, at="every")
    h = unroll(ScalarRNNCell(), INPUTS).h
    assert posed.loss.data == (total(mse_loss(h[t], TARGETS[t - 1]) for t in h if t) / 3).data
    assert [(loss.label, loss.time_step) for loss in posed.losses] == [("L_1", 1), ("L_2", 2), ("L_3", 3)]
    assert posed.loss.label == "L"


def test_a_readout_and_a_loss_of_ones_own() -> None:
    for at, read_out in (("every", {1, 2, 3}), ("last", set())):
        cell, readout = LSTMCell(1, 2, seed=1), Linear(2, 3, seed=2)
        posed = problem(cell, [[x] for x in INPUTS], [0, 2, 1], readout=readout, loss=cross_entropy, at=at)
        assert ("y" in posed.unrolled.names and set(posed.unrolled.y)) == (read_out or False)
        y = readout(posed.unrolled.h[3])
        assert posed.losses[-1].data == cross_entropy(y, 1).data
        assert {name.partition("[")[0] for name, _ in posed.named_parameters()} >= {"W_i", "V", "c"}
    labels = {node.label for node in tinygrad_rnn.trace(posed.loss)[0]}
    assert {"y_3[0]", "y_3[1]", "y_3[2]"} <= labels


def test_a_readout_may_be_a_function_of_one_number() -> None:
    posed = problem(ScalarRNNCell(), INPUTS, TARGETS, readout=lambda h: 2.0 * h)
    assert posed.loss.data == mse_loss(2.0 * posed.unrolled.h[3], -1.0).data
    assert "y_3" in {node.label for node in tinygrad_rnn.trace(posed.loss)[0]}
    assert [name for name, _ in posed.named_parameters()] == ["w", "u", "b"]


def test_a_time_step_without_a_target_has_no_loss() -> None:
    posed = problem(ScalarRNNCell(), INPUTS, [None, 0.5, None], at="every")
    assert [loss.time_step for loss in posed.losses] == [2]
    assert posed.loss is posed.losses[0]


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"targets": TARGETS[:2]}, DataError, "3 inputs with 2 targets"),
        ({"at": "all"}, ArgumentError, '"every"'),
        ({"targets": [0.0, 0.0, None]}, ArgumentError, "no time step has a loss"),
    ],
)
def test_what_is_no_problem_is_refused(arguments: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        problem(ScalarRNNCell(), **{"inputs": INPUTS, "targets": TARGETS, **arguments})


@pytest.mark.parametrize(("which", "at"), [("last", "last"), ("all", "every")])
def test_the_command_has_the_same_problem(which: str, at: Any) -> None:
    data = Data("title", "description", tuple(INPUTS), tuple(TARGETS), ("a", "b", "c"))
    posed = pose(data, RNNCell(1, 2, seed=1), Linear(2, 1, seed=2), which)
    columns = [[x] for x in INPUTS], [[target] for target in TARGETS]
    own = problem(RNNCell(1, 2, seed=1), *columns, readout=Linear(2, 1, seed=2), at=at)
    for loss in (posed.loss, own.loss):
        loss.backward()
    assert posed.loss.data == own.loss.data
    assert [(n, p.grad) for n, p in posed.named_parameters()] == [(n, p.grad) for n, p in own.named_parameters()]


def test_layers_make_one_cell() -> None:
    stack = RNN(1, 2, num_layers=2, seed=0)
    posed = problem(stack, [[0.1], [0.2]], [None, [0.3]], readout=Linear(2, 1, seed=1))
    posed.loss.backward()
    assert [p for _, p in posed.named_parameters()][:-3] == stack.parameters()
    assert all(parameter.grad for parameter in stack.parameters())
