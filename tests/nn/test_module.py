"""`Module`: its parameters, their names, and their numbers as a state."""

from __future__ import annotations

import copy
import math
import pickle
import random
from typing import Any

import numpy as np
import pytest

from tinygrad_rnn import Linear, Module, RNNCell, ScalarRNNCell, Value, mse_loss, total, unroll
from tinygrad_rnn.engine.backward import topological_order
from tinygrad_rnn.errors import ArgumentError, OperandError, ShapeError
from tinygrad_rnn.nn import MLP, Layer, Neuron, OneHot


class Model(Module):
    """A bit of everything that can hold parameters."""

    def __init__(self) -> None:
        self.cell = RNNCell(2, 2, seed=1)
        self.heads = [Linear(2, 1, seed=2), Linear(2, 1, bias=False, seed=3)]
        self.scale = Value(2.0, label="scale")
        self.pair = (Value(3.0), [Value(4.0)])
        self.tied = self.scale
        self.cell_again = self.cell
        self.sizes = [2, 2]
        self.name = "model"
        self.nothing = None
        self._hidden = Value(99.0)

    def __call__(self, xs: list[list[float]]) -> Value:
        h = unroll(self.cell, xs).h[len(xs)]
        return total([head(h)[0] * self.scale for head in self.heads]) + self.pair[0] * self.pair[1][0] * self.tied


NAMES = [
    "cell.W[0,0]", "cell.W[0,1]", "cell.W[1,0]", "cell.W[1,1]",
    "cell.U[0,0]", "cell.U[0,1]", "cell.U[1,0]", "cell.U[1,1]",
    "cell.b[0]", "cell.b[1]",
    "heads.0.V[0,0]", "heads.0.V[0,1]", "heads.0.c[0]", "heads.1.V[0,0]", "heads.1.V[0,1]",
    "scale", "pair[0]", "pair[1,0]",
]  # fmt: skip


def test_parameters_are_found_once_and_named_by_where_they_are() -> None:
    model = Model()
    assert [name for name, _ in model.named_parameters()] == NAMES
    assert model.parameters() == [parameter for _, parameter in model.named_parameters()]
    assert dict(model.named_parameters())["cell.W[1,0]"] is model.cell.W[1][0]
    assert next(name for name, _ in model.named_parameters("net")) == "net.cell.W[0,0]"
    assert all(not parameter.parents for parameter in model.parameters())


def test_a_result_kept_as_an_attribute_is_no_parameter() -> None:
    model = Model()
    model.loss = model([[1.0, 2.0]])  # type: ignore[attr-defined]
    assert [name for name, _ in model.named_parameters()] == NAMES
    assert "loss" not in model.state_dict()


def test_zero_grad() -> None:
    model = Model()
    model([[1.0, 2.0], [0.5, -1.0]]).backward()
    assert all(parameter.grad for parameter in model.parameters())
    model.zero_grad()
    assert [parameter.grad for parameter in model.parameters()] == [0.0] * len(NAMES)


def test_a_state_goes_from_one_model_to_another() -> None:
    model, other = Model(), Model()
    for parameter in other.parameters():
        parameter.data += 1.0
    state = other.state_dict()
    assert list(state) == ["cell.W", "cell.U", "cell.b", "heads.0.V", "heads.0.c", "heads.1.V", "scale", "pair", "tied",
                           "cell_again.W", "cell_again.U", "cell_again.b"]  # fmt: skip
    assert state["pair"] == [4.0, [5.0]]
    before = model.parameters()
    model.load_state_dict(state)
    assert [p.data for p in model.parameters()] == [p.data for p in other.parameters()]
    assert model.parameters() == before
    state["cell.W"][0][0] = 1e9
    assert model.cell.W[0][0].data != 1e9 != other.cell.W[0][0].data


def test_a_state_may_hold_arrays_and_tuples() -> None:
    cell = RNNCell(1, 2)
    cell.load_state_dict({"W": np.arange(4.0).reshape(2, 2), "U": ((5,), (np.float32(6),)), "b": np.array([7, 8])})
    assert cell.state_dict() == {"W": [[0.0, 1.0], [2.0, 3.0]], "U": [[5.0], [6.0]], "b": [7.0, 8.0]}
    assert all(type(p.data) is float for p in cell.parameters())


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"b": None}, ArgumentError, "missing b"),
        ({"extra": 1.0}, ArgumentError, "unknown extra"),
        ({"W": [[1.0, 2.0]]}, ShapeError, r"parameter W has shape \(2, 2\).*\(1, 2\)"),
        ({"W": [[1.0, 2.0], [3.0]]}, ShapeError, r"W\[1\]"),
        ({"W": 1.0}, ShapeError, "W"),
        ({"b": [1.0, [2.0]]}, ShapeError, r"b\[1\]"),
        ({"b": [1.0, "2"]}, OperandError, "'2' is a str"),
        ({"b": [1.0, None]}, OperandError, "NoneType"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change: dict[str, Any], error: type[Exception], says: str) -> None:
    cell = RNNCell(1, 2)
    before = cell.state_dict()
    state = {"W": [[9.0, 9.0], [9.0, 9.0]], "U": [[9.0], [9.0]], "b": [9.0, 9.0], **change}
    if change == {"b": None}:
        del state["b"]
    with pytest.raises(error, match=says):
        cell.load_state_dict(state)
    assert cell.state_dict() == before


@pytest.mark.parametrize("make", [Model, lambda: MLP(2, [3, 1]), lambda: ScalarRNNCell(nonlinearity="identity")])
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
def test_copies_are_equal_and_apart_and_keep_what_is_tied(make: Any, copied: Any) -> None:
    model = make()
    twin = copied(model)
    assert twin.state_dict() == model.state_dict()
    assert [name for name, _ in twin.named_parameters()] == [name for name, _ in model.named_parameters()]
    assert not set(twin.parameters()) & set(model.parameters())
    if isinstance(model, Model):
        assert twin.tied is twin.scale
        assert twin.cell_again is twin.cell
        assert twin([[1.0, 2.0]]).data == model([[1.0, 2.0]]).data


def test_a_model_and_its_loss_copied_together_stay_together() -> None:
    model = Model()
    for copied in (copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))):
        twin, loss = copied((model, model([[1.0, 2.0], [0.5, -1.0]])))
        loss.backward()
        assert all(parameter.grad for parameter in twin.parameters())


def test_a_training_loop_reduces_the_loss() -> None:
    model = Model()
    xs, losses = [[1.0, -1.0], [0.5, 0.25]], []
    for _ in range(40):
        loss = mse_loss(model(xs), 3.0)
        model.zero_grad()
        loss.backward()
        for parameter in model.parameters():
            parameter.data -= 0.005 * parameter.grad
        losses.append(loss.data)
    assert losses[-1] < 1e-3 * losses[0]


# ---- Linear and micrograd's modules ------------------------------------------------------------------------------


def test_linear_computes_its_equation() -> None:
    linear = Linear(3, 2, seed=5)
    h = [Value(1.0), Value(-2.0), Value(0.5)]
    for i, y in enumerate(linear(h)):
        assert y.data == pytest.approx(sum(v.data * e.data for v, e in zip(linear.V[i], h)) + linear.c[i].data)
    assert Linear(3, 2, bias=False).c is None
    assert len(Linear(3, 2, bias=False).parameters()) == 6
    assert [p.label for p in Linear(1, 2).parameters()] == ["V[0,0]", "V[1,0]", "c[0]", "c[1]"]


def test_linear_takes_a_symbol_as_a_column_of_its_weights() -> None:
    linear = Linear(3, 2, seed=5)
    results = []
    for x in (OneHot(1, 3), [Value(0.0), Value(1.0), Value(0.0)]):
        linear.zero_grad()
        y = linear(x)
        total([(k + 1) * entry for k, entry in enumerate(y)]).backward()
        results.append([[entry.data for entry in y], [parameter.grad for parameter in linear.parameters()]])
    assert results[0] == results[1]
    assert len(topological_order(linear(OneHot(1, 3))[0])) == 3  # V[0,1], c[0] and their sum: nothing times 0


def test_starting_numbers_come_from_the_seed() -> None:
    assert Linear(3, 2, seed=5).state_dict() == Linear(3, 2, seed=5).state_dict()
    assert Linear(3, 2, seed=5).state_dict() != Linear(3, 2, seed=6).state_dict()
    shared = random.Random(5)
    first, second = Linear(3, 2, seed=shared), Linear(3, 2, seed=shared)
    assert first.state_dict() == Linear(3, 2, seed=5).state_dict() != second.state_dict()
    state = random.getstate()
    Linear(3, 2)
    assert random.getstate() == state
    numbers = [p.data for p in Linear(16, 64, seed=0).parameters()]
    assert max(map(abs, numbers)) <= 1 / math.sqrt(16) < max(map(abs, numbers)) * 1.01


@pytest.mark.parametrize("sizes", [(0, 1), (1, 0), (-1, 1), (1.0, 1), (True, 1), ("2", 1), (None, 1)])
def test_sizes_are_whole_numbers_of_at_least_one(sizes: tuple[Any, Any]) -> None:
    with pytest.raises(ArgumentError, match="_features is"):
        Linear(*sizes)
    with pytest.raises(ArgumentError, match="_size is"):
        RNNCell(*sizes)


@pytest.mark.parametrize("h", [[Value(1.0)], [Value(1.0)] * 4, Value(1.0), 1.0])
def test_an_input_of_the_wrong_size_is_refused(h: Any) -> None:
    with pytest.raises(ShapeError, match="V is 2 × 3"):
        Linear(3, 2)(h)


def test_micrograds_modules() -> None:
    random.seed(3)
    mlp = MLP(3, [4, 4, 1])
    assert len(mlp.parameters()) == 16 + 20 + 5
    assert repr(mlp) == (
        "MLP of [Layer of [ReLUNeuron(3), ReLUNeuron(3), ReLUNeuron(3), ReLUNeuron(3)], "
        "Layer of [ReLUNeuron(4), ReLUNeuron(4), ReLUNeuron(4), ReLUNeuron(4)], Layer of [LinearNeuron(4)]]"
    )
    assert isinstance(mlp([1.0, 2.0, 3.0]), Value)
    assert len(Layer(2, 3)([1.0, 2.0])) == 3
    neuron = Neuron(2, nonlin=False)
    x = [1.0, -2.0]
    assert neuron(x).data == pytest.approx(sum(w.data * v for w, v in zip(neuron.w, x)))
    assert min(Neuron(2)([random.uniform(-9, 9), 1.0]).data for _ in range(50)) == 0.0
