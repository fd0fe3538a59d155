"""`Recurrence`: one compiled time step, replayed, agrees with the unrolled graph to the last bit."""

from __future__ import annotations

import copy
import math
import pickle
import random
import struct
import sys
from array import array
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinygrad_rnn import Linear, RNNCell, ScalarRNNCell, Value, cross_entropy, mse_loss, total, unroll
from tinygrad_rnn.bptt.truncated import windows
from tinygrad_rnn.compile import Number, Recurrence, Symbols, Vector, compile
from tinygrad_rnn.engine.arithmetic import choose
from tinygrad_rnn.errors import (
    ArgumentError,
    CompileError,
    DataError,
    DomainError,
    GraphError,
    OperandError,
    ShapeError,
)
from tinygrad_rnn.nn import GRU, LSTM, Cell, GRUCell, LSTMCell, OneHot


def bits(number: float) -> bytes:
    return b"NaN" if math.isnan(number) else struct.pack("<d", number)


class GatedByItself(Cell):
    """A user's cell: two parts of state, an exotic gate, and a part that only later steps read."""

    state_names = ("h", "trace")

    def __init__(self, size: int) -> None:
        self.v = [Value(0.3 * i - 0.4, label=f"v[{i}]") for i in range(size)]
        self.k = Value(0.7, label="k")

    def step(self, x: Any, *state: Any) -> dict[str, Any]:
        h, trace = state
        gate = [(v * a + self.k * x).sigmoid() for v, a in zip(self.v, h)]
        new = [g * a.sin() + (1.0 - g) * (t + x).relu() for g, a, t in zip(gate, h, trace)]
        return {"gate": gate, "trace": [(t * 0.5 + abs(a)).maximum(x) for t, a in zip(trace, h)], "h": new}

    def initial_state(self) -> tuple[Any, ...]:
        return [Value(0.1) for _ in self.v], [Value(0.0) for _ in self.v]


def embedded() -> Any:
    """A plain function as a cell, with an embedding that is looked up."""
    E = [[Value(math.sin(3 * i + j), label=f"E[{i},{j}]") for j in range(3)] for i in range(4)]
    inner = RNNCell(3, 3, seed=2)
    return lambda x, h: inner([choose([row[j] for row in E], x.hot) for j in range(3)], h)


def arguments(**given: Any) -> dict[str, Any]:
    return given


CASES: dict[str, Any] = {  # arguments of Recurrence
    "scalar": lambda: arguments(cell=ScalarRNNCell(0.9, 0.5, 0.1), x=Number(), target=Number(), loss=mse_loss),
    "relu": lambda: arguments(cell=ScalarRNNCell(-0.9, 0.5, 0.1, "relu"), x=Number(), target=Number(), loss=mse_loss),
    "no targets": lambda: arguments(cell=RNNCell(2, 3), x=Vector(2), loss=lambda h: total([a * a for a in h])),
    "rnn": lambda: arguments(
        cell=RNNCell(3, 5), x=Vector(3), readout=Linear(5, 4), target=Symbols(4), loss=cross_entropy
    ),
    "no bias": lambda: arguments(
        cell=RNNCell(3, 5, bias=False), x=Vector(3), readout=Linear(5, 2), target=Vector(2), loss=mse_loss
    ),
    "one-hot": lambda: arguments(
        cell=RNNCell(6, 4), x=Symbols(6), readout=Linear(4, 6), target=Symbols(6), loss=cross_entropy
    ),
    "embedding": lambda: arguments(cell=embedded(), x=Symbols(4), h0=[0.1, 0.2, -0.3], target=Vector(3), loss=mse_loss),
    "lstm": lambda: arguments(
        cell=LSTMCell(5, 3), x=Symbols(5), readout=Linear(3, 5), target=Symbols(5), loss=cross_entropy
    ),
    "gru": lambda: arguments(cell=GRUCell(2, 3), x=Vector(2), readout=Linear(3, 2), target=Vector(2), loss=mse_loss),
    "stacked": lambda: arguments(
        cell=LSTM(2, 2, num_layers=2), x=Vector(2), readout=Linear(2, 3), target=Symbols(3), loss=cross_entropy
    ),
    "stacked, top layer": lambda: arguments(cell=GRU(2, 2, num_layers=2), x=Vector(2), target=Vector(2), loss=mse_loss),
    "of the user": lambda: arguments(cell=GatedByItself(3), x=Number(), target=Vector(3), loss=mse_loss),
}
_made: dict[Any, Recurrence] = {}


def recurrence(case: str, loss_at: str, lanes: int) -> Recurrence:
    """Compiled once for all examples."""
    if (case, loss_at, lanes) not in _made:
        _made[case, loss_at, lanes] = Recurrence(**CASES[case](), loss_at=loss_at, lanes=lanes)
    return _made[case, loss_at, lanes]


def draw_numbers(rng: random.Random, kind: Any, B: int, T: int) -> Any:
    def one() -> Any:
        if isinstance(kind, Symbols):
            return rng.randrange(kind.size)
        if isinstance(kind, Vector):
            return [rng.gauss(0, 2) for _ in range(kind.size)]
        return rng.choice([0.0, -0.0, rng.gauss(0, 2)])

    return None if kind is None else [[one() for _ in range(T)] for _ in range(B)]


def eager_gradients(program: Recurrence, x, target, h0=None, mask=None):
    """Losses, and the gradients of the sequences added in order."""
    sums, losses = [0.0] * len(program.parameters), []
    for b in range(len(x)):
        for parameter in program.parameters:
            parameter.zero_grad()
        _, loss = program.eager(x[b], target and target[b], h0 and h0[b], mask)
        losses.append(-0.0 if loss is None else loss.data)
        if loss is not None:
            loss.backward()
        sums = [a + parameter.grad for a, parameter in zip(sums, program.parameters)]
    return losses, sums


def agree(program: Recurrence, x, target, h0=None, mask=None) -> None:
    run = program.forward_backward(x, target, h0, mask)
    losses, sums = eager_gradients(program, x, target, h0, mask)
    assert [bits(loss) for loss in run.losses] == [bits(0.0 + loss) for loss in losses]
    for parameter, gradient, expected in zip(program.parameters, run.gradients, sums):
        assert bits(gradient) == bits(expected), parameter.label
    assert [bits(loss) for loss in program.forward(x, target, h0, mask).losses] == [bits(loss) for loss in run.losses]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("loss_at", ["every", "last"])
@pytest.mark.slow
def test_batches_of_any_size_agree_to_the_bit(case, loss_at):
    rng = random.Random(case)
    program = recurrence(case, loss_at, 4)
    for B, T in ((1, 1), (1, 6), (4, 3), (7, 5), (3, 2), (9, 1)):
        agree(program, draw_numbers(rng, program.step.x, B, T), draw_numbers(rng, program.step.target, B, T))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    st.sampled_from(["scalar", "rnn", "lstm", "of the user"]), st.integers(1, 9), st.integers(1, 7),
    st.randoms(use_true_random=False),
    st.floats(-1e3, 1e3) | st.sampled_from([0.0, -0.0, 5e-324, 1e300, -1e300, math.inf, math.nan]),
)  # fmt: skip
@pytest.mark.slow
def test_any_weights_any_mask_any_state(case, B, T, rng, weight):
    program = recurrence(case, "mask", 4)
    for parameter in program.parameters:
        parameter.data = weight if rng.random() < 0.1 else rng.gauss(0, 1)
    program.read_parameters()
    x, target = draw_numbers(rng, program.step.x, B, T), draw_numbers(rng, program.step.target, B, T)
    h0 = [[rng.gauss(0, 1) for _ in range(len(program.step.initial))] for _ in range(B)]
    mask = [rng.random() < 0.6 for _ in range(T)]
    try:
        eager_gradients(program, x, target, h0, mask)
    except DomainError as error:
        expected = (error.op, error.time_step)
    else:
        expected = None
    if expected:
        with pytest.raises(DomainError) as caught:
            program.forward_backward(x, target, h0, mask)
        assert (caught.value.op, caught.value.time_step) == expected
    else:
        agree(program, x, target, h0, mask)


def test_without_a_read_out_the_top_layer_is_the_prediction():
    cell, x, target = GRU(2, 2, num_layers=2), [[0.1, 0.2], [0.3, 0.4]], [[0.5, 0.6], [0.7, 0.8]]
    unrolled = unroll(cell, x)
    expected = total([mse_loss(unrolled.h[t], target[t - 1]) for t in (1, 2)])
    program = Recurrence(cell, x=Vector(2), target=Vector(2), loss=mse_loss)
    assert program.forward([x], [target]).loss == program.eager(x, target)[1].data == expected.data


def test_state_and_its_gradient():
    program = recurrence("lstm", "every", 4)
    rng = random.Random(5)
    x, target = draw_numbers(rng, program.step.x, 6, 4), draw_numbers(rng, program.step.target, 6, 4)
    h0 = [[rng.gauss(0, 1) for _ in range(6)] for _ in range(6)]
    run = program.forward_backward(x, target, h0)
    for b in range(6):
        unrolled, loss = program.eager(x[b], target[b], h0[b])
        loss.backward()
        first = [*unrolled["h"][0], *unrolled["c"][0]]
        last = [*unrolled["h"][4], *unrolled["c"][4]]
        assert [bits(run.state_gradients[b, s]) for s in range(6)] == [bits(node.grad) for node in first]
        assert [bits(run.state[b, s]) for s in range(6)] == [bits(node.data) for node in last]


@pytest.mark.parametrize("k", [1, 3, 4, 10, 99])
def test_truncated_bptt_equals_the_windows_of_the_eager_engine(k):
    program = recurrence("lstm", "every", 4)
    rng = random.Random(k)
    x, target = draw_numbers(rng, program.step.x, 5, 10), draw_numbers(rng, program.step.target, 5, 10)
    run = program.forward_backward(x, target, window=k)
    sums = [0.0] * len(program.parameters)
    for b in range(5):
        for parameter in program.parameters:
            parameter.zero_grad()
        loss = 0.0
        inputs = [OneHot(symbol, 5) for symbol in x[b]]
        step = program.step
        for window in windows(step.cell, inputs, target[b], k, k, loss=step.loss, readout=step.readout):
            window.loss.backward()
            loss += window.loss.data
        assert bits(run.losses[b]) == bits(loss)
        sums = [a + parameter.grad for a, parameter in zip(sums, program.parameters)]
    assert [bits(g) for g in run.gradients] == [bits(g) for g in sums]


def test_a_carried_state_goes_on_where_it_ended():
    program = recurrence("gru", "every", 4)
    rng = random.Random(1)
    x, target = draw_numbers(rng, Vector(2), 5, 8), draw_numbers(rng, Vector(2), 5, 8)
    whole = program.forward(x, target)
    first = program.forward([s[:3] for s in x], [s[:3] for s in target])
    second = program.forward([s[3:] for s in x], [s[3:] for s in target], first.state)
    assert second.state.tolist() == whole.state.tolist()


@pytest.mark.parametrize("case", ["rnn", "one-hot", "lstm", "scalar", "no targets"])
@pytest.mark.parametrize("loss_at", ["every", "mask"])
def test_predictions_are_those_of_the_unrolled_graph(case, loss_at):
    program = recurrence(case, loss_at, 4)
    x, h0 = draw_numbers(random.Random(2), program.step.x, 6, 5), None
    predictions = program.predict(x, h0)
    for b in range(6):
        unrolled = unroll(program.step.cell, [one_hot(program.step.x, number) for number in x[b]], None)
        for t in range(1, 6):
            y = program.step.readout(unrolled.h[t]) if program.step.readout else unrolled.h[t]
            entries = y if isinstance(y, list) else [y]
            assert [bits(predictions[b, t - 1, i]) for i in range(len(entries))] == [bits(e.data) for e in entries]


def test_predictions_follow_parameters_that_no_loss_depends_on():
    readout = Linear(3, 2)
    program = Recurrence(RNNCell(2, 3), Vector(2), lambda y: y[0] * y[0], readout=readout)
    only_predicting = Recurrence(RNNCell(2, 3), Vector(2), None, readout=readout)
    readout.c[1].data += 100.0
    for each in (program, only_predicting):
        each.read_parameters()
        assert each.predict([[[0.5, 0.5]]])[0, 0, 1] > 50.0


def one_hot(kind: Any, number: Any) -> Any:
    return OneHot(number, kind.size) if isinstance(kind, Symbols) else number


def test_the_gradients_of_parts_of_a_batch_add_up_to_those_of_the_whole():
    program = recurrence("gru", "every", 4)
    rng = random.Random(4)
    x, target = draw_numbers(rng, Vector(2), 7, 5), draw_numbers(rng, Vector(2), 7, 5)
    whole, run = program.forward_backward(x, target), None
    for part in (slice(0, 1), slice(1, 6), slice(6, 7)):
        run = program.forward_backward(x[part], target[part], onto=run)
    assert [bits(g) for g in run.gradients] == [bits(g) for g in whole.gradients]


def test_no_more_is_kept_for_the_backward_pass_than_it_needs():
    program = Recurrence(RNNCell(2, 5), Vector(2), total)
    assert program._machine(1).sizes.saved == 0  # h_1 … h_T are enough
    program = Recurrence(LSTMCell(2, 5), Vector(2), total)
    assert program._machine(1).sizes.saved <= 5 * 5  # four gates and tanh(c) of each unit


def test_gradients_can_be_added_to_the_values():
    program = recurrence("scalar", "every", 4)
    run = program.forward_backward([[0.5, -0.25]], [[1.0, 0.0]])
    for parameter in program.parameters:
        parameter.grad = 1.0
    program.add_gradients(run)
    assert [p.grad for p in program.parameters] == [1.0 + g for g in run.gradients]


def test_threads_lose_no_gradient_of_a_parameter_that_their_programs_share() -> None:
    """Each program has a lock of its own. A quarter of the gradients was lost."""
    w, times = Value(1.0), 5000
    programs = [Recurrence(lambda x, h: h * w + x, Number(), lambda h: h * 1.0, h0=1.0) for _ in range(4)]
    runs = [program.forward_backward([[0.0]]) for program in programs]

    def add(i: int) -> None:
        for _ in range(times):
            programs[i].add_gradients(runs[i])

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(add, range(4)))
    finally:
        sys.setswitchinterval(before)
    assert w.grad == 4 * times


def test_every_inner_node_can_be_read_at_every_step():
    program = recurrence("rnn", "every", 4)
    rng = random.Random(3)
    (x,), (target,) = draw_numbers(rng, Vector(3), 1, 5), draw_numbers(rng, Symbols(4), 1, 5)
    inspection = program.inspect(x, target)
    unrolled, loss = program.eager(x, target)
    loss.backward()
    for name in ("z", "h", "y"):
        for t in range(1, 6):
            for i, node in enumerate(unrolled[name][t]):
                assert bits(inspection.value(f"{name}_{t}[{i}]")) == bits(node.data)
                assert bits(inspection.gradient(f"{name}_t[{i}]", t)) == bits(node.grad)
    assert bits(inspection.gradient("h_0[2]")) == bits(unrolled.h[0][2].grad)
    with pytest.raises(ArgumentError, match="no node"):
        inspection.value("z_6[0]")


def test_listing_and_assembly_name_the_nodes():
    program = recurrence("rnn", "every", 4)
    (line,) = (line for line in program.source.splitlines() if line.split()[1] == "h_t[0]")
    assert line.startswith("t=t")
    assert "tanh(z_t[0])" in line
    assert "∂/∂z_t[0] = 1 − h_t[0]²" in line
    assert "; h_t[0] … h_t[4]" in program.ir
    assert "; ∂L/∂z_t" in program.ir


def test_code_does_not_grow_with_time_or_batch():
    program = Recurrence(**CASES["scalar"]())
    program.forward_backward([[0.1] * 3], [[0.0] * 3])
    compiled, text = program._machine(1), program.ir
    program.forward_backward([[0.1] * 500] * 3, [[0.0] * 500] * 3)
    assert program._machine(1) is compiled
    assert program.ir is text


@pytest.mark.slow
def test_a_step_of_fourteen_thousand_nodes():
    program = Recurrence(RNNCell(8, 64), Vector(8), mse_loss, Vector(64))
    assert len(program._with_loss.nodes) > 14_000
    assert len(program.ir) < 600_000  # rows of a layer are one instruction
    rng = random.Random(0)
    agree(program, draw_numbers(rng, Vector(8), 1, 2), draw_numbers(rng, Vector(64), 1, 2))


@pytest.mark.slow
def test_memory_is_given_back():
    resource = pytest.importorskip("resource")  # Windows has none
    a = Value(0.5)
    root = (a * a + a).tanh()

    def grow(count: int) -> None:
        for i in range(count):
            compile(root).forward_backward([0.01 * i])

    grow(30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    grow(60)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 60 * 20 * (1 if sys.platform == "linux" else 1024)  # KB; one module takes over 50


# ---- the boundary -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "target", "error", "words"),
    [
        ([[[1.0, 2.0]]], [[1]], ShapeError, "x is 1 × 1 × 2, but must be any × any × 3"),
        ([[1.0, 2.0, 3.0]], [[1]], ShapeError, "nested 3 deep"),
        ([[[1.0, 2.0, 3.0], [1.0, 2.0]]], [[1, 1]], ShapeError, "different lengths"),
        ([[[1.0, 2.0, "3"]]], [[1]], OperandError, "x"),
        ([[[1.0, 2.0, math.nan]]], [[1]], DataError, "x_1 of sequence 0 is nan"),
        ([[[1.0, 2.0, 3.0]] * 4, [[1.0, 2.0, 3.0]] * 3 + [[0.0, -math.inf, 0.0]]], [[1] * 4] * 2, DataError,
         "x_4 of sequence 1 is -inf"),
        ([[[1.0, 2.0, 3.0]]], [[4]], DataError, "target holds 4"),
        ([[[1.0, 2.0, 3.0]]], [[-1]], DataError, "target holds -1"),
        ([[[1.0, 2.0, 3.0]]], [[1.0]], OperandError, "target"),
        ([[[1.0, 2.0, 3.0]]], [[1, 2]], ShapeError, "target is 1 × 2"),
        ([[[1.0, 2.0, 3.0]]], None, ArgumentError, "no targets"),
        ([], [], ShapeError, "empty"),
        (array("d", [1.0, 2.0, 3.0]), [[1]], ShapeError, "x is 3"),
        (memoryview(array("f", [1.0] * 3)).cast("B").cast("f", (1, 1, 3)), [[1]], OperandError, "float64"),
        (object(), [[1]], ShapeError, "nested"),
    ],
)  # fmt: skip
def test_what_does_not_fit_never_reaches_native_code(x, target, error, words):
    with pytest.raises(error, match=words):
        recurrence("rnn", "every", 4).forward_backward(x, target)


def test_a_view_with_gaps_is_refused_and_a_read_only_one_taken():
    program = recurrence("rnn", "every", 4)
    x = numpy.random.default_rng(0).standard_normal((2, 4, 6))
    target = numpy.zeros((2, 4), dtype=numpy.int64)
    with pytest.raises(ShapeError, match="contiguous"):
        program.forward(x[:, :, ::2], target)
    with pytest.raises(OperandError, match="int64"):
        program.forward(x[:, :, :3].copy(), target.astype(numpy.float64))
    good = x[:, :, :3].copy()
    good.flags.writeable = False
    assert program.forward(good, target).loss == program.forward(good.tolist(), target.tolist()).loss


def test_arrays_of_other_real_types_are_converted():
    program = recurrence("rnn", "every", 4)
    x = numpy.random.default_rng(0).standard_normal((2, 4, 3)).astype(numpy.float16)
    target = numpy.ones((2, 4), dtype=numpy.int64)
    loss = program.forward(x.astype(numpy.float64), target).loss
    for real in (numpy.float16, numpy.float32, numpy.longdouble, object):
        assert program.forward(x.astype(real), target.astype(numpy.uint8)).loss == loss


def test_batches_without_sequences_or_steps_are_refused():
    for shape in ((0, 4, 3), (2, 0, 3)):
        with pytest.raises(ShapeError, match="x is empty"):
            recurrence("rnn", "every", 4).forward(numpy.zeros(shape), numpy.zeros(shape[:2], dtype=numpy.int64))


def test_threads_may_share_a_program():
    program = recurrence("lstm", "every", 4)
    rng = random.Random(9)
    batches = [(draw_numbers(rng, Symbols(5), B, 30), draw_numbers(rng, Symbols(5), B, 30)) for B in range(1, 9)] * 8
    alone = [list(program.forward_backward(*batch).gradients) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda batch: list(program.forward_backward(*batch).gradients), batches))
    assert together == alone


def test_h0_window_and_mask_are_checked():
    program = recurrence("rnn", "every", 4)
    x, target = [[[1.0, 2.0, 3.0]]], [[1]]
    with pytest.raises(ShapeError, match="h0"):
        program.forward(x, target, [[0.0]])
    with pytest.raises(ArgumentError, match="window"):
        program.forward_backward(x, target, window=0)
    with pytest.raises(ArgumentError, match="mask"):
        program.forward(x, target, mask=[True])
    with pytest.raises(ShapeError, match="mask"):
        recurrence("rnn", "mask", 4).forward(x, target, mask=[True, False])
    with pytest.raises(ArgumentError, match="forward_backward"):
        _ = program.forward(x, target).gradients


def test_an_error_names_op_node_and_time_step():
    w = Value(1.0, label="w")
    program = Recurrence(lambda x, h: w / (h - x), x=Number(), h0=0.5, loss=lambda h: h * h)
    with pytest.raises(DomainError, match=r"div has no finite real value .* time step 2") as caught:
        program.forward([[1.0, -2.0, 3.0]])
    assert (caught.value.op, caught.value.time_step) == ("div", 2)
    assert w.data == 1.0


def test_an_error_of_the_backward_pass_names_op_and_time_step():
    w = Value(4.0, label="w")
    program = Recurrence(lambda x, h: (w * x).sqrt() + h, x=Number(), h0=0.5, loss=lambda h: h * h)
    assert program.forward([[1.0, 0.0, 1.0]]).loss > 0.0
    with pytest.raises(DomainError, match=r"derivative .* sqrt") as caught:
        program.forward_backward([[1.0, 0.0, 1.0]])
    assert caught.value.time_step == 2


# ---- what cannot be compiled ---------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [math.tanh, float, int, round, math.floor])
def test_a_step_that_computes_a_plain_number_is_refused(function):
    w = Value(1.0, label="w")
    with pytest.raises(CompileError, match="a plain number would be computed") as caught:
        Recurrence(lambda x, h: w * function((w * h + x).data), x=Number(), h0=0.0, loss=lambda h: h * h)
    assert (caught.value.node, caught.value.time_step) == ("w·h_{t-1} + x_t", "t")
    assert isinstance(w.data, float)


def test_a_step_that_decides_on_numbers_is_refused():
    w = Value(1.0, label="w")
    with pytest.raises(GraphError, match="decision"):
        Recurrence(lambda x, h: w * h if h.data > 0 else h * 2.0, x=Number(), h0=0.0, loss=lambda h: h * h)
    assert isinstance(w.data, float)


DECISIONS = [
    lambda y, t: total((v - (i == t)) ** 2 for i, v in enumerate(y)),
    lambda y, t: total(v**2 for i, v in enumerate(y) if i != t),
    lambda y, t: y[0] if t else y[1],
    lambda y, t: y[0] if t > 0 else y[1],
    lambda y, t: y[0] if t in (0, 2) else y[1],
    lambda y, t: y[0] - {0: 0.1, 1: 0.9}[t],
    lambda y, t: y[0] - [0.1, 0.9][t],
]


@pytest.mark.parametrize("loss", DECISIONS)
def test_a_decision_on_a_class_is_refused(loss):
    with pytest.raises(CompileError, match=r"decision.*cross_entropy, y\[t\]") as caught:
        Recurrence(RNNCell(1, 2), x=Vector(1), target=Symbols(2), loss=loss)
    assert (caught.value.node, caught.value.time_step) == ("target_t", "t")


@pytest.mark.parametrize(
    "loss",
    [
        lambda y, t: (y[0] - t) ** 2,
        lambda y, t: y[0] * (0.5 * t),
        lambda y, t: y[0] * int(t),
        lambda y, t: y[0] * math.log(1 + t),
        lambda y, t: Value(t) * y[0],
    ],
)
def test_a_formula_that_computes_with_a_class_is_refused(loss):
    with pytest.raises(CompileError, match=r"computes with an index.*0\.0 and 1\.0") as caught:
        Recurrence(RNNCell(1, 2), x=Vector(1), target=Symbols(2), loss=loss)
    assert "target_t" in caught.value.node


def test_a_class_chooses_a_prediction_or_a_number():
    for loss in (lambda y, t: -y[t].sigmoid().log(), lambda y, t: (y[0] - choose([0.1, 0.9], t)) ** 2):
        program = Recurrence(RNNCell(1, 2, seed=1), x=Vector(1), target=Symbols(2), loss=loss)
        x, target = [[0.1], [0.4], [-0.3]], [0, 1, 1]
        run, (_, eager) = program.forward_backward([x], [target]), program.eager(x, target)
        eager.backward()
        assert run.loss == eager.data
        assert [*run.gradients] == [parameter.grad for parameter in program.parameters]
        for parameter in program.parameters:
            parameter.grad = 0.0


@pytest.mark.parametrize(
    "loss",
    [
        lambda y, t: (y - 1.0) ** 2 if t == 1.0 else y * y,
        lambda y, t: y * y if t != 1.0 else y + 1.0,
        lambda y, t: y * y if t in (0.5, 0.7) else y + 1.0,
        lambda y, t: y * y if t else y + 1.0,
        lambda y, t: y * y if t > 0.5 else y + 1.0,
        lambda y, t: y * {1.0: 2.0}.get(t, 3.0),
        lambda y, t: y * len({t, 1.0}),
    ],
)
def test_a_decision_on_a_number_of_the_target_is_refused(loss):
    with pytest.raises(CompileError, match=r"decision.*further number of the target") as caught:
        Recurrence(ScalarRNNCell(), x=Number(), target=Number(), loss=loss)
    assert (caught.value.node, caught.value.time_step) == ("target_t", "t")


def test_a_look_up_by_a_number_or_a_symbol_is_refused():
    with pytest.raises(CompileError, match=r"decision.*select") as caught:
        Recurrence(lambda x, h: h * {1.0: 2.0}.get(x.data, 9.0), x=Number(), h0=0.1, loss=lambda h: h * h)
    assert caught.value.node == "x_t"
    table = [Value(0.1), Value(0.2), Value(0.3)]
    with pytest.raises(
        CompileError, match=r"decision.*each entry with engine\.arithmetic\.choose\(options, x\.hot\)"
    ) as caught:
        Recurrence(lambda x, h: h * table[x.hot], x=Symbols(3), h0=0.1, loss=lambda h: h * h)
    assert caught.value.node == "x_t"


def test_a_node_computed_before_the_step_is_refused():
    w = Value(1.0) * 2.0
    with pytest.raises(CompileError, match="before the step"):
        Recurrence(lambda x, h: w * h, x=Number(), h0=0.0, loss=lambda h: h * h)


def test_states_and_losses_that_have_no_order_are_refused():
    w = Value(1.0)
    with pytest.raises(CompileError, match="two entries of the new state are, or may be, the same node"):
        Recurrence(lambda x, h, c: (w * h,) * 2, x=Number(), h0=(0.0, 0.0), loss=lambda h: h * h)
    with pytest.raises(CompileError, match="loss is a part"):
        Recurrence(lambda x, h: w * h, x=Number(), h0=0.0, loss=lambda h: h)
    table = [Value(1.0), Value(2.0)]
    with pytest.raises(CompileError, match="looked up"):
        Recurrence(lambda x, h: choose(table, x.hot) * table[0] * h, x=Symbols(2), h0=0.0, loss=lambda h: h * h)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"x": 3}, r"x=3 .* Give Vector\(3\)"),
        ({"x": None}, r"x=None .* Give Number\(\), Vector\(n\) or Symbols\(n\)"),
        ({"x": ...}, r"x=\.\.\. .* Give Number\(\)"),
        ({"x": Number}, r"Give Number\(\)"),
        ({"x": True}, r"Give Number\(\)"),
        ({"target": 2, "loss": mse_loss}, r"target=2 .* Give Vector\(2\)"),
        ({"target": ...}, r"target=\.\.\. .* Give None where the loss takes no target"),
        ({"loss": mse_loss}, r"the loss takes a target, but target is None"),
        ({"target": Number()}, r"the loss takes no target, but target is Number\(\)"),
        ({"loss_at": "any"}, r"Known ones: every, last, mask"),
    ],
)
def test_old_and_wrong_kinds_of_inputs_are_refused_with_the_new_ones_named(given, words):
    with pytest.raises(ArgumentError, match=words):
        simple(**given)


def test_a_loss_may_say_nothing_about_what_it_takes_or_take_both():
    simple(loss=lambda *given: given[0] * 1.0)
    simple(loss=lambda prediction, target=None: prediction * 1.0)
    simple(loss=lambda prediction, target=None: (prediction - target) ** 2, target=Number())
    simple(loss=None)


def test_kinds_are_compared_by_what_they_hold():
    assert (Vector(2), Number(), Symbols(3)) == (Vector(2), Number(), Symbols(3))
    assert Vector(2) != Symbols(2)
    assert repr(Vector(2)) == "Vector(size=2)"


def test_without_llvmlite_the_message_says_what_to_install(monkeypatch):
    from tinygrad_rnn.compile import native
    from tinygrad_rnn.errors import MissingDependencyError

    native.llvm.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "llvmlite", None)
    with pytest.raises(MissingDependencyError, match=r"tinygrad_rnn\[compile\]"):
        compile(Value(1.0) * 2.0)
    native.llvm.cache_clear()


def test_importing_the_package_does_not_import_llvm():
    import subprocess

    code = "import sys, tinygrad_rnn, tinygrad_rnn.compile; print('llvmlite' in sys.modules, 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False False\n"


def test_the_gradient_of_the_initial_state_has_the_sign_of_the_eager_one():
    u = Value(0.5)
    program = Recurrence(lambda x, h: h * x * u, x=Number(), loss=lambda prediction: prediction * 1.0, h0=0.5)
    unrolled, loss = program.eager([-0.0])
    loss.backward()
    (h0,) = unrolled.state(0)
    assert bits(program.forward_backward([[-0.0]]).state_gradients[0, 0]) == bits(h0.grad) == bits(0.0)


def simple(**given: Any) -> Recurrence:
    w = Value(0.5, label="w")
    return Recurrence(**{**arguments(cell=lambda x, h: h * w + x, x=Number(), loss=lambda p: p * 1.0, h0=0.5), **given})


WITH_TARGETS = arguments(target=Number(), loss=mse_loss)
A = Value(0.5, label="a")
WRONG: dict[str, tuple[Any, type[Exception]]] = {
    "lanes -1": (lambda: simple(lanes=-1), ArgumentError),
    "lanes 2.5": (lambda: simple(lanes=2.5), ArgumentError),
    "window 2.0": (lambda: simple().forward_backward([[1.0]], window=2.0), ArgumentError),
    "window True": (lambda: simple().forward_backward([[1.0]], window=True), ArgumentError),
    "gradient": (lambda: simple().forward_backward([[1.0]], gradient="a"), OperandError),
    "onto": (
        lambda: simple().forward_backward(
            [[1.0]],
            onto=Recurrence(RNNCell(1, 2), Vector(1), mse_loss, Vector(2)).forward_backward([[[1.0]]], [[[1.0, 1.0]]]),
        ),
        ArgumentError,
    ),
    "mask": (lambda: simple(loss_at="mask").forward([[1.0]], mask=3), ArgumentError),
    "no symbols": (lambda: Symbols(0), ArgumentError),
    "an empty vector": (lambda: Vector(0), ArgumentError),
    "half a symbol": (lambda: Symbols(2.5), ArgumentError),  # type: ignore[arg-type]
    "a float": (lambda: compile(3.0), OperandError),  # type: ignore[arg-type]
    "a list": (lambda: compile([A, A]), OperandError),  # type: ignore[arg-type]
    "a string for a leaf": (lambda: compile(A * A).forward({A: "x"}), OperandError),
    "a leaf by name": (lambda: compile(A * A).forward({"a": 1.0}), ArgumentError),
    "too large": (lambda: compile(A * A).forward({A: 10**400}), OperandError),
    "the gradient of a graph": (lambda: compile(A * A).forward_backward([1.0], gradient="a"), OperandError),
    "loss is a float": (lambda: simple(loss=lambda p: 1.0), OperandError),
    "loss is None": (lambda: simple(loss=lambda p: None), OperandError),
    "empty and read-only": (lambda: simple().forward(numpy.broadcast_to(numpy.zeros((1, 1)), (1, 0))), ShapeError),
    "dates": (lambda: simple().forward(numpy.array([["2020-01-01"]], dtype="M8[D]")), OperandError),
    "a set": (lambda: simple().forward([{1.0, 2.0}]), ShapeError),
    "a dict": (lambda: simple().forward({1.0: 2.0}), ShapeError),
    "too few targets": (lambda: simple(**WITH_TARGETS).eager([1.0, 2.0], [1.0]), ShapeError),
    "no targets": (lambda: simple(**WITH_TARGETS).eager([1.0, 2.0]), ArgumentError),
    "the usual h0 is NaN": (lambda: simple(h0=math.nan), DataError),
    "the usual h0 is infinite": (
        lambda: Recurrence(LSTMCell(1, 2), Vector(1), None, h0=([0.0, 0.0], [0.0, -math.inf])),
        DataError,
    ),
    "h0 is NaN": (lambda: simple().forward([[1.0]], h0=[[math.nan]]), DataError),
    "kinds of steps": (
        lambda: simple(cell=lambda x, h: [*h[1:], x * 1.0], loss=lambda h: h[0] * 1.0, h0=[0.0] * 300),
        CompileError,
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_wrongare_errors_of_ours(what):
    act, error = WRONG[what]
    with pytest.raises(error):
        act()


@pytest.mark.slow
def test_plans_do_not_pile_up():
    program = simple()
    for T in range(20_000, 20_020):
        program.forward_backward(numpy.ones((1, T)))
    assert sum(map(len, program._plans.values())) < 2_000_000


# ---- gradients meet in the eager order -----------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_cross_entropy_of_the_state_itself(seed):
    rng = random.Random(seed)
    program = Recurrence(RNNCell(1, 3, seed=seed), Vector(1), cross_entropy, Symbols(3))
    agree(program, draw_numbers(rng, Vector(1), 1, 4), draw_numbers(rng, Symbols(3), 1, 4))


def test_a_state_of_which_a_part_is_chosen_by_the_input():
    u = [Value(0.3 * i - 0.4, label=f"u[{i}]") for i in range(3)]

    def cell(x, h):
        options = [(w * h[0] + h[1]).tanh() for w in u]
        chosen = choose(options, x.hot)
        return [chosen, choose([chosen * h[0], options[0] * options[1], h[1]], x.hot)]

    program = Recurrence(cell, Symbols(3), lambda h: h[0] * h[1] + h[0], h0=[0.1, -0.7], lanes=2)
    rng = random.Random(0)
    for B, T in ((1, 1), (1, 9), (5, 6)):
        agree(program, draw_numbers(rng, Symbols(3), B, T), None)


def test_a_result_whose_gradients_would_meet_in_another_order_is_refused():
    w, table = Value(0.5, label="w"), [Value(1.0, label="E0"), Value(2.0, label="E1")]

    def may_be_twice(x, h, c):
        a, b = w * h, w * c
        return a, choose([a, b], x.hot)

    for wrong, words in (
        ({"cell": lambda x, h, c: (w, h * c), "h0": (0.5, 0.5)}, "part of the new state is a parameter .* w"),
        ({"cell": lambda x, h: h * x, "loss": lambda h: w}, "loss is a parameter .* w"),
        ({"cell": lambda x, h: choose(table, x.hot), "x": Symbols(2)}, "part of the new state is a parameter"),
        ({"cell": lambda x, h: choose([w, h * 2.0], x.hot), "x": Symbols(2)}, "part of the new state is a parameter"),
        (
            {"cell": may_be_twice, "x": Symbols(2), "h0": (0.5, 0.5)},
            "two entries of the new state are, or may be, the same node",
        ),
        (
            {"cell": lambda x, h: h * w, "loss": lambda h, y: choose([h, w * 2.0], y), "target": Symbols(2)},
            "loss is a part of the state",
        ),
    ):
        with pytest.raises(CompileError, match=words):
            simple(**wrong)


# ---- copies and pickles --------------------------------------------------------------------------------------


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_program_is_not_copied(copied):
    for program in (simple(), compile(Value(0.5) * 2.0)):
        with pytest.raises(CompileError, match="compile that"):
            copied(program)


def test_a_step_may_be_a_method_of_what_holds_programs():
    class Trainer:
        def __init__(self) -> None:
            self.w = Value(0.5, label="w")
            self.program = Recurrence(self.step, Number(), lambda h: h * h, h0=0.5)
            self.other = Recurrence(self.step, Number(), lambda h: h * 2.0, h0=0.5)

        def step(self, x: Any, h: Any) -> Any:
            return self.w * h + x

    trainer = Trainer()
    assert trainer.program.parameters == trainer.other.parameters == [trainer.w]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda run: pickle.loads(pickle.dumps(run))])
def test_the_results_of_a_run_can_be_sent(copied):
    program = recurrence("lstm", "every", 4)
    rng = random.Random(0)
    run = program.forward_backward(*(draw_numbers(rng, Symbols(5), 3, 4) for _ in range(2)), window=3)
    other = copied(run)
    assert list(other.losses) == list(run.losses)
    for name in ("gradients", "state", "state_gradients"):
        assert getattr(other, name).tolist() == getattr(run, name).tolist()
    other.gradients[0] = 100.0
    assert run.gradients[0] != 100.0


# ---- the initial state ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "h0", "error", "words"),
    [
        (RNNCell(1, 2), 5, ShapeError, "h is a single number, but W is 2 × 2"),
        (RNNCell(1, 2), [], ShapeError, "h is 0 numbers"),
        (RNNCell(1, 2), [1.0, 2.0, 3.0], ShapeError, "h is 3 numbers"),
        (RNNCell(1, 2), [[1.0, 2.0]], OperandError, "not a number"),
        (RNNCell(1, 2), "ab", OperandError, "not a number"),
        (RNNCell(1, 2), {0: 1.0, 1: 2.0}, OperandError, "not a number"),
        (RNNCell(1, 2), {1.0, 2.0}, OperandError, "not a number"),
        (RNNCell(1, 2), object(), OperandError, "not a number"),
        (LSTMCell(1, 2), 5, ShapeError, "h, c"),
        (LSTMCell(1, 2), ([0.0, 0.0], 5), ShapeError, "c is a single number"),
        (LSTM(1, 2, num_layers=2), 5, ShapeError, "a state of 1 part"),
        (ScalarRNNCell(), [1.0, 2.0], ShapeError, "h0 is 2 numbers|h is 2 numbers"),
        (GatedByItself(2), 5, ShapeError, "a state of 1 part"),
    ],
)  # fmt: skip
def test_an_initial_state_that_does_not_fit_is_an_error_of_ours(cell, h0, error, words):
    with pytest.raises(error, match=words):
        Recurrence(cell, Vector(1) if not isinstance(cell, ScalarRNNCell) else Number(), None, h0=h0)
