"""Gates: what cells are made of, by which others find weights, and the names that they give to parameters."""

from __future__ import annotations

import copy
import pickle
import random
from typing import Any

import pytest

from tinygrad_rnn import Value, unroll
from tinygrad_rnn.errors import ArgumentError, ShapeError
from tinygrad_rnn.nn import GRU, LSTM, RNN, Cell, Gate, GRUCell, Linear, LSTMCell, Module, RNNCell, StackedCell, init
from tinygrad_rnn.nn.linalg import identity, numbers

CELLS = {"lstm": LSTMCell, "gru": GRUCell}
SUFFIXES = {"lstm": "ifgo", "gru": "rzn"}


@pytest.mark.parametrize("kind", CELLS)
def test_parameters_are_named_after_their_gate_in_pytorchs_order(kind: str) -> None:
    cell = CELLS[kind](2, 3)
    names = [f"{weight}_{gate}" for gate in SUFFIXES[kind] for weight in "WUb"] + ["b_hn"] * (kind == "gru")
    assert list(cell.state_dict()) == names
    for name, parameter in cell.named_parameters():
        assert parameter.label == name
    assert f"W_{SUFFIXES[kind][0]}[0,1]" in dict(cell.named_parameters())


def test_names_in_layers_and_in_a_module_of_ones_own() -> None:
    class Pair(Module):
        def __init__(self) -> None:
            self.cell = LSTMCell(1, 1, bias=False)
            self.gate = Gate("", 1, 1, True, lambda: 0.5)
            self.both = [RNNCell(1, 1), GRU(1, 1)]

    assert list(Pair().state_dict()) == [
        *(f"cell.{weight}_{gate}" for gate in "ifgo" for weight in "WU"),
        *("gate.W", "gate.U", "gate.b", "both.0.W", "both.0.U", "both.0.b"),
        *(f"both.1.cells.0.{weight}_{gate}" for gate in "rzn" for weight in "WUb"),
        "both.1.cells.0.b_hn",
    ]
    assert list(Gate("i", 1, 1, False, lambda: 0.5).state_dict()) == ["W_i", "U_i"]


@pytest.mark.parametrize("kind", CELLS)
def test_the_weights_of_a_gate_are_attributes_of_its_cell_to_read_and_to_set(kind: str) -> None:
    cell = CELLS[kind](2, 3)
    for name, gate in zip(SUFFIXES[kind], cell.gates, strict=True):
        assert getattr(cell, name) is gate
        for weight in "WUb":
            assert getattr(cell, f"{weight}_{name}") is getattr(gate, weight)
    shared = cell.gates[0].W
    setattr(cell, f"W_{SUFFIXES[kind][1]}", shared)
    assert cell.gates[1].W is shared
    assert f"W_{SUFFIXES[kind][1]}" in dir(cell)
    with pytest.raises(AttributeError):
        cell.W_q  # type: ignore[attr-defined]  # noqa: B018


def test_who_needs_the_recurrent_weights_finds_gates() -> None:
    cell = RNNCell(2, 3)
    assert cell.gates == (cell,)
    assert StackedCell([cell]).gates == ()
    model = StackedCell([LSTMCell(1, 2), cell, GRUCell(3, 2)])
    gates = [part for part in model.modules() if isinstance(part, Gate)]
    assert gates == [*model.cells[0].gates, cell, *model.cells[2].gates]
    init.recurrent_(model, "identity")
    assert all(numbers(gate.W) == identity(len(gate.W)) for gate in gates)


def test_modules_are_each_module_once() -> None:
    class Twice(Module):
        def __init__(self) -> None:
            self.heads = [Linear(1, 1), (Linear(1, 1),)]
            self.again = self.heads[0]
            self._hidden = Linear(1, 1)

    model = Twice()
    assert model.modules() == [model, model.heads[0], model.heads[1][0]]  # type: ignore[index]


@pytest.mark.parametrize("make", [RNN, LSTM, GRU])
def test_starting_numbers_are_drawn_gate_by_gate_from_one_generator(make: type[RNN | LSTM | GRU]) -> None:
    rng, k = random.Random(7), 3**-0.5
    for _, parameter in make(2, 3, num_layers=2, seed=7).named_parameters():
        assert parameter.data == rng.uniform(-k, k)


@pytest.mark.parametrize("kind", [RNNCell, LSTMCell, GRUCell])
def test_weights_that_do_not_fit_together_are_refused(kind: Any) -> None:
    def cell_with(name: str, replacement: Any) -> Any:
        cell = kind(2, 3)
        setattr(cell.gates[-1], name, replacement)
        return cell

    x, state = [1.0, 2.0], kind(2, 3).initial_state()
    for name, replacement in (
        ("W", Linear(3, 2).V), ("U", Linear(2, 2).V), ("U", Linear(2, 4).V), ("W", Linear(3, 4).V),
        ("b", Linear(1, 2).c), ("b", Linear(1, 4).c),
    ):  # fmt: skip
        with pytest.raises(ShapeError):
            cell_with(name, replacement)(x, *state)
    assert cell_with("b", Linear(1, 3).c)(x, *state)


def test_a_bias_is_there_or_not() -> None:
    with pytest.raises(ArgumentError, match="forget_bias without biases"):
        LSTMCell(1, 2, bias=False, forget_bias=1.0)
    for make in (RNNCell, LSTMCell, GRUCell, Linear, RNN, LSTM, GRU):
        with pytest.raises(ArgumentError, match="bias is 'relu'"):
            make(1, 2, bias="relu")
    with pytest.raises(ArgumentError, match=r"bidirectional is 0\.5"):
        LSTM(1, 2, bidirectional=0.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("cell", [RNNCell(1, 2), LSTMCell(1, 2), GRUCell(1, 2)])
def test_a_copy_has_gates_of_its_own(cell: Cell) -> None:
    for twin in (copy.deepcopy(cell), pickle.loads(pickle.dumps(cell))):
        assert twin.state_dict() == cell.state_dict()
        twin.gates[0].W[0][0].data += 1.0
        assert twin.state_dict() != cell.state_dict()
        ours, theirs = (unroll(each, [[0.5], [0.1]]).h[2] for each in (cell, twin))
        assert [h.data for h in ours] != [h.data for h in theirs]


def test_a_gate_is_affine() -> None:
    gate = Gate("i", 1, 1, True, iter([2.0, 3.0, 0.5]).__next__)
    assert [z.data for z in gate.affine([Value(10.0)], [Value(100.0)])] == [320.5]


def test_a_gate_says_which_it_is() -> None:
    assert list(map(repr, LSTMCell(3, 2).gates)) == [
        "Gate(i: 3 → 2)",
        "Gate(f: 3 → 2)",
        "Gate(g: 3 → 2)",
        "Gate(o: 3 → 2)",
    ]
    assert repr(RNNCell(3, 2).gates[0]).startswith("RNNCell(3 → 2")
