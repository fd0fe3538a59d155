"""Stepping through a backward pass, and through the forward pass."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn import ScalarRNNCell, Value, mse_loss, unroll
from tinygrad_rnn.debugger.rewind import Rewindable
from tinygrad_rnn.engine.passes import steps
from tinygrad_rnn.errors import DomainError, GraphError

from ..stepped_graphs import build, programs


def scalar_problem(steps: int = 3) -> tuple[Value, dict[str, Value]]:
    cell = ScalarRNNCell(w=0.9, u=0.5, b=0.1)
    unrolled = unroll(cell, [1.0, 0.5, -1.0, 0.25][:steps])
    loss = mse_loss(unrolled.h[steps], 0.3)
    loss.label = "L"
    return loss, {"w": cell.w, "u": cell.u, "b": cell.b, **{f"h_{t}": h for t, h in unrolled.h.items()}}


# ---- the same numbers, whatever happens in between -----------------------------------------------------------


@given(programs(), st.integers(1, 3))
def test_draining_the_steps_is_backward_to_the_last_bit(program, passes):
    stepped, at_once = build(program), build(program)
    for _ in range(passes):
        for _ in stepped.root.backward_steps():
            pass
        at_once.root.backward()
        assert stepped.gradients == at_once.gradients


@given(programs(), st.booleans(), st.data())
def test_stopping_undoing_resuming_and_resetting_anywhere_changes_nothing(program, accumulated, data):
    graph, expected = build(program), build(program)
    if accumulated:
        for each in (graph, expected):
            each.root.backward(0.7)
    expected.root.backward()

    steps = Rewindable(graph.root)
    states = [graph.gradients, *(graph.gradients for _ in steps)]
    length = len(states) - 1
    assert graph.gradients == expected.gradients
    for _ in range(data.draw(st.integers(1, 8))):
        position = data.draw(st.integers(0, length))
        if data.draw(st.booleans()) and position < steps.taken:
            steps.reset()
        while steps.taken > position:
            steps.back()
            assert graph.gradients == states[steps.taken]
        while steps.taken < position:
            next(steps)
            assert graph.gradients == states[steps.taken]
        assert len(steps.history) == position
    steps.finish()
    assert steps.finished
    assert graph.gradients == expected.gradients


@given(programs())
def test_a_pass_dropped_at_any_position_leaves_no_trace_in_the_next(program):
    expected = build(program)
    expected.root.backward()
    length = len(list(build(program).root.backward_steps()))
    for position in range(length + 1):
        graph = build(program)
        steps = graph.root.backward_steps()
        for _ in range(position):
            next(steps)
        steps.reset()
        del steps
        graph.root.backward()
        assert graph.gradients == expected.gradients


@given(programs())
def test_every_step_says_what_it_did(program):
    graph = build(program)
    order = []
    for step in graph.root.backward_steps():
        assert step.parent is step.node.parents[step.position]
        assert step.gradient == step.node.grad
        assert step.gradient_after == step.parent.grad
        if step.op != "closure":
            assert step.contribution == step.local_gradient * step.gradient
            assert step.gradient_after == step.gradient_before + step.contribution
        order.append(step.node)
    assert order == sorted(order, key=lambda node: -graph.nodes.index(node))


def test_half_way_the_walked_nodes_are_final_and_the_others_hold_what_has_reached_them():
    loss, named = scalar_problem()
    steps = loss.backward_steps()
    while not (steps.last and steps.last.parent is named["h_2"]):
        next(steps)
    assert steps.order[0] is loss
    half_way = named["h_3"].grad, named["h_2"].grad
    assert named["h_1"].grad == 0.0
    assert named["w"].grad == named["h_2"].data * steps.last.gradient
    steps.finish()
    assert (named["h_3"].grad, named["h_2"].grad) == half_way
    assert named["h_1"].grad != 0.0


def test_reset_gives_leaves_what_they_had_before():
    loss, named = scalar_problem()
    loss.backward()
    before = named["w"].grad
    steps = loss.backward_steps()
    for _ in range(12):
        next(steps)
    assert named["w"].grad != before
    steps.reset()
    assert named["w"].grad == before
    assert steps.taken == 0
    assert steps.last is None
    steps.finish()
    assert named["w"].grad == pytest.approx(2 * before)


def test_a_leaf_without_gradient_has_none_counted_after_a_reset():
    x = Value(3.0)
    steps = (x * x).backward_steps()
    next(steps)
    steps.reset()
    assert x.grad == 0.0
    steps.finish()
    assert x.grad == 6.0


# ---- what must not go unnoticed ----------------------------------------------------------------------------------


def test_another_pass_over_the_same_nodes_ends_this_one():
    loss, named = scalar_problem()
    steps = Rewindable(loss)
    for _ in range(4):
        next(steps)
    named["h_2"].backward()
    assert "interrupted" in repr(steps)
    for act in (steps.finish, steps.__next__):
        with pytest.raises(GraphError, match=r"another backward pass.* backward_steps\(\)"):
            act()
    assert not steps.finished
    steps.reset()
    steps.finish()
    expected = [node.grad for node in named.values()]
    named["w"].zero_grad()
    loss.backward()
    assert named["w"].grad == expected[list(named).index("w")]


def test_a_pass_says_how_far_it_is():
    loss, _ = scalar_problem()
    passes = loss.backward_steps()
    assert repr(passes) == "BackwardSteps(L, 0 taken, under way)"
    next(passes)
    assert repr(passes) == "BackwardSteps(L, 1 taken, under way)"
    loss.backward()
    assert repr(passes) == "BackwardSteps(L, 1 taken, interrupted)"
    passes.reset()
    passes.run()
    assert passes.finished
    assert repr(passes) == "BackwardSteps(L, 0 taken, finished)"


def test_a_gradient_that_is_set_as_part_of_a_pass_does_not_end_it():
    w = Value(2.0)
    a = w * 3.0
    root = a * 5.0
    passes = root.backward_steps()
    next(passes)
    passes.set_gradient(a, 0.5)
    passes.finish()
    assert (a.grad, w.grad) == (0.5, 1.5)


def test_a_pass_that_shares_only_leaves_does_not_disturb():
    w = Value(2.0, label="w")
    one, other = w * w, w.tanh()
    steps = one.backward_steps()
    next(steps)
    other.backward()
    steps.finish()
    assert w.grad == 4.0 + (1.0 - other.data**2)


def test_undo_refuses_to_overwrite_a_gradient_that_was_changed_by_hand():
    loss, named = scalar_problem()
    steps = Rewindable(loss)
    next(steps)
    steps.last.parent.grad = 5.0
    with pytest.raises(GraphError, match="changed from outside"):
        steps.back()
    steps.reset()
    steps.finish()
    other, expected = scalar_problem()
    other.backward()
    assert named["w"].grad == expected["w"].grad


def test_redo_refuses_to_overwrite_a_gradient_that_was_changed_by_hand():
    loss, _ = scalar_problem()
    steps = Rewindable(loss)
    next(steps)
    parent = steps.back().parent
    parent.grad = 5.0
    with pytest.raises(GraphError, match="changed from outside"):
        next(steps)


def test_at_the_start_there_is_nothing_to_undo():
    loss, _ = scalar_problem()
    with pytest.raises(GraphError, match="no step to undo"):
        Rewindable(loss).back()


def test_a_pass_that_failed_does_not_end_as_if_it_were_complete():
    x = Value(0.0, label="x")
    loss = x.sqrt() * 2.0
    steps = Rewindable(loss)
    next(steps)
    next(steps)
    for _ in range(2):
        with pytest.raises(DomainError, match="sqrt"):
            next(steps)
    assert not steps.finished
    steps.back()
    next(steps)
    with pytest.raises(DomainError, match="sqrt"):
        steps.finish()


def test_a_pass_broken_off_by_the_keyboard_can_be_reset():
    x = Value(2.0, label="x")
    y = x * x
    handle = x.register_hook(lambda gradient: (_ for _ in ()).throw(KeyboardInterrupt))
    steps = y.backward_steps()
    with pytest.raises(KeyboardInterrupt):
        steps.finish()
    with pytest.raises(GraphError, match=r"interrupted.*reset\(\)"):
        next(steps)
    handle.remove()
    steps.reset()
    steps.finish()
    assert x.grad == 4.0


# ---- memory ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_stepping_through_a_million_nodes_needs_no_more_memory_from_step_to_step():
    x = Value(1e-3)
    node = x
    for _ in range(500_000):
        node = node * 0.999999 + x
    steps = node.backward_steps()
    tracemalloc.start()
    try:
        for _ in range(1000):
            next(steps)
        after_a_thousand, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(200_000):
            next(steps)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Each of the 200,000 steps leaves one gradient, a float of 24 bytes, in its node, as backward() does.
    assert peak - after_a_thousand < 200_000 * 24 + 20_000
    steps.finish()
    assert steps.taken == 2_000_000


def test_a_pass_dropped_half_way_is_freed_at_once():
    import weakref

    loss, _ = scalar_problem()
    steps = loss.backward_steps()
    next(steps)
    gone = weakref.ref(steps)
    del steps
    assert gone() is None


# ---- text ----------------------------------------------------------------------------------------------------------


def texts(node: Value) -> list[str]:
    return [step.formula for step in node.backward_steps()]


def test_the_formula_of_a_step_is_written_with_names_and_with_numbers():
    h = Value(0.5, label="z_3").tanh()
    h.label = "h_3"
    (step,) = h.backward_steps()
    assert step.formula == "∂h_3/∂z_3 = 1 − h_3² = 0.7864"
    assert step.formula_in_numbers == "∂h_3/∂z_3 = 1 − 0.4621² = 0.7864"
    assert step.flow == "z_3.grad = 0 + 0.7864·1 = 0.7864"
    assert str(step) == f"{step.formula};  {step.flow}"
    assert step.op == "tanh"
    assert step.time_step is None


def test_steps_of_an_unrolled_cell_know_their_time_step():
    loss, _ = scalar_problem()
    steps = {step.formula: step for step in loss.backward_steps()}
    tanh = steps["∂h_2/∂z_2 = 1 − h_2² = 0.5345"]
    assert tanh.time_step == 2
    assert str(tanh).startswith("t=2  ")
    assert steps["∂(w·h_1)/∂h_1 = w = 0.9"].time_step == 2
    assert next(iter(steps.values())).time_step is None


def test_formulas_are_parenthesised_where_they_must_be_and_only_there():
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    assert texts(a + b) == ["∂(a + b)/∂a = 1", "∂(a + b)/∂b = 1"]
    assert texts((a + b) * a)[0] == "∂((a + b)·a)/∂(a + b) = a = 2"
    assert texts((a * b) * a)[0] == "∂(a·b·a)/∂(a·b) = a = 2"
    assert texts(a - (a - b))[1] == "∂(a − (a − b))/∂(a − b) = −1"
    assert texts((a + b).tanh())[0] == "∂tanh(a + b)/∂(a + b) = 1 − tanh(a + b)² = 0.42"
    assert texts((a * b).cos())[0] == "∂cos(a·b)/∂(a·b) = −sin(a·b) = −0.2794"
    assert texts((a + b) ** 2)[0] == "∂((a + b)^2)/∂(a + b) = 2·(a + b) = −2"
    assert texts((a * a) ** 3)[0] == "∂((a·a)^3)/∂(a·a) = 3·(a·a)^2 = 48"
    assert texts(abs(b))[0] == "∂|b|/∂b = sign(b) = −1"
    assert texts((a / b) / a)[1] == "∂(a / b / a)/∂a = −(a / b / a) / a = 0.1667"
    (numbers, *_) = [step.formula_in_numbers for step in (a * b).backward_steps()]
    assert numbers == "∂(a·b)/∂a = −3"
    assert [step.formula_in_numbers for step in (b**2.0).backward_steps()] == ["∂(b^2)/∂b = 2·(−3) = −6"]


def test_labels_that_are_no_names_are_parenthesised():
    z = Value(1.0, label="x + y")
    assert texts(z * z)[0] == "∂((x + y)·(x + y))/∂(x + y) = x + y = 1"


def test_long_formulas_are_cut_short():
    node = Value(1.0, label="x")
    for i in range(1000):
        node = node * Value(1.0, label=f"w_{i}")
    assert texts(node)[0] == "∂(…·w_998·w_999)/∂(…·w_997·w_998) = w_999 = 1"


def test_ops_without_a_formula_show_their_number():
    x = Value(2.0, label="x")
    custom = Value.custom(5.0, [x], [0.25], op="lookup")
    assert texts(custom) == ["∂lookup(…)/∂x = 0.25"]
    out = Value(6.0, (x,), "triple")
    out._backward = lambda: setattr(x, "grad", x.grad + 3 * out.grad)
    assert texts(out) == ["∂triple(…)/∂x = 3"]


# ---- forward -------------------------------------------------------------------------------------------------------


def test_forward_steps_replay_how_the_numbers_arose():
    loss, named = scalar_problem(2)
    film = loss.forward_steps()
    assert len(film) == len(set(film)) == 19
    shown = [str(step) for step in film]
    assert shown[:3] == ["w = 0.9", "u = 0.5", "b = 0.1"]
    assert "t=1  z_1 = w·h_0 + u·x_1 + b = 0.6" in shown
    assert "t=2  h_2 = tanh(z_2) = 0.6823" in shown
    assert shown[-1] == "L = (h_2 − 0.3)^2 = 0.1461"
    tanh = next(step for step in film if step.node is named["h_2"])
    assert tanh.formula_in_numbers == "h_2 = tanh(0.8333) = 0.6823"
    assert tanh.node is named["h_2"]


def test_the_forward_steps_say_where_they_lead_and_how_many_they_are():
    x = Value(2.0, label="x")
    film = (x * x).forward_steps()
    assert repr(film) == "ForwardSteps(x·x, 2 nodes)"
    assert film.root.parents == (x, x)


def test_a_lesson_can_go_forward_and_back():
    loss, _ = scalar_problem()
    film = loss.forward_steps()
    there = list(film)
    assert list(reversed(film)) == there[::-1]
    assert film[-1].node is loss
    assert film[2:5] == there[2:5]
    assert [step.node for step in reversed(film)] == loss.backward_steps().order


def test_the_steps_of_a_restricted_pass_end_where_they_are_told():
    loss, named = scalar_problem()
    all_steps = list(loss.backward_steps())
    assert [(s.node, s.position) for s in steps(loss)] == [(s.node, s.position) for s in all_steps]
    for leaf in loss.backward_steps().order:
        leaf.zero_grad()
    some = list(steps(loss, stop=[named["h_2"]]))
    assert some[-1].parent is named["h_2"]
    assert some == all_steps[: len(some)]
