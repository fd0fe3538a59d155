"""`detect_anomaly` and `trace_creation`."""

from __future__ import annotations

import inspect
import threading

import pytest
from hypothesis import given

from tinygrad_rnn import RNNCell, ScalarRNNCell, Value, detect_anomaly, no_grad, trace_creation, unroll
from tinygrad_rnn.errors import AnomalyError, DomainError

from ..stepped_graphs import build, programs


def line() -> int:
    """The line of the caller."""
    return inspect.currentframe().f_back.f_lineno


def test_underflow_is_named_with_node_operands_and_line():
    with detect_anomaly():
        h, w = Value(1.0, label="h"), Value(1e-30, label="w")
        for _ in range(20):
            h, created = h * w, line()
        with pytest.raises(AnomalyError, match=r"vanished exactly \(underflow\)") as caught:
            h.backward()
    error = caught.value
    assert error.op == "mul"
    assert "w = 1e-30" in error.what
    assert error.created_at.code.co_filename == __file__
    assert error.created_at.line == created
    assert f'File "{__file__}", line {created}' in str(error)
    assert error.step.contribution == 0.0
    assert error.step.local_gradient != 0.0


@pytest.mark.parametrize("op", ["tanh", "sigmoid"])
def test_saturation_is_an_exactly_vanished_gradient(op):
    x = Value(50.0, label="z")
    with detect_anomaly(), pytest.raises(AnomalyError, match=rf"{op} is saturated.*z = 50"):
        Value.apply(op, x).backward()


def test_a_true_zero_is_no_anomaly():
    x, zero = Value(-1.0), Value(0.0)
    with detect_anomaly():
        (x.relu() + x * zero + zero * zero).backward()
    assert x.grad == 0.0


def test_vanishing_may_be_allowed():
    x = Value(50.0)
    with detect_anomaly(vanishing=False):
        x.tanh().backward()
    assert x.grad == 0.0


def test_overflow_of_a_product_of_finite_numbers():
    x = Value(1e200, label="x")
    with detect_anomaly(), pytest.raises(AnomalyError, match="the gradient of x overflowed"):
        (x * 1e200).backward(1e200)


def test_overflow_of_a_sum_of_finite_numbers():
    x = Value(1.0, label="x")
    with detect_anomaly(), pytest.raises(AnomalyError, match="the gradient of x overflowed"):
        (x * 1e308 + x * 1e308).backward()


def test_infinity_that_came_from_the_forward_pass_is_traced_to_its_source():
    with detect_anomaly():
        x = Value(1e200, label="x")
        square, created = x * x, line()
        square.label = "square"
        y = square * 0.5 * x
        with pytest.raises(AnomalyError, match="became infinite") as caught:
            y.backward()
    assert f'square was the first to be inf, created at File "{__file__}", line {created}' in str(caught.value)


def test_nan():
    x = Value(float("nan"), label="x")
    y = Value(1.0, label="y")
    with (
        detect_anomaly(),
        pytest.raises(AnomalyError, match=r"starts from y·x, which is NaN.*x was the first to be nan"),
    ):
        (y * x).backward()


def test_a_nan_that_the_gradients_do_not_show():
    y = Value(1.0, label="y")
    z = y.maximum(float("nan"))  # neither is larger: each has gradient 0
    z.backward()
    assert y.grad == 0.0
    with detect_anomaly(), pytest.raises(AnomalyError, match="starts from max") as caught:
        z.backward()
    assert (caught.value.op, caught.value.step) == ("maximum", None)


def test_nan_within_the_pass():
    x = Value(1.0, label="x")
    with detect_anomaly(), pytest.raises(AnomalyError, match="the gradient of x became NaN"):
        (x * 0.0).backward(float("inf"))


@pytest.mark.parametrize("returned", [float("nan"), float("inf")])
@pytest.mark.parametrize("leaf", [True, False])
def test_what_a_hook_returns_is_checked_where_it_returns_it(returned, leaf):
    x = Value(2.0, label="x")
    y = x * 3.0
    y.label = "y"
    hooked = x if leaf else y
    hooked.register_hook(lambda gradient: returned)
    with detect_anomaly(), pytest.raises(AnomalyError, match=f"a hook made the gradient of {hooked.label} {returned}"):
        (y * 2.0).backward()
    x.zero_grad()
    hooked.register_hook(lambda gradient: 1.0)  # what the last hook returns is what counts
    with detect_anomaly():
        (y * 2.0).backward()


def test_the_time_step_is_named():
    with detect_anomaly():
        unrolled = unroll(ScalarRNNCell(w=1e10, nonlinearity="identity"), [1.0] * 40)
        with pytest.raises(AnomalyError, match="became infinite") as caught:
            unrolled.h[40].backward()
    assert caught.value.time_step == 40


def test_without_a_trace_the_error_says_how_to_get_one():
    y = Value(50.0).tanh()
    with detect_anomaly(), pytest.raises(AnomalyError, match="build the graph inside detect_anomaly"):
        y.backward()


def test_a_derivative_without_a_value_names_the_line_too():
    with detect_anomaly():
        y, created = Value(0.0).sqrt(), line()
        with pytest.raises(DomainError, match=f"line {created}"):
            y.backward()


def test_the_gradients_are_left_as_they_were_when_it_happened():
    x = Value(50.0)
    y = x.tanh()
    loss = y * 2.0
    with detect_anomaly(), pytest.raises(AnomalyError):
        loss.backward()
    assert (loss.grad, y.grad, x.grad) == (1.0, 2.0, 0.0)


def test_stepping_is_watched_too():
    steps = (Value(50.0).tanh() * 2.0).backward_steps()
    with detect_anomaly():
        next(steps)
        next(steps)
        with pytest.raises(AnomalyError):
            next(steps)


def test_outside_the_context_nothing_is_checked():
    y = Value(50.0).tanh()
    with detect_anomaly():
        pass
    y.backward()


@given(programs())
def test_a_pass_without_anomaly_gives_the_same_gradients(program):
    watched, plain = build(program), build(program)
    with detect_anomaly(vanishing=False):
        watched.root.backward()
    plain.root.backward()
    assert watched.gradients == plain.gradients


# ---- where a node was created -------------------------------------------------------------------------------------


def test_only_traced_nodes_know_their_line():
    before = Value(1.0)
    with trace_creation():
        leaf, here = Value(2.0), line()
        node = before + leaf
    after = node * 2.0
    assert (before.created_at, after.created_at) == (None, None)
    for traced, at in ((leaf, here), (node, here + 1)):
        assert (traced.created_at.line, traced.created_at.code.co_name) == (
            at,
            "test_only_traced_nodes_know_their_line",
        )


def test_the_line_is_the_users_not_the_packages():
    with trace_creation():
        cell = RNNCell(2, 2)
        unrolled, here = unroll(cell, [[1.0, 2.0]] * 3), line()
    assert {node.node.created_at.line for node in unrolled.h[3][0].forward_steps()} == {here, here - 1}


def test_tracing_may_be_nested_with_itself_and_with_no_grad():
    with trace_creation():
        with trace_creation(), no_grad():
            node = Value(1.0) + Value(2.0)
        outer = Value(1.0)
    assert node.parents == ()
    assert node.created_at is not None
    assert outer.created_at is not None
    assert Value(1.0).created_at is None


def test_tracing_holds_for_its_thread():
    made = []
    with trace_creation():
        thread = threading.Thread(target=lambda: made.append(Value(1.0) + Value(2.0)))
        thread.start()
        thread.join()
    assert made[0].created_at is None


def test_traced_nodes_take_hooks():
    with trace_creation():
        x = Value(2.0)
        y = x * x
    y.register_hook(lambda gradient: 3.0)
    y.backward()
    assert x.grad == 12.0
    assert y.created_at is not None
