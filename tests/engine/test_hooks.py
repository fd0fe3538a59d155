"""Hooks and breakpoints on the way of a gradient."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn import Value
from tinygrad_rnn.debugger.rewind import Rewindable
from tinygrad_rnn.engine import hooks
from tinygrad_rnn.errors import GraphError, OperandError

from ..stepped_graphs import build, programs


class Diamond(NamedTuple):
    w: Value
    x: Value
    a: Value
    b: Value


def diamond() -> Diamond:
    """a = w·x, b = a·a."""
    w, x = Value(3.0, label="w"), Value(2.0, label="x")
    a = w * x
    return Diamond(w, x, a, a * a)


def test_a_hook_sees_the_complete_gradient_once_before_it_flows_on():
    w, _, a, b = diamond()
    seen = []
    a.register_hook(lambda gradient: seen.append((gradient, w.grad)))
    b.backward()
    assert seen == [(12.0, 0.0)]
    assert w.grad == 24.0


def test_hooks_replace_the_gradient_in_order_of_registration_as_in_pytorch():
    # The numbers are what torch 2.13 gives for the same program.
    d = diamond()
    log = []
    d.a.register_hook(lambda gradient: log.append(("a", gradient)))
    d.a.register_hook(lambda gradient: gradient * 2)
    d.a.register_hook(lambda gradient: log.append(("a doubled", gradient)))
    d.w.register_hook(lambda gradient: log.append(("w", gradient)) or gradient + 1)
    d.b.register_hook(lambda gradient: gradient * 10)
    for _ in range(2):
        d.b.backward()
    assert log == [("a", 120.0), ("a doubled", 240.0), ("w", 480.0)] * 2
    assert (d.w.grad, d.x.grad, d.a.grad, d.b.grad) == (962.0, 1440.0, 240.0, 10.0)


def test_the_hook_of_a_leaf_gets_the_gradient_of_the_pass_alone():
    w = Value(2.0)
    w.grad = 100.0
    seen = []
    w.register_hook(seen.append)
    (w * w).backward()
    assert seen == [4.0]
    assert w.grad == 104.0


def test_a_hook_on_the_root_and_on_a_root_that_is_a_leaf():
    x = Value(2.0)
    y = x * 3.0
    y.register_hook(lambda gradient: gradient / 2)
    y.backward(4.0)
    assert x.grad == 6.0
    x.register_hook(lambda gradient: -gradient)
    x.backward(5.0)
    assert x.grad == 6.0 - 5.0


def test_a_handle_takes_its_hook_back_and_no_other():
    d = diamond()
    calls = []
    first = d.a.register_hook(lambda gradient: calls.append("first"))
    d.a.register_hook(lambda gradient: calls.append("second"))
    first.remove()
    first.remove()
    with d.a.register_hook(lambda gradient: calls.append("third")):
        d.b.backward()
    d.b.backward()
    assert calls == ["second", "third", "second"]


def test_a_handle_holds_for_a_with_block():
    x, seen = Value(2.0), []
    with x.register_hook(seen.append) as handle:
        (x * 3).backward()
        assert type(handle) is hooks.Handle
    (x * 5).backward()
    assert seen == [3.0]


def test_a_hook_may_take_itself_back():
    d = diamond()
    calls = []

    def once(gradient: float) -> None:
        calls.append(gradient)
        handle.remove()

    handle = d.a.register_hook(once)
    d.b.backward()
    d.b.backward()
    assert calls == [12.0]


def test_what_is_no_number_is_refused_by_name():
    d = diamond()
    d.a.label = "a"
    d.a.register_hook(lambda gradient: "12")
    with pytest.raises(OperandError, match=r"a hook returned .* '12' is a str.*node a"):
        d.b.backward()


@pytest.mark.parametrize("error", [ValueError("mine"), ZeroDivisionError("mine"), KeyError("mine")])
def test_an_error_in_a_hook_arrives_as_it_is(error):
    d = diamond()

    def fail(gradient: float) -> None:
        raise error

    d.w.grad = 5.0
    d.w.register_hook(lambda gradient: 0.0)
    d.w.register_hook(fail)
    with pytest.raises(type(error), match="mine"):
        d.b.backward()
    assert d.w.grad == 29.0


def test_a_hook_that_reads_another_graph_may_run_backward_in_it():
    d = diamond()
    v = Value(1.0)
    d.a.register_hook(lambda gradient: (v * v).backward())
    d.b.backward()
    assert (v.grad, d.w.grad) == (2.0, 24.0)


def test_a_hook_that_runs_backward_over_the_same_nodes_is_told_so():
    d = diamond()
    called = []

    def again(gradient: float) -> None:
        if not called:
            called.append(True)
            d.b.backward()

    d.b.register_hook(again)
    with pytest.raises(GraphError, match="another backward pass"):
        d.b.backward()


def test_a_hook_replaces_a_gradient_by_returning_another_not_by_assigning_it():
    d = diamond()
    d.b.backward()
    expected = [node.grad for node in d]
    for node in d:
        node.zero_grad()
    for node in (d.a, d.b):
        node.register_hook(lambda gradient, node=node: setattr(node, "grad", 99.0))
    d.b.backward()
    assert [node.grad for node in d] == expected
    d.w.register_hook(lambda gradient: setattr(d.w, "grad", 99.0))
    with pytest.raises(GraphError, match=r"assignment, has overwritten .*node w"):
        d.b.backward()


def test_what_another_pass_adds_to_a_leaf_with_hooks_is_not_lost_but_an_error():
    def another(gradient: float) -> None:
        if not ran:
            ran.append(True)
            (w * 7.0).backward()

    for replaces in (False, True):
        for hooked in ("the leaf itself", "an inner node"):
            ran: list[bool] = []
            w = Value(2.0, label="w")
            z = w * 3.0
            w.register_hook(lambda gradient, factor=10.0 if replaces else 1.0: gradient * factor)
            (w if hooked == "the leaf itself" else z).register_hook(another)
            with pytest.raises(GraphError, match="another backward pass"):
                z.backward()
    w = Value(2.0)
    z, ran = w * 3.0, []
    z.register_hook(another)
    z.backward()
    assert w.grad == 10.0  # a leaf without hooks adds up


def test_another_pass_between_two_steps_over_a_leaf_with_hooks_is_an_error():
    w = Value(2.0)
    w.register_hook(lambda gradient: 2.0 * gradient)
    steps = (w * w * w).backward_steps()
    next(steps)
    (w * 7.0).backward()
    with pytest.raises(GraphError, match="another backward pass"):
        steps.finish()
    steps.reset()
    steps.finish()
    assert w.grad == 24.0


def test_of_two_leaves_that_are_watched_each_is_called_with_the_gradient_of_the_pass_alone():
    x, y = Value(2.0), Value(3.0)
    x.grad, seen = 10.0, []
    for leaf in (x, y):
        leaf.register_hook(seen.append)
    (x * y + x).backward()
    assert sorted(seen) == [2.0, 4.0]
    assert (x.grad, y.grad) == (14.0, 2.0)


@given(programs(), st.lists(st.integers(0, 100), max_size=4))
def test_hooks_that_return_nothing_change_nothing_to_the_last_bit(program, hooked):
    plain, watched = build(program), build(program)
    for i in hooked:
        watched.nodes[i % len(watched.nodes)].register_hook(lambda gradient: None)
    for _ in range(2):
        plain.root.backward()
        watched.root.backward()
    assert watched.gradients == plain.gradients


@given(programs(), st.lists(st.tuples(st.integers(0, 100), st.floats(-2, 2)), min_size=1, max_size=4), st.data())
def test_stepping_and_undoing_with_hooks_gives_what_backward_gives(program, hooked, data):
    def hooked_graph():
        graph = build(program)
        graph.root.backward(0.5)
        for i, factor in hooked:
            graph.nodes[i % len(graph.nodes)].register_hook(lambda gradient, factor=factor: gradient * factor)
        return graph

    expected, stepped = hooked_graph(), hooked_graph()
    expected.root.backward()
    steps = Rewindable(stepped.root)
    states = [stepped.gradients]
    while not steps.finished:
        next(steps, None)
        states.append(stepped.gradients)
    assert stepped.gradients == expected.gradients
    for _ in range(4):
        position = data.draw(st.integers(0, steps.taken))
        while steps.taken > position:
            steps.back()
        if position == 0:
            assert [state for state, node in zip(stepped.gradients, stepped.nodes) if not node.parents] == [
                state for state, node in zip(states[0], stepped.nodes) if not node.parents
            ]
        steps.finish()
        assert stepped.gradients == expected.gradients


def test_hooks_stay_behind_when_a_graph_is_copied_or_pickled():
    d = diamond()
    calls = []
    d.a.register_hook(calls.append)
    for twin in (copy.deepcopy(d.b), pickle.loads(pickle.dumps(build(([1.0], [("tanh", 0, 0)])).root))):
        twin.backward()
    assert calls == []


def test_a_hook_on_a_copy_is_not_one_on_the_original():
    d = diamond()
    calls = []
    d.b.register_hook(lambda gradient: calls.append("original"))
    twin = copy.deepcopy(d.b)
    twin.register_hook(lambda gradient: calls.append("copy"))
    d.b.backward()
    twin.backward()
    assert calls == ["original", "copy"]


def test_hooks_do_not_keep_a_graph_alive():
    gc.collect()
    before = len(hooks.watched)
    d = diamond()
    d.a.register_hook(lambda gradient: None)
    d.w.breakpoint()
    assert len(hooks.watched) == before + 2
    del d
    assert len(hooks.watched) == before


def test_once_all_hooks_are_removed_no_pass_looks_for_them():
    d = diamond()
    handle = d.a.register_hook(lambda gradient: None)
    stop = d.x.breakpoint()
    handle.remove()
    stop.remove()
    d.b.backward()
    assert not {d.a.serial, d.x.serial} & {-number for number in hooks.watched.values()}


def test_hooks_on_another_graph_leave_a_pass_alone():
    other = diamond()
    other.w.register_hook(lambda gradient: pytest.fail("called"))
    d = diamond()
    d.b.backward()
    assert d.w.grad == 24.0


# ---- breakpoints ---------------------------------------------------------------------------------------------------


@pytest.fixture
def stops(monkeypatch):
    """What a debugger would see at each stop: function name and local variables."""
    seen = []

    def hook(*args: object, **kwargs: object) -> None:
        frame = sys._getframe(1)
        names = ("node", "parent", "local_gradient", "contribution")
        seen.append((frame.f_code.co_name, *(frame.f_locals[name] for name in names)))

    monkeypatch.setattr(sys, "breakpointhook", hook)
    return seen


def test_a_breakpoint_stops_in_the_walk_at_every_edge_of_the_node(stops):
    d = diamond()
    d.a.breakpoint()
    d.b.backward()
    assert stops == [("walk", d.a, d.w, 2.0, 24.0), ("walk", d.a, d.x, 3.0, 36.0)]


def test_a_breakpoint_on_a_leaf_stops_at_every_contribution(stops):
    d = diamond()
    d.w.breakpoint()
    (d.b + d.w).backward()
    assert [(name, node.op, parent) for name, node, parent, *_ in stops] == [("walk", "add", d.w), ("walk", "mul", d.w)]


def test_a_breakpoint_stops_at_nodes_with_one_and_with_many_operands_and_with_closures(stops):
    x = Value(2.0)
    wide = Value.custom(1.0, (x, x, x), (1.0, 2.0, 3.0))
    hand_made = Value(2.0, (wide,), "mine")
    hand_made._backward = lambda: setattr(wide, "grad", wide.grad + 5 * hand_made.grad)
    root = hand_made.tanh()
    for node in (wide, hand_made, root):
        node.breakpoint()
    root.backward()
    assert [(name, node.op) for name, node, *_ in stops] == [
        ("walk", "tanh"),
        ("walk", "mine"),  # a closure adds by itself: of it only the node is shown
        *[("walk", "custom")] * 3,
    ]


def test_a_breakpoint_elsewhere_does_not_stop_at_nodes_with_many_operands_and_with_closures(stops):
    x, y = Value(2.0), Value(3.0)
    wide = Value.custom(1.0, (x, x, x), (1.0, 2.0, 3.0))
    hand_made = Value(2.0, (wide,), "mine")
    hand_made._backward = lambda: setattr(wide, "grad", wide.grad + 5 * hand_made.grad)
    y.breakpoint()
    (hand_made * y).backward()
    assert [(name, node.op, parent) for name, node, parent, *_ in stops] == [("walk", "mul", y)]


def test_a_removed_breakpoint_stops_nothing(stops):
    d = diamond()
    with d.a.breakpoint():
        pass
    d.b.backward()
    assert stops == []


def test_stepping_stops_at_breakpoints_too(stops):
    d = diamond()
    d.a.breakpoint()
    list(d.b.backward_steps())
    assert len(stops) == 2
