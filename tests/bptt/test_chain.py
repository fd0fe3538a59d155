"""The chain of Jacobians against backward(): they agree, and a wrong gradient is caught."""

import math
import tracemalloc

import mpmath
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tinygrad_rnn import (
    GRUCell,
    Linear,
    LSTMCell,
    RNNCell,
    ScalarRNNCell,
    Value,
    cross_entropy,
    mse_loss,
    total,
    unroll,
)
from tinygrad_rnn.bptt.chain import chain, derivatives
from tinygrad_rnn.bptt.jacobian import jacobian_products
from tinygrad_rnn.errors import GraphError

weights = st.floats(-2.0, 2.0)
inputs = st.lists(st.floats(-2.0, 2.0), min_size=1, max_size=12)


@given(weights, weights, weights, inputs)
def test_scalar_product_is_w_times_slope(w, u, b, xs):
    unrolled = unroll(ScalarRNNCell(w, u, b), xs)
    loss = mse_loss(unrolled.h[len(xs)], 0.5)
    loss.backward()
    factor = 1.0
    for link in chain(unrolled, loss):
        assert link.agrees
        assert link.jacobian[0][0] == pytest.approx(factor, rel=1e-12, abs=1e-300)
        assert link.product[0] == pytest.approx(unrolled.h[len(xs)].grad * factor, rel=1e-12, abs=1e-300)
        if link.k:
            factor *= w / math.cosh(unrolled.z[link.k].data) ** 2


@settings(max_examples=30, deadline=None)
@example(1, 22, [0.0, 0.0, 0.0, 1.0], "tanh")  # what the losses give to a state nearly cancels
@given(st.integers(1, 4), st.integers(0, 100), inputs, st.sampled_from(["tanh", "relu", "identity"]))
def test_vector_cells_with_a_loss_at_every_step_agree(hidden, seed, xs, nonlinearity):
    readout = Linear(hidden, 3, seed=seed + 1)
    cell = RNNCell(1, hidden, nonlinearity=nonlinearity, seed=seed)
    unrolled = unroll(cell, [[x] for x in xs], readout=readout)
    loss = total([cross_entropy(unrolled.y[t], t % 3) for t in unrolled.y])
    loss.backward()
    links = list(chain(unrolled, loss))
    assert [link.k for link in links] == list(range(len(xs), -1, -1))
    assert all(link.agrees for link in links)
    assert max(link.difference for link in links) < 1e-9  # relative to a gradient in which terms may cancel


@pytest.mark.parametrize("cell", [RNNCell(2, 3, seed=4), LSTMCell(2, 2, seed=4), GRUCell(2, 2, seed=4)])
def test_forward_and_backward_products_of_jacobians_are_the_same(cell):
    unrolled = unroll(cell, [[0.3, -1.0], [0.5, 0.2], [0.1, 0.9]])
    loss = total(unrolled.state(3))
    loss.backward()
    parts = {link.k: link.jacobian for link in chain(unrolled, loss)}
    for k, product, _ in jacobian_products(unrolled):
        for row, other in zip(parts[k], product):
            assert row == pytest.approx(other, rel=1e-13, abs=1e-15)


def test_a_state_handed_on_unchanged_counts_once():
    unrolled = unroll(lambda x, h: h * 0.5 if x.data else h, [1.0, 0.0, 0.0, 1.0], h0=0.7)
    assert unrolled.h[1] is unrolled.h[2] is unrolled.h[3]
    loss = total([unrolled.h[t] ** 2 for t in range(5)])
    loss.backward()
    links = list(chain(unrolled, loss))
    assert all(link.agrees for link in links)
    assert [link.jacobian for link in links] == [[[1.0]], [[0.5]], [[0.5]], [[0.5]], [[0.25]]]


@pytest.mark.parametrize("error", [1e-3, 1e-12, -1e-14])
def test_a_wrong_gradient_is_caught_where_it_is(error):
    unrolled = unroll(ScalarRNNCell(), [0.3, -0.5, 0.1, 0.9])
    loss = mse_loss(unrolled.h[4], 0.0)
    loss.backward()
    unrolled.h[2].grad *= 1.0 + error
    agreeing = {link.k: link.agrees for link in chain(unrolled, loss)}
    assert agreeing == {4: True, 3: True, 2: False, 1: False, 0: True}


def test_gradients_in_the_graph_stay_as_they_were(small_problem):
    unrolled, loss = small_problem.unrolled, small_problem.loss
    loss.backward()
    before = [unrolled.cell.w.grad, *(unrolled.h[t].grad for t in range(4)), loss.grad]
    list(chain(unrolled, loss))
    assert [unrolled.cell.w.grad, *(unrolled.h[t].grad for t in range(4)), loss.grad] == before


def test_a_loss_before_the_end_reaches_nothing_after_it(small_problem):
    unrolled = small_problem.unrolled
    loss = mse_loss(unrolled.h[1], 0.0)
    loss.backward()
    links = {link.k: link for link in chain(unrolled, loss)}
    assert links[3].gradient == links[2].gradient == [0.0]
    assert links[0].gradient[0] != 0.0
    assert all(link.agrees for link in links.values())


def test_underflow_is_no_disagreement_and_overflow_no_agreement():
    small = unroll(ScalarRNNCell(w=1e-30), [0.1] * 12)
    loss = mse_loss(small.h[12], 0.0)
    loss.backward()
    links = list(chain(small, loss))
    assert links[-1].gradient == [0.0]
    assert all(link.agrees for link in links)

    large = unroll(ScalarRNNCell(w=1e200, u=0.0), [0.1] * 3)
    loss = mse_loss(large.h[3], 1.0)
    loss.backward()
    links = list(chain(large, loss))
    assert [link.finite for link in links] == [True, True, False, False]
    assert [link.agrees for link in links] == [True, True, False, False]


@pytest.mark.parametrize(("z", "left", "exact"), [(18.0, 8.88e-16, 9.28e-16), (20.0, 0.0, 1.70e-17)])
def test_a_gradient_without_digits_is_neither_right_nor_wrong(z, left, exact):
    unrolled = unroll(ScalarRNNCell(1.0, 1.0, 0.0), [z])
    unrolled.h[1].backward()
    last, first = chain(unrolled, unrolled.h[1])
    assert last.agrees
    assert first.gradient[0] == pytest.approx(left, rel=1e-3)
    assert first.product[0] == pytest.approx(exact, rel=1e-3)
    assert first.product[0] == pytest.approx(float(mpmath.sech(z) ** 2), rel=1e-15)
    assert first.jacobian == [first.product]
    assert (first.agrees, first.disagrees, first.digits_left) == (False, False, False)


@pytest.mark.parametrize("z", [1.0, 5.0, 8.0])
def test_a_gradient_with_digits_agrees(z):
    unrolled = unroll(ScalarRNNCell(1.0, 1.0, 0.0), [z])
    unrolled.h[1].backward()
    assert all(link.agrees for link in chain(unrolled, unrolled.h[1]))


def test_the_digits_are_gone_at_every_earlier_step_and_tanh_exact_keeps_them():
    for nonlinearity, expected in (("tanh", [True, True, False, False]), ("tanh_exact", [True] * 4)):
        unrolled = unroll(ScalarRNNCell(1.0, 1.0, 0.0, nonlinearity=nonlinearity), [0.5, 16.0, 0.5])
        unrolled.h[3].backward()
        links = list(chain(unrolled, unrolled.h[3]))
        assert [link.digits_left for link in links] == [link.agrees for link in links] == expected
        assert not any(link.disagrees for link in links)


def test_where_tanh_is_saturated_a_wrong_gradient_is_caught():
    unrolled = unroll(ScalarRNNCell(1.0, 1.0, 0.0), [20.0, 20.0])
    unrolled.h[2].backward()
    unrolled.h[0].grad = 1e-14  # it should be 0, or rather 1.7e-17 squared
    assert [link.disagrees for link in chain(unrolled, unrolled.h[2])] == [False, False, True]


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([RNNCell, LSTMCell, GRUCell]), st.integers(0, 100), st.lists(st.floats(-30.0, 30.0), max_size=5))
def test_saturation_is_never_taken_for_a_bug(kind, seed, xs):
    unrolled = unroll(kind(1, 3, seed=seed), [[x] for x in [1.0, *xs]])
    loss = total(unrolled.state(unrolled.T))
    loss.backward()
    assert not any(link.disagrees for link in chain(unrolled, loss))


def test_it_needs_a_backward_pass():
    unrolled = unroll(ScalarRNNCell(), [0.3])
    with pytest.raises(GraphError, match=r"backward\(\) first"):
        list(chain(unrolled, unrolled.h[1] ** 2))


def test_the_local_gradient_of_a_closure_is_what_it_adds():
    def step(x, h):
        out = Value(math.tanh(h.data + x.data), (h, x), "tanh_sum")

        def backward():
            h.grad += (1 - out.data**2) * out.grad
            x.grad += (1 - out.data**2) * out.grad

        out._backward = backward
        return out

    unrolled = unroll(step, [0.3], h0=0.1)
    loss = unrolled.h[1] ** 2
    loss.backward()
    links = list(chain(unrolled, loss))
    assert all(link.agrees for link in links)
    assert links[-1].product[0] == pytest.approx(2 * unrolled.h[1].data * (1 - unrolled.h[1].data ** 2))


def test_partial_sums_are_not_copied():
    """Each of the n products of a row would be in the row of every partial sum after it: n³ numbers a time step."""
    n = 40
    unrolled = unroll(RNNCell(1, n), [[0.5]])
    tracemalloc.start()
    try:
        derivatives(unrolled.state(1), unrolled.state(0))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1000 * n * n
