"""LSTM, GRU, stacks of cells, their starting numbers, and the losses that come with them."""

from __future__ import annotations

import copy
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_rnn import (
    GRU,
    LSTM,
    RNN,
    GRUCell,
    LSTMCell,
    RNNCell,
    Value,
    binary_cross_entropy_with_logits,
    cross_entropy,
    gradcheck,
    total,
    unroll,
)
from tinygrad_rnn.errors import ArgumentError, DataError, ShapeError
from tinygrad_rnn.nn import Cell, OneHot, StackedCell, init

CELLS: dict[str, Cell] = {
    "lstm": LSTMCell(2, 3, seed=1),
    "gru": GRUCell(2, 3, seed=2),
    "lstm without bias": LSTMCell(2, 3, bias=False, seed=3),
    "gru without bias": GRUCell(2, 3, bias=False, seed=4),
    "stack": StackedCell([LSTMCell(2, 3, seed=5), GRUCell(3, 2, seed=6), RNNCell(2, 2, seed=7)]),
}


def sequence(length: int, width: int, seed: int = 0) -> list[list[float]]:
    rng = random.Random(seed)
    return [[rng.gauss(0.0, 1.0) for _ in range(width)] for _ in range(length)]


def loss_of(cell: Cell, inputs: list[list[float]]) -> Value:
    unrolled = unroll(cell, inputs)
    return total([entry * entry for t in range(1, unrolled.T + 1) for entry in unrolled.h[t]])


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS.keys())
def test_gradients_of_every_parameter_agree_with_central_differences(cell: Cell) -> None:
    inputs = sequence(3, 2)
    assert gradcheck(lambda *_: loss_of(cell, inputs), cell.parameters())


def test_an_lstm_computes_its_equations() -> None:
    cell = LSTMCell(1, 1, seed=8)
    W, U, b = ({gate: p.data for gate, p in zip("ifgo", ps)} for ps in _scalars(cell, "ifgo"))
    unrolled = unroll(cell, [[0.7], [-0.4]])
    h = c = 0.0
    for t, x in ((1, 0.7), (2, -0.4)):
        z = {gate: W[gate] * h + U[gate] * x + b[gate] for gate in "ifgo"}
        i, f, o = (1 / (1 + math.exp(-z[gate])) for gate in "ifo")
        c = f * c + i * math.tanh(z["g"])
        h = o * math.tanh(c)
        assert unrolled["c"][t][0].data == pytest.approx(c, rel=1e-14)
        assert unrolled.h[t][0].data == pytest.approx(h, rel=1e-14)


def _scalars(cell: Cell, gates: str) -> list[list[Value]]:
    found = cell.state_dict().keys()
    assert {f"{kind}_{gate}" for kind in "WUb" for gate in gates} <= found
    first = dict(cell.named_parameters())
    return [[first[f"{kind}_{gate}{index}"] for gate in gates] for kind, index in zip("WUb", ("[0,0]", "[0,0]", "[0]"))]


def test_the_error_in_an_lstms_cell_state_is_multiplied_by_the_forget_gates() -> None:
    """With no way back through h, ∂c_T/∂c_k is the product of f_{k+1} … f_T: the constant error path."""
    cell = LSTMCell(1, 1, forget_bias=3.0, seed=9)
    for gate in "ifgo":
        init.constant_(getattr(cell, f"W_{gate}"), 0.0)
    unrolled = unroll(cell, [[0.5], [-1.0], [0.3], [0.8]])
    c, f = unrolled["c"], unrolled["f"]
    c[4][0].backward()
    assert c[1][0].grad == pytest.approx(math.prod(f[t][0].data for t in (2, 3, 4)), rel=1e-15)
    assert c[1][0].grad > 0.5


def test_a_gru_whose_update_gate_is_open_keeps_its_state() -> None:
    cell = GRUCell(1, 2, seed=10)
    init.constant_(cell.b_z or [], 1000.0)
    unrolled = unroll(cell, [[1.0]] * 5, h0=[0.25, -0.5])
    assert [h.data for h in unrolled.h[5]] == [0.25, -0.5]


def test_series_are_named_after_gates() -> None:
    lstm, gru = unroll(LSTMCell(1, 2), [[1.0]] * 2), unroll(GRUCell(1, 2), [[1.0]] * 2)
    assert {"x", "h", "c", "i", "f", "g", "o", "z_i", "z_f", "z_g", "z_o"} == set(lstm.names)
    assert {"x", "h", "r", "z", "n", "z_r", "z_z", "z_n"} == set(gru.names)
    assert lstm["c"][2][1].label == "c_2[1]"
    assert lstm["z_f"][1][0].label == "z_f_1[0]"
    assert {node.time_step for node in lstm["i"][2]} == {2}
    with pytest.raises(ArgumentError, match="z_r"):
        _ = gru.z
    with pytest.raises(ArgumentError, match="z_i"):
        _ = lstm.z


def test_the_top_layer_keeps_the_plain_names() -> None:
    unrolled = unroll(LSTM(1, 2, num_layers=3), [[1.0]] * 2)
    assert unrolled.state_names == ("h_l0", "c_l0", "h_l1", "c_l1", "h", "c")
    assert unrolled["h_l1"][2][0].label == "h_l1_2[0]"
    assert unrolled.h[0][1].label == "h_0[1]"
    assert len(unrolled.h) == 3
    assert next(name for name, _ in LSTM(1, 1, num_layers=2).named_parameters()) == "cells.0.W_i[0,0]"
    assert LSTM(1, 1, num_layers=2).parameters()[-1].label == "l1.b_o[0]"


@pytest.mark.parametrize("make", [RNN, LSTM, GRU])
@pytest.mark.parametrize("layers", [1, 2])
def test_calling_a_module_and_unrolling_it_give_the_same_bits(make: type[RNN | LSTM | GRU], layers: int) -> None:
    module, inputs = make(2, 3, num_layers=layers, seed=11), sequence(4, 2)
    output, last = module(inputs)
    unrolled = unroll(module, inputs)
    assert [[h.data for h in hs] for hs in output] == [[h.data for h in unrolled.h[t]] for t in range(1, 5)]
    h_n = last[0] if make is LSTM else last
    assert len(h_n) == layers
    total([h for hs in output for h in hs]).backward()
    called = [p.grad for p in module.parameters()]
    module.zero_grad()
    total([h for t in range(1, 5) for h in unrolled.h[t]]).backward()
    assert [p.grad for p in module.parameters()] == called


def test_state_flows_from_one_call_to_the_next() -> None:
    module, inputs = LSTM(2, 3, num_layers=2, seed=12), sequence(5, 2)
    whole, (h, c) = module(inputs)
    first, state = module(inputs[:2])
    second, (h2, c2) = module(inputs[2:], state)
    assert [[v.data for v in vs] for vs in first + second] == [[v.data for v in vs] for vs in whole]
    assert [[v.data for v in vs] for vs in h2 + c2] == [[v.data for v in vs] for vs in h + c]


def test_one_hot_inputs_give_the_same_bits_as_multiplying_by_zeros_and_ones() -> None:
    for cell in (RNNCell(4, 3, seed=13), LSTMCell(4, 3, seed=14), GRUCell(4, 3, seed=15)):
        symbols = [2, 0, 3, 3]
        results = []
        for inputs in ([OneHot(s, 4) for s in symbols], [[float(i == s) for i in range(4)] for s in symbols]):
            cell.zero_grad()
            loss = loss_of(cell, inputs)  # type: ignore[arg-type]
            loss.backward()
            results.append([loss.data] + [p.grad for p in cell.parameters()])
        assert results[0] == results[1]
    assert list(copy.deepcopy(OneHot(1, 3))) is not None
    with pytest.raises(ArgumentError, match="symbol 4 of 4"):
        OneHot(4, 4)


def test_a_bidirectional_module_reads_backwards_too() -> None:
    module, inputs = GRU(2, 2, bidirectional=True, seed=16), sequence(3, 2)
    output, h_n = module(inputs)
    backwards = GRU(2, 2, seed=0)
    backwards.cells[0].load_state_dict(module.cells[1].state_dict())
    expected, _ = backwards(inputs[::-1])
    assert [[v.data for v in vs[2:]] for vs in output] == [[v.data for v in vs] for vs in expected[::-1]]
    assert [v.data for v in h_n[1]] == [v.data for v in output[0][2:]]
    with pytest.raises(ArgumentError, match="bidirectional"):
        unroll(module, inputs)


def test_wrong_sizes_name_both_shapes_and_the_parameter() -> None:
    with pytest.raises(ShapeError, match=r"x is 3 numbers, but U_i is 4 × 2 .*time step 1"):
        unroll(LSTMCell(2, 4), [[1.0, 2.0, 3.0]])
    with pytest.raises(ShapeError, match=r"h is 3 numbers, but W_r is 4 × 4"):
        GRUCell(2, 4).step([Value(0.0)] * 2, [Value(0.0)] * 3)
    with pytest.raises(ShapeError, match="2 cells"):
        LSTM(1, 2, num_layers=2)([[1.0]], ([[0.0, 0.0]], [[0.0, 0.0]]))
    for state in (1.0, [0.0, 0.0], ([0.0, 0.0], [0.0, 0.0]), ([[0.0, 0.0]],)):
        with pytest.raises(ShapeError, match=r"not that of 1 cell\. Give a list of 1 vector h_0 and a list of 1"):
            LSTM(1, 2)([[1.0]], state)
    for module in (LSTM(2, 3), GRU(2, 3, bidirectional=True), RNN(2, 3, num_layers=2)):
        with pytest.raises(ShapeError, match=r"x is a single number, but U\w* is 3 × 2 .*time step 1"):
            module([0.1, 0.2])
        with pytest.raises(ShapeError, match=r"x is 1 number, .*time step [12]"):
            module([[0.1, 0.2], [0.3]])
        with pytest.raises(ArgumentError, match="inputs of type float"):
            module(0.1)  # type: ignore[arg-type]
        with pytest.raises(DataError, match=r"x_1 is nan \[time step 1\]"):
            module([[0.1, float("nan")]])
    with pytest.raises(ShapeError, match=r"a state of 1 part\. Give h, c, or nothing"):
        LSTMCell(1, 2)([1.0], [Value(0.0)] * 2)
    for wrong in (0, -1, 1.5, True):
        with pytest.raises(ArgumentError, match="hidden_size"):
            LSTMCell(2, wrong)  # type: ignore[arg-type]
        with pytest.raises(ArgumentError, match="num_layers"):
            GRU(2, 2, num_layers=wrong)  # type: ignore[arg-type]


@given(rows=st.integers(1, 6), columns=st.integers(1, 6), gain=st.floats(0.1, 3.0), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_orthogonal_initialisation(rows: int, columns: int, gain: float, seed: int) -> None:
    W = [[Value(0.0) for _ in range(columns)] for _ in range(rows)]
    init.orthogonal_(W, gain, seed=seed)
    vectors = [[entry.data for entry in row] for row in (W if rows <= columns else list(zip(*W)))]
    for i, a in enumerate(vectors):
        for j, b in enumerate(vectors):
            assert sum(x * y for x, y in zip(a, b)) == pytest.approx(gain**2 * (i == j), abs=1e-13)
    init.scale_(W, 0.5)
    init.scale_(W, gain)
    assert W[0][0].data == pytest.approx(vectors[0][0], abs=1e-12)


def test_other_initialisations() -> None:
    cell = RNNCell(2, 3)
    init.eye_(cell.W, gain=0.5)
    assert [[w.data for w in row] for row in cell.W] == [[0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]]
    init.constant_(cell.b or [], 2)
    assert [b.data for b in cell.b or []] == [2.0] * 3
    init.scale_(cell.W, 1.25)
    assert cell.W[2][2].data == pytest.approx(1.25)
    init.normal_(cell.U, std=1e-3, seed=1)
    assert all(0 < abs(u.data) < 1e-2 for row in cell.U for u in row)
    assert [b.data for b in LSTMCell(1, 2, forget_bias=1.0).b_f or []] == [1.0, 1.0]
    with pytest.raises(ArgumentError, match="zero matrix"):
        init.scale_([[Value(0.0)]], 1.0)
    with pytest.raises(ArgumentError, match="spectral_norm"):
        init.scale_(cell.W, -1.0)
    for std in (-1e-3, math.nan, math.inf):
        with pytest.raises(ArgumentError, match=r"std is .*at least 0"):
            init.normal_(cell.W, std=std)


@pytest.mark.parametrize("logit", [-1000.0, -30.0, -1.0, 0.0, 1.0, 30.0, 1000.0])
@pytest.mark.parametrize("target", [0.0, 0.3, 1.0])
def test_binary_cross_entropy_is_stable(logit: float, target: float) -> None:
    v = Value(logit)
    loss = binary_cross_entropy_with_logits(v, target)
    loss.backward()
    sigmoid = 1 / (1 + math.exp(-logit)) if logit > -700 else 0.0
    assert loss.data == pytest.approx(max(logit, 0) - logit * target + math.log1p(math.exp(-abs(logit))), abs=1e-12)
    assert v.grad == pytest.approx(sigmoid - target, abs=1e-12)


def test_cross_entropy_is_stable_at_1000() -> None:
    logits = [Value(1000.0), Value(-1000.0), Value(0.0)]
    loss = cross_entropy(logits, 1)
    loss.backward()
    assert loss.data == 2000.0
    assert [v.grad for v in logits] == [1.0, -1.0, 0.0]


def test_binary_cross_entropy_refuses_what_is_no_probability() -> None:
    with pytest.raises(ArgumentError, match=r"target 1\.5"):
        binary_cross_entropy_with_logits(Value(0.0), 1.5)
    with pytest.raises(ShapeError, match="shape"):
        binary_cross_entropy_with_logits([Value(0.0)], [0.0, 1.0])
