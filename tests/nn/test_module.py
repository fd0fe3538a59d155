"""`Module`: its parameters, their names, and their numbers as a state."""

from __future__ import annotations

import copy
import math
import pickle
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_rnn import (
    GRUCell,
    Linear,
    LSTMCell,
    Module,
    RNNCell,
    ScalarRNNCell,
    Value,
    mse_loss,
    nn,
    no_grad,
    total,
    unroll,
)
from tinygrad_rnn.engine.backward import topological_order
from tinygrad_rnn.errors import ArgumentError, OperandError, ShapeError
from tinygrad_rnn.nn import MLP, Layer, Neuron, OneHot
from tinygrad_rnn.optim import SGD


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


# ---- the rule by which parameters are found ---------------------------------------------------------------------


class Bag(Module):
    """A module of nothing but what is given."""

    def __init__(self, **held: Any) -> None:
        for name, attribute in held.items():
            setattr(self, name, attribute)


def v(number: float = 0.0) -> Value:
    return Value(number)


@pytest.mark.parametrize(
    ("held", "names"),
    [
        ([[RNNCell(1, 1, bias=False), RNNCell(1, 1)]], ["0.0.W", "0.0.U", "0.1.W", "0.1.U", "0.1.b"]),
        ([("in", Linear(1, 1, bias=False)), ("out", None)], ["0.1.V"]),
        ({"a": [v(), v()], "b": [v(), v()]}, ["a", "b"]),
        ({0: v(), ("x", 1): [[v()]], None: v(), 0.5: v()}, ["0", "('x', 1)", "None", "0.5"]),
        ({"net": [[Linear(1, 1)]]}, ["net.0.0.V", "net.0.0.c"]),
        ([{"a": v()}, v(), [v(), v()]], ["0.a", "1", "2"]),
        ([Linear(1, 1, bias=False), 0.5, None, [v()]], ["0.V", "3"]),
        ((v(), (v(), v())), [""]),
        ([], []),
        ([[1.0, 2.0], "text"], []),
        ({"size": 3, "name": "x"}, []),
    ],
)
def test_containers_are_looked_into_however_nested(held: Any, names: list[str]) -> None:
    model = Bag(held=held)
    paths = [f"held.{name}".rstrip(".") for name in names]
    assert list(model.state_dict()) == paths
    assert list(dict.fromkeys(name.partition("[")[0] for name, _ in model.named_parameters())) == paths
    for parameter in model.parameters():
        parameter.data = 7.0
    state = model.state_dict()
    for parameter in model.parameters():
        parameter.data = 1.0
    model.load_state_dict(state)
    assert {parameter.data for parameter in model.parameters()} <= {7.0}
    assert [type(module).__name__ for module in model.modules()].count("Linear") == str(held).count("Linear(")


def test_beside_what_is_no_number_a_parameter_keeps_its_name() -> None:
    model = Bag(held=[v(1.0), None, [v(2.0), "text", v(1.0) * 2.0]])
    assert [name for name, _ in model.named_parameters()] == ["held[0]", "held[2,0]"]
    assert model.state_dict() == {"held[0]": 1.0, "held[2,0]": 2.0}
    model.load_state_dict({"held[0]": 3.0, "held[2,0]": 4.0})
    assert [parameter.data for parameter in model.parameters()] == [3.0, 4.0]


@pytest.mark.parametrize(
    ("held", "says"),
    [
        ([v(), 0.5], r"^held\[1\] is the number 0\.5 among parameters.*Value\(0\.5\) is a parameter"),
        ([[v(), v()], [1, v()]], r"^held\[1,0\] is the number 1 "),
        ([v(), np.float32(0.5)], r"^held\[1\] is the number 0\.5 "),
        ({"a": [v(), v()], "b": [0.5, 0.5]}, r"^held\[b,0\] is the number 0\.5 "),
        ({"a": {"w": v(), "size": 3}}, r"^held\.a\[size\] is the number 3 "),
    ],
)
def test_numbers_among_parameters_are_an_error(held: Any, says: str) -> None:
    for use in (Bag(held=held).parameters, Bag(inner=Bag(held=held)).state_dict):
        with pytest.raises(ArgumentError, match=says.replace("^", r"^(inner\.)?")):
            use()


def test_a_key_that_makes_no_name_is_an_error() -> None:
    for key in (object(), Value(1.0)):
        with pytest.raises(ArgumentError, match=r"^held has a key.*Use texts or numbers as keys"):
            Bag(held={key: v()}).parameters()


def test_two_parameters_never_share_a_name() -> None:
    for held in ({1: v(), "1": v()}, {"a.b": v(), "a": {"b": v()}}):
        with pytest.raises(ArgumentError, match=r"two parameters would be called held\."):
            Bag(held=held).state_dict()


def test_what_holds_itself_is_an_error() -> None:
    parent = Bag(child=Bag(w=v()))
    parent.child.parent = parent
    with pytest.raises(ArgumentError, match=r"^child\.parent leads back.*begins with _"):
        parent.parameters()
    assert len(parent.modules()) == 2
    parent.child._parent = vars(parent.child).pop("parent")
    assert len(parent.parameters()) == 1
    loop: list[Any] = [v()]
    loop.append(loop)
    with pytest.raises(ArgumentError, match=r"^held leads back"):
        Bag(held=loop).parameters()
    table: dict[str, Any] = {}
    table["a"] = [table]
    with pytest.raises(ArgumentError, match=r"^held\.a\.0 leads back"):
        Bag(held=table).parameters()


def test_a_name_that_begins_with_an_underscore_holds_values_that_are_not_trained() -> None:
    model = Bag(w=v(), _state=[v()], _cells={"a": RNNCell(1, 1)})
    assert [name for name, _ in model.named_parameters()] == ["w"]
    assert len(model.modules()) == 1


ASSIGNMENTS: list[tuple[Callable[[], Module], str, Any]] = [
    (lambda: RNNCell(1, 2), "W", np.eye(2)),
    (lambda: RNNCell(1, 2), "W", [[1.0, 0.0], [0.0, 1.0]]),
    (lambda: RNNCell(1, 2), "b", [Value(1.0), 0.5]),
    (lambda: RNNCell(1, 2), "b", 0.0),
    (lambda: LSTMCell(1, 2), "W_f", np.eye(2)),
    (lambda: GRUCell(1, 2), "b_hn", (1.0, 2.0)),
    (lambda: Linear(1, 2), "V", [[1], [2]]),
    (ScalarRNNCell, "w", 0.5),
    (ScalarRNNCell, "w", np.float32(0.5)),
    (ScalarRNNCell, "w", Value(1.0) * 2.0),
    (lambda: Linear(1, 2), "c", [Value(1.0), Value(1.0) * 2.0]),
]


@pytest.mark.parametrize(("make", "name", "new"), ASSIGNMENTS)
def test_numbers_and_results_are_not_put_in_the_place_of_parameters(
    make: Callable[[], Module], name: str, new: Any
) -> None:
    module = make()
    before = module.parameters()
    with pytest.raises(ArgumentError, match=rf"^{name}.* is a parameter, and what is put in its place is .*\.data"):
        setattr(module, name, new)
    assert module.parameters() == before


def test_the_ways_to_set_numbers_are_named_and_work() -> None:
    cell = RNNCell(1, 2)
    with pytest.raises(ArgumentError, match=r"w\.data = 0\.5.*nn\.init\.set_\(W, rows\).*load_state_dict"):
        cell.W = np.eye(2)
    nn.init.set_(cell.W, np.eye(2))
    cell.b[1].data = 0.5  # type: ignore[index]
    cell.load_state_dict({**cell.state_dict(), "U": [[3.0], [4.0]]})
    assert cell.state_dict() == {"W": [[1.0, 0.0], [0.0, 1.0]], "U": [[3.0], [4.0]], "b": [cell.b[0].data, 0.5]}  # type: ignore[index]


@pytest.mark.parametrize("size", [1, 2])
def test_an_entry_is_not_overwritten_by_a_number(size: int) -> None:
    cell = RNNCell(1, size)
    for overwrite in (
        lambda: cell.W[0].__setitem__(0, 0.5),
        lambda: cell.W.__setitem__(0, [0.5] * size),
        lambda: cell.W[0].__setitem__(slice(None), [0.5] * size),
        lambda: cell.b.__setitem__(-1, np.float64(0.5)),  # type: ignore[union-attr]
    ):
        with pytest.raises(ArgumentError, match=r"^(W\[0,0\]|b\[\d\]) is a parameter, and what is put in its place"):
            overwrite()
    new = Value(0.5)
    cell.W[0][0] = new
    assert dict(cell.named_parameters())["W[0,0]"] is new


def test_what_may_be_put_in_the_place_of_parameters() -> None:
    cell = RNNCell(1, 2)
    cell.b = None
    shared = Linear(2, 2).V
    cell.W = shared
    assert [name for name, _ in cell.named_parameters()] == ["W[0,0]", "W[0,1]", "W[1,0]", "W[1,1]", "U[0,0]", "U[1,0]"]
    scalar = ScalarRNNCell()
    with no_grad():
        scalar.w = scalar.w - 0.1
    assert scalar.w in scalar.parameters()
    scalar.nonlinearity = "relu"
    scalar.loss = scalar.w * 2.0  # type: ignore[attr-defined]
    scalar.loss = 0.5  # type: ignore[attr-defined]
    scalar._state = v()  # type: ignore[attr-defined]
    scalar._state = 0.5  # type: ignore[attr-defined]


def test_what_is_no_state_is_an_error() -> None:
    for wrong in (RNNCell(1, 2), [1.0], None):
        with pytest.raises(ArgumentError, match=r"is not a state\. Give its state_dict\(\)"):
            RNNCell(1, 2).load_state_dict(wrong)  # type: ignore[arg-type]


def test_a_parameter_with_two_names_has_one_number() -> None:
    model = Model()
    state = model.state_dict()
    before = [parameter.data for parameter in model.parameters()]
    for change in ({"tied": 9.0}, {"cell_again.b": [9.0, 9.0]}):
        with pytest.raises(ArgumentError, match=r"(tied|cell_again\.b) is 9\.0 in the state, and under another name"):
            model.load_state_dict({**state, **change})
    assert [parameter.data for parameter in model.parameters()] == before
    model.load_state_dict({**state, "scale": math.nan, "tied": float("nan")})
    assert math.isnan(model.scale.data)


def test_children_are_named_by_where_they_are() -> None:
    model = Bag(cell=RNNCell(1, 1), nets={"a": [Linear(1, 1)], "b": (Bag(inner=Linear(1, 2)),)}, size=3, w=v())
    assert [(path, type(child).__name__) for path, child in model.named_children()] == [
        ("cell", "RNNCell"), ("nets.a.0", "Linear"), ("nets.b.0", "Bag"),
    ]  # fmt: skip
    assert [type(module).__name__ for module in model.modules()] == ["Bag", "RNNCell", "Linear", "Bag", "Linear"]
    loop: list[Any] = [RNNCell(1, 1)]
    loop.append(loop)
    assert len(Bag(held=loop).modules()) == 2


def test_gradients_are_numbers() -> None:
    model = Model()
    model.zero_grad(set_to_none=False)
    for owner in (model, SGD(model.parameters())):
        with pytest.raises(ArgumentError, match="set_to_none=True"):
            owner.zero_grad(set_to_none=True)


def test_numbers_that_do_not_fit_change_nothing() -> None:
    cell = RNNCell(1, 2)
    before = cell.state_dict()
    for wrong, error in (
        ([[1.0, 2.0]], ShapeError), ([[1.0, 2.0], [3.0]], ShapeError), ([[1.0, 2.0], [3.0, "4"]], OperandError)
    ):  # fmt: skip
        with pytest.raises(error):
            nn.init.set_(cell.W, wrong)
    for wrong in ("1.0", 1j):
        with pytest.raises(OperandError):
            nn.init.constant_(cell.b, wrong)  # type: ignore[arg-type]
    assert cell.state_dict() == before


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


def test_a_neuron_takes_as_many_inputs_as_it_has_weights() -> None:
    for wrong in ([1.0, 2.0], [1.0] * 4, []):
        with pytest.raises(ShapeError, match="inputs for 3 weights"):
            Neuron(3)(wrong)
        with pytest.raises(ShapeError):
            MLP(3, [2, 1])(wrong)
    assert isinstance(MLP(2, [1, 1])([1.0, 2.0]), Value)  # a single neuron in the middle


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
