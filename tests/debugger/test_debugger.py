"""The debugger: as an object, as a script, and in a terminal."""

from __future__ import annotations

import io
import math
import os
import re
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pexpect
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_rnn
from tinygrad_rnn import RNNCell, ScalarRNNCell, Value, mse_loss, unroll
from tinygrad_rnn.debugger import Debugger, Terminal, debug, draw_flow
from tinygrad_rnn.errors import ArgumentError, DomainError, GraphError
from tinygrad_rnn.support import progress

from ..stepped_graphs import build, programs
from ..support.test_progress import last_line, make_terminal

ROOT = Path(__file__).parents[2]


def scalar(steps: int = 4, **options: bool) -> Debugger:
    unrolled = unroll(ScalarRNNCell(w=0.9, u=0.5, b=0.1), [1.0, 0.5, -1.0, 0.7][:steps])
    loss = mse_loss(unrolled.h[steps], 0.3)
    loss.label = "L"
    return Debugger(loss, unrolled, **options)


def vector() -> Debugger:
    unrolled = unroll(RNNCell(2, 3), [[1.0, 0.5], [-1.0, 0.0], [0.3, 0.2]])
    loss = mse_loss(unrolled.h[3], [0.0, 0.5, -0.5])
    loss.label = "L"
    return Debugger(loss, unrolled)


def session(debugger: Debugger, *commands: str) -> str:
    """What a script of commands prints, without the echo of the commands."""
    out = io.StringIO()
    terminal = Terminal(debugger, stdin=io.StringIO(), stdout=out)
    terminal.run(commands)
    return "\n".join(line for line in out.getvalue().splitlines() if not line.startswith("(bptt)"))


def gradients(debugger: Debugger) -> list[str]:
    return [node.grad.hex() for node in debugger.steps.order]


# ---- going on and going back -------------------------------------------------------------------------------


def test_s_takes_one_step_and_n_those_of_a_node():
    debugger = scalar()
    assert [step.node.label for step in debugger.step()] == ["L"]
    debugger.step(2)
    (first,) = debugger.step()
    (rest,) = debugger.next()
    assert first.node is rest.node
    assert (first.position, rest.position) == (0, 1)
    assert [len({step.node for step in debugger.next(count)}) for count in (1, 3)] == [1, 3]
    assert len(debugger.step(4)) == 4


@given(programs(), st.lists(st.tuples(st.sampled_from(["s", "n", "c", "back", "reset", "b op mul", "clear"]))))
def test_whatever_is_typed_the_final_gradients_are_those_of_backward(program, typed):
    graph, expected = build(program), build(program)
    debugger = Debugger(graph.root)
    for (command,) in typed:
        session(debugger, command)
    debugger.finish()
    assert debugger.steps.finished
    assert debugger.taken == debugger.total
    expected.root.backward()
    assert graph.gradients == expected.gradients


def test_back_restores_the_gradients_and_says_so():
    debugger = scalar()
    debugger.step(10)
    before = gradients(debugger)
    debugger.step(3)
    said = session(debugger, "back 3")
    assert gradients(debugger) == before
    assert said.splitlines()[0] == "Undone: 3 steps"
    assert said.splitlines()[-1].startswith("-> [11/38] ")
    said = session(debugger, "back 99").splitlines()
    assert said[:2] == [
        "Undone: 10 steps",
        "At the start: L.grad = 1; 38 steps to take, besides 1 to constants. help lists the commands.",
    ]
    assert len(said) == 3
    assert session(debugger, "back") == "*** there is no step to undo"
    huge = 2**64
    for command in (f"l {huge}", f"s {huge}", f"n {huge}", f"l {huge}", f"back {huge}", f"c {huge}", f"forward {huge}"):
        assert "***" not in session(debugger, command), command


def test_at_the_end_everything_says_so():
    debugger = scalar()
    complete = "The pass is complete: 38 steps. w.grad = 0.3677, u.grad = 0.1124, b.grad = 0.9154"
    assert session(debugger, "c") == complete
    for command in ("s", "n", "c", "finish"):
        assert session(debugger, command) == complete
    assert session(debugger, "back", "s").splitlines()[-1] == complete
    assert session(scalar(), "s 38").splitlines()[-1] == complete
    assert session(debugger, "reset").startswith("At the start")


def test_the_pass_may_fail_and_be_asked_about():
    x = Value(0.0, label="x")
    debugger = Debugger(x.sqrt() * 2.0)
    assert re.fullmatch(r"\*\*\* the derivative has no finite value.*sqrt.*above 0.*", session(debugger, "c"))
    for command in ("p", "w", "p gradient", "s", "c", "finish"):
        assert session(debugger, command).startswith("*** "), command
    assert (debugger.taken, debugger.next_step) == (1, None)
    assert [line.split()[:2] for line in session(debugger, "l").splitlines()] == [["1", "∂(√x·2)/∂(√x)"], ["->", "2"]]
    with pytest.raises(DomainError):
        debugger.step()


# ---- breakpoints -------------------------------------------------------------------------------------------


def stops(debugger: Debugger, where: str) -> list[str]:
    """The formulas of the steps at which a breakpoint stops the pass."""
    debugger.stop_at(where)
    found = []
    while debugger.cont():
        found.append(debugger.view)
    debugger.reset()
    debugger.breakpoints.clear()
    return found


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("h_3", ["∂h_3/∂z_3"]),
        ("w", [f"∂(w·h_{t})/∂w" for t in (3, 2, 1, 0)]),
        ("x_2", ["∂(u·x_2)/∂x_2"]),
        ("L", ["∂L/∂(h_4 − 0.3)"]),
        ("op tanh", [f"∂h_{t}/∂z_{t}" for t in (4, 3, 2, 1)]),
        ("op tanh if time_step < 3", ["∂h_2/∂z_2", "∂h_1/∂z_1"]),
        ("time_step 2 if op == 'tanh' or parent.label == 'w'", ["∂h_2/∂z_2", "∂(w·h_1)/∂w"]),
        ("if node.label in ('h_2', 'L') and not h_3.grad < 0", ["∂L/∂(h_4 − 0.3)", "∂h_2/∂z_2"]),
        ("|gradient| > 0.5", ["∂L/∂(h_4 − 0.3)", "∂(h_4 − 0.3)/∂h_4", "∂h_4/∂z_4"]),
        ("gradient>=1", ["∂L/∂(h_4 − 0.3)"]),
        ("abs(gradient) < 0.1 if parent.label == 'w'", ["∂(w·h_0)/∂w"]),
        ("w if parent.grad + contribution > 0.3", ["∂(w·h_1)/∂w", "∂(w·h_0)/∂w"]),
        ("label b", [f"∂z_{t}/∂b" for t in (4, 3, 2, 1)]),
    ],
)
def test_breakpoints_stop_where_they_say_and_nowhere_else(where, expected):
    assert [step.formula.split(" = ")[0] for step in stops(scalar(), where)] == expected


def test_breakpoints_on_vectors_and_matrices_stand_for_their_entries():
    assert {step.node.label for step in stops(vector(), "h_2")} == {"h_2[0]", "h_2[1]", "h_2[2]"}
    assert {step.parent.label for step in stops(vector(), "W")} == {f"W[{i},{j}]" for i in range(3) for j in range(3)}
    assert {step.parent.label for step in stops(vector(), "W[0,1]")} == {"W[0,1]"}
    assert len(stops(vector(), "W if W[0,1].grad != 0 and h_2[0].data < 9")) > 0


def test_a_breakpoint_on_nan_and_inf():
    x = Value(1.0, label="x")
    debugger = Debugger(x * 2.0 + x * float("inf") + x * float("nan"))
    found = stops(debugger, "nan")
    assert [step.parent.label for step in found] == ["x", "x", "x"]
    assert math.isnan(found[0].gradient_after)
    assert stops(scalar(), "nan") == []


def test_breakpoints_are_listed_counted_and_cleared():
    debugger = scalar()
    said = session(
        debugger, "b h_3", "b op tanh if time_step == 2", "c", "b", "clear 1", "clear 1", "clear", "b", "clear 4"
    )
    assert said.splitlines() == [
        "Breakpoint 1 at h_3",
        "Breakpoint 2 at op tanh if time_step == 2",
        "Stopped at breakpoint 1: h_3 (hit 1)",
        "-> [12/38] t=3  ∂h_3/∂z_3 = 1 − h_3² = 0.9556;  z_3.grad = 0 + 0.9556·0.3245 = 0.3101",
        "1: h_3   (hit 1 time)",
        "2: op tanh if time_step == 2",
        "Removed: 1: h_3   (hit 1 time)",
        "*** no breakpoint 1. There is 2",
        "Removed: 2: op tanh if time_step == 2",
        "No breakpoints. Set one: b h_3, b op tanh, b if gradient < 0 (help b lists the forms)",
        "*** no breakpoint 4. There are no breakpoints",
    ]


@pytest.mark.parametrize(
    ("where", "complaint"),
    [
        ("h_33", r"no node is called 'h_33'\. Did you mean h_3"),
        ("op tan", r"no op 'tan' in this graph\. There is .*tanh"),
        ("time_step 9", r"no time step '9' in this graph\. They run from 1 to 4"),
        ("t=x", r"no time step 'x'"),
        ("time_step == 2", r"no time step '== 2' .*A condition follows 'if': b if time_step == 2$"),
        ("local_gradient < 0.5", r"A condition follows 'if': b if local_gradient < 0\.5$"),
        ("parent is w", r"A condition follows 'if': b if parent is w$"),
        ("parent is w if op == 'mul'", r"A condition follows 'if': b if parent is w and op == 'mul'$"),
        ("grad > 1", r"no node is called 'grad'\. Did you mean gradient\?$"),
        ("|gradient| > big", r"no node is called 'big'"),
        ("h_3 if", r"no condition after 'if'"),
        ("if op <", r"'op <' is not an expression"),
        ("if tt < 3", r"no node is called 'tt'"),
        ("if W[0,9].grad > 1", r"no node is called 'W\[0,9\]'"),
        ("if grad > 1", r"no node is called 'grad'\. Did you mean gradient"),
        ("if x = 1", r"is not an expression"),
        ("if [foo for i in (1, 2)]", r"no node is called 'foo'"),
    ],
)
def test_a_mistyped_breakpoint_is_refused_when_it_is_typed(where, complaint):
    debugger = scalar()
    with pytest.raises(ArgumentError, match=complaint):
        debugger.stop_at(where)
    assert not debugger.breakpoints


def test_a_condition_that_fails_stops_says_where_and_shows_the_step():
    debugger = scalar()
    debugger.stop_at("h_3 if 1 / (time_step - 3) > 0")
    with pytest.raises(ArgumentError, match=r"breakpoint 1 at step 12: .* failed: ZeroDivisionError: division by zero"):
        debugger.cont()
    assert debugger.view.node.label == "h_3"
    said = session(scalar(), "b if 1 / (taken := time_step - 3) > 0", "b if time_step < 3", "clear 1", "c").splitlines()
    assert said[-2].startswith("-> [1/38] ∂L/∂(h_4 − 0.3)")
    assert said[-1].startswith("*** breakpoint 2 at step 1: time_step < 3 failed: TypeError: '<' not supported")


# ---- expressions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("h_4.data == node.data", False),
        ("1 + 2 * 3 - -4 / 2 ** 2", 8.0),
        ("7 // 2 + 7 % 4", 6.0),
        ("abs(-2) + max(1, 3) + min(1, 3) + sqrt(4) + log10(1000)", 11.0),
        ("isnan(contribution) or isinf(gradient) or not isfinite(local_gradient)", False),
        ("op", "pow_constant"),
        ("op in ('tanh', 'pow_constant') and op not in ['add']", True),
        ("0 < gradient < 2", True),
        ("time_step is None", True),
        ("node.label if gradient == 1 else parent.label", "L"),
        ("(h_3.time_step, h_3.op, h_3.has_grad)", (3, "tanh", False)),
        ("local_gradient * gradient - contribution", 0.0),
        ("'h_3'.grad", 0.0),
        ("'b' > 'a'", True),
        ("'b'.upper()", "B"),
        ("[h_3.op for i in range(2) if i < len(op)]", ["tanh", "tanh"]),
        ("(lambda x: x + 1)(1)", 2),
    ],
)
def test_expressions_are_python(text, expected):
    debugger = scalar()
    assert debugger.value(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "1 / 0",
        "sqrt(-1)",
        "h_3.foo",
        "gradient in 3",
        "unheard_of",
        "import os",
        "x = 1",
        "yield",
        "await w",
        "",
        "(" * 500,
        "-" * 9000 + "1",
        "1" + "+1" * 100_000,
        "'no such node'.grad",
        "float(h_3)",
    ],
)
def test_a_mistake_in_an_expression_is_one_line(text):
    said = session(scalar(), f"p {text or '()()'}")
    assert re.fullmatch(r"\*\*\* .+", said)


@pytest.mark.parametrize(
    ("typed", "printed"),
    [
        ("w·h_1", "w·h_1"),
        ('"w·h_1"', None),
        ("w·h_1 + u·x_2", "w·h_1 + u·x_2"),
        ("(w·h_1 + u·x_2)", "w·h_1 + u·x_2"),
        ("h_4 − 0.3", "h_4 − 0.3"),
        ("h_4 - 0.3", "h_4 − 0.3"),
        ("h_3", "h_3"),
    ],
)
def test_what_is_printed_can_be_typed(typed, printed):
    debugger = scalar()
    debugger.finish()
    if printed is None:
        assert debugger.value(f"{typed}.grad") == debugger.names.node(typed.strip('"')).grad
        return
    node = debugger.names.node(printed)
    assert node.name == printed
    assert node.grad
    assert debugger.value(typed) is node
    assert debugger.value(f"({typed}).grad") == debugger.value(f'"{typed}".grad') == node.grad
    assert debugger.value(f"1 + ({typed}).grad") == 1 + node.grad
    assert debugger.nodes(typed) == [node]
    assert debugger.why(typed) == debugger.why(f'"{typed}"') != []
    debugger.reset()
    for number, written in enumerate((typed, f'"{typed}"', f"'{typed}'"), start=1):
        debugger.stop_at(written)
        debugger.cont()
        assert debugger.view.node is node
        debugger.clear(number)
        debugger.reset()


def test_every_name_in_a_step_can_be_typed():
    debugger = scalar(2)
    x = Value(0.5, label="x")
    other = Debugger(((x * x - x / 3.0) ** 2).exp().sigmoid().sqrt().log(), constants=True)
    for each in (debugger, other):
        while each.next_step:
            (step,) = each.step()
            name = str(step).partition(".grad =")[0].rpartition(";  ")[2]
            assert step.parent in each.names.find(name), name


def test_labels_that_are_no_python_names():
    labels = ("a−b", "x y", "it's", "node", "ä.b", "1", "nan")
    leaves = [Value(float(n), label=label) for n, label in enumerate(labels)]
    for root in (tinygrad_rnn.total(leaves), tinygrad_rnn.total([leaf * 2.0 for leaf in leaves])):
        for leaf in leaves:
            debugger = Debugger(root)
            assert debugger.value(f"{leaf.label!r}.data") == leaf.data
            assert debugger.nodes(leaf.label) == [leaf]
            assert {step.parent for step in stops(debugger, f"label {leaf.label}")} == {leaf}


def test_patterns_and_several_names_work_wherever_nodes_are_named():
    debugger = vector()
    debugger.finish()
    states = [f"h_{t}[{i}]" for t in range(4) for i in range(3)]
    assert [node.label for node in debugger.nodes("h_*")] == states
    assert [node.label for node in debugger.nodes("h_?")] == states
    assert debugger.value("h_?") == debugger.nodes("h_?")
    assert [node.label for node in debugger.nodes("h_1 W[0,*")] == [*states[3:6], *(f"W[0,{j}]" for j in range(3))]
    assert {step.parent.label for step in debugger.why("h_1 h_2")} == set(states[3:9])
    assert {step.node.label for step in stops(vector(), "h_1 h_2")} == set(states[3:9])
    assert {step.node.label for step in stops(scalar(), "h_*")} == {"h_1", "h_2", "h_3", "h_4", ""}
    assert len(stops(scalar(), "w·h_? if time_step > 2")) == 4


def test_in_view_is_the_step_that_comes_from_the_start_to_the_end():
    debugger = scalar()
    assert debugger.value("w.data") == 0.9
    assert debugger.value("node is L and gradient == 1 and parent.grad == 0 and contribution != 0")
    while debugger.next_step:
        coming, before = debugger.view, debugger.value("parent.grad")
        assert before == coming.gradient_before
        assert debugger.step() == [coming]
        assert coming.parent.grad == before + coming.contribution
    assert debugger.steps.finished
    with pytest.raises(ArgumentError, match=r"no 'contribution': no step is left\. Undo one: back"):
        debugger.value("contribution")
    assert debugger.value("w.grad") == debugger.names.node("w").grad
    debugger.back()
    assert debugger.view is coming


def test_two_nodes_of_one_name_are_not_taken_for_each_other():
    a, b = Value(1.0, label="x"), Value(2.0, label="x")
    debugger = Debugger(a * b)
    with pytest.raises(ArgumentError, match="2 nodes are called 'x'"):
        debugger.value("x.data")
    assert len(stops(debugger, "x")) == 2


# ---- the step in view --------------------------------------------------------------------------------------


def test_the_path_leads_from_the_loss_to_the_latest_step():
    debugger = scalar()
    debugger.stop_at("h_3")
    debugger.cont()
    path = debugger.path()
    assert path[0].node is debugger.loss
    assert path[-1] is debugger.next_step
    assert all(above.parent is below.node for above, below in pairwise(path))
    said = session(debugger, "w").splitlines()
    assert len(said) == len(path)
    assert [line[0] for line in said] == [" "] * (len(path) - 1) + [">"]


def test_up_and_down_change_the_step_in_view():
    debugger = scalar()
    debugger.step(11)
    latest = debugger.view
    assert debugger.up().parent is latest.node
    assert debugger.value("parent.label") == "h_3"
    debugger.up(5)
    assert debugger.view.node is debugger.loss
    with pytest.raises(ArgumentError, match="where the pass starts"):
        debugger.up()
    assert debugger.up(-6) is latest
    with pytest.raises(ArgumentError, match="the next step"):
        debugger.up(-1)
    debugger.up()
    debugger.step()
    assert debugger.view is debugger.next_step


def test_list_shows_what_was_done_and_what_is_to_come():
    debugger = scalar()
    debugger.step(6)
    said = session(debugger, "l 2").splitlines()
    assert [line[:8].split() for line in said] == [["5"], ["6"], ["->", "7"], ["8"], ["9"]]
    assert said[-2] == "       8  t=4  ∂(u·x_4)/∂u = x_4  to come"
    formulas = [step.formula.split(" = ")[0] for step in debugger.step(2)]
    assert all(formula in line for formula, line in zip(formulas, said[-3:]))
    assert len(session(scalar(), "l").splitlines()) == 6


@given(programs(), st.integers(0, 20))
def test_upcoming_are_the_steps_that_come(program, count):
    debugger = Debugger(build(program).root)
    debugger.step(count)
    announced = list(debugger.to_come())
    assert [(step.node, step.position) for step in debugger.step(10**6)] == announced
    assert debugger.steps.finished


# ---- what has flowed so far --------------------------------------------------------------------------------


def test_why_lists_every_contribution_and_they_add_up():
    debugger = scalar()
    debugger.finish()
    w = debugger.names.node("w")
    contributions = [step.contribution for step in debugger.why("w")]
    total = 0.0
    for contribution in contributions:
        total += contribution
    assert total == w.grad
    said = session(debugger, "why w").splitlines()
    assert len(said) == len(contributions) + 1 == 5
    assert said[0] == "t=4  ∂(w·h_3)/∂w = h_3 = 0.2108, times 0.3606, adds 0.07603 to w.grad"
    assert said[-1] == "w.grad = 0.3677"


def test_why_tells_a_gradient_that_was_there_before():
    debugger = scalar()
    debugger.finish()
    again = Debugger(debugger.loss, debugger.unrolled)
    again.step(20)
    assert session(again, "why w").splitlines()[-1] == "w.grad = 0.6553 so far, 0.3677 of it from before this pass"


def test_why_before_anything_has_arrived():
    debugger = scalar()
    assert session(debugger, "why w", "why L", "why", "why foo").splitlines() == [
        "w.grad = 0: nothing has reached it yet",
        "L.grad = 1: the pass starts here",
        "*** why needs a node. Name it: why w",
        "*** no node is called 'foo'. There is w, u, b, h_0, x_1, z_1, h_1, x_2, …",
    ]


def test_grads_tells_complete_from_so_far_and_to_come():
    debugger = scalar()
    debugger.stop_at("h_3")
    debugger.cont()
    said = dict(re.findall(r"(\w+)\.grad = \S+ *(.*)", session(debugger, "grads")))
    assert said == {
        **dict.fromkeys("wub", "so far"),
        **{f"h_{t}": "to come" for t in (0, 1, 2)},
        **{f"h_{t}": "" for t in (3, 4)},
    }
    assert session(debugger, "grads z_*").splitlines()[3].split() == ["z_4.grad", "=", "0.3606"]
    assert session(debugger, "grads q*").startswith("*** no node is called 'q*'. There is w, u, b, h_0")
    assert len(session(vector(), "grads W[0,*").splitlines()) == 3


@given(programs(), st.integers(0, 30))
def test_a_gradient_called_complete_does_not_change_any_more(program, count):
    graph = build(program)
    debugger = Debugger(graph.root)
    debugger.step(count)
    reachable = debugger.steps.order
    complete = {node: node.grad for node in reachable if debugger.reach.is_complete(node)}
    unreached = [node for node in reachable if not debugger.reach.is_reached(node)]
    assert all(node.grad == 0.0 for node in unreached)
    assert not set(complete) & set(unreached)
    debugger.finish()
    assert all(node.grad == gradient for node, gradient in complete.items())
    assert all(map(debugger.reach.is_complete, reachable))


def test_chain_multiplies_the_jacobians_as_far_as_the_gradient_has_come():
    debugger = scalar()
    debugger.stop_at("h_2")
    debugger.cont()
    rows = debugger.chain(0)
    assert [(row.t, row.complete) for row in rows] == [(4, True), (3, True), (2, True), (1, False), (0, False)]
    h = debugger.unrolled.h
    J = {t: 0.9 * (1 - h[t].data ** 2) for t in (1, 2, 3, 4)}
    assert rows[2].J[0][0] == pytest.approx(J[3])
    assert rows[2].jacobian[0][0] == pytest.approx(J[4] * J[3])
    assert rows[2].gradient == [h[2].grad] == [pytest.approx(h[4].grad * J[4] * J[3])]
    assert rows[3].J is rows[3].jacobian is None
    debugger.breakpoints.clear()
    debugger.finish()
    assert debugger.chain(0)[-1].gradient == [pytest.approx(h[4].grad * math.prod(J.values()))]
    assert session(debugger, "chain 3").splitlines() == [
        "t  J_{t+1}  J_4 ⋯ J_{t+1}  ∂L/∂h_t",
        "4                           0.5295",
        "3    0.613          0.613   0.3245",
        "The gradient keeps its size: over 1 step it is multiplied by 0.613.",
    ]
    kept = math.prod(J.values())
    assert debugger.verdict(0).kept == pytest.approx(kept, rel=1e-13)
    assert debugger.verdict(4) is None


def test_the_verdict_comes_with_the_gradient():
    debugger = scalar()
    debugger.stop_at("h_2")
    debugger.cont()
    assert debugger.verdict(1) is None
    assert debugger.verdict(2).lag == 2
    assert "The gradient" not in session(debugger, "chain 0")
    assert session(debugger, "chain 2").splitlines()[-1] == debugger.verdict(2).sentence


def test_chain_of_a_vector_cell_shows_norms():
    debugger = vector()
    said = session(debugger, "c", "chain 1").splitlines()
    assert said[-2] == "Of vectors the Euclidean norm, of matrices the spectral norm."
    assert len(said) == 7
    whole = debugger.chain(1)[-1]
    assert float(said[-3].split()[2]) == pytest.approx(np.linalg.norm(whole.jacobian, 2), rel=1e-3)
    assert float(said[-3].split()[1]) == pytest.approx(np.linalg.norm(whole.J, 2), rel=1e-3)


def test_chain_complains():
    x = Value(2.0)
    assert "nothing says what was unrolled" in session(Debugger(x * x), "chain 1")
    assert session(scalar(), "chain 9", "chain", "chain x").splitlines() == [
        "*** no state at time step 9. There is 0 … 4",
        "*** chain needs a time step. Name it: chain 3",
        "*** 'x' is not a whole number. Give one, such as 3",
    ]


def test_chain_and_graph_do_not_disturb_the_pass(tmp_path):
    debugger, expected = scalar(), scalar()
    expected.finish()
    for _ in range(4):
        debugger.step(9)
        debugger.chain(0)
        draw_flow(debugger).save(tmp_path / "graph.dot")
    debugger.finish()
    assert gradients(debugger) == gradients(expected)


def test_another_pass_is_noticed_also_after_a_look_at_the_chain():
    debugger = scalar()
    debugger.step(15)
    debugger.chain(0)
    debugger.loss.backward()
    assert "another backward pass" in session(debugger, "s")


def test_graph_shows_done_current_and_to_come(tmp_path):
    from tinygrad_rnn.debugger import picture

    debugger = scalar()
    debugger.step(15)
    said = session(debugger, f"graph {tmp_path / 'graph.dot'}")
    assert said == f"written: {tmp_path / 'graph.dot'}   ({picture.KEY})"
    edges = [line for line in (tmp_path / "graph.dot").read_text().splitlines() if "->" in line]
    colours = [colour for line in edges for colour in re.findall(r'color="(#\w+)"', line)]
    assert colours.count(picture.CURRENT) == 1
    assert colours.count(picture.DONE) == 15 + debugger.hidden
    assert colours.count(picture.TO_COME) == debugger.total - 16
    assert "unknown kind of picture" in session(debugger, "graph picture.bmp")


def test_graph_writes_out_the_chain_as_far_as_the_gradient_has_come(tmp_path):
    debugger = scalar()
    assert "∂L/∂h_4 = 0.529" not in draw_flow(debugger).source  # nothing has arrived there
    debugger.stop_at("h_4")
    debugger.cont()
    assert "∂L/∂h_4 = 0.529" in draw_flow(debugger).source
    debugger.stop_at("h_2")
    debugger.cont()
    source = draw_flow(debugger).source
    assert "20 of 38 steps, next: t=2 ∂h_2/∂z_2" in source
    assert "∂L/∂h_2 = ∂L/∂h_4" in source
    assert "∂L/∂h_1 = ∂L/∂h_4" not in source


def test_a_state_that_was_cut_off_is_called_so():
    cell = ScalarRNNCell(w=0.9, u=0.5, b=0.1)
    unrolled = unroll(lambda x, h: cell(x, h.detach()), [1.0, 0.5, -1.0], Value(0.2))
    debugger = Debugger(mse_loss(unrolled.h[3], 0.3), unrolled)
    debugger.finish()
    rows = debugger.chain(0)
    assert [(row.t, row.complete, row.connected) for row in rows] == [
        (3, True, True),
        *[(t, False, False) for t in (2, 1, 0)],
    ]
    assert [row.jacobian for row in rows] == [[[1.0]], None, None, None]
    assert session(debugger, "chain 2").endswith("cut off")
    assert draw_flow(debugger).source


def test_graph_of_what_was_not_unrolled(tmp_path):
    x = Value(2.0, label="x")
    debugger = Debugger(x * x + x)
    debugger.step()
    draw_flow(debugger).save(tmp_path / "graph.dot")
    assert "graph.dot" in os.listdir(tmp_path)


def test_forward_replays_the_forward_pass_in_both_directions():
    debugger = scalar()
    debugger.forward(8)
    assert [str(step) for step in debugger.forward(2)] == [
        "t=1  z_1 = w·h_0 + u·x_1 + b = 0.6",
        "t=1  h_1 = tanh(z_1) = 0.537",
    ]
    assert [step.node.label for step in debugger.forward(-3)] == ["h_1", "z_1", ""]
    debugger.forward(10**6)
    assert debugger.forward()[0].node.label == "w"
    said = session(scalar(), "forward 10").splitlines()
    assert said[0] == "w = 0.9   (given)"
    assert said[-2:] == ["t=1  h_1 = tanh(z_1) = 0.537", "    h_1 = tanh(0.6) = 0.537"]


# ---- without undo ------------------------------------------------------------------------------------------


def test_without_undo_what_needs_the_steps_says_so():
    debugger = scalar(undo=False)
    debugger.step(13)
    for command in ("back", "why w", "w", "u", "d"):
        assert re.fullmatch(r"\*\*\* .*not kept.*", session(debugger, command)), command
    with pytest.raises(GraphError, match="not kept"):
        debugger.path()
    assert session(debugger, "p node.label", "grads", "chain 3", "l").count("***") == 0
    assert session(debugger, "l 2").splitlines()[1].startswith("->    14")


# ---- scripts -----------------------------------------------------------------------------------------------


def test_every_letter_of_pdb_is_understood():
    debugger = scalar()
    for line in (
        "s",
        "n",
        "b h_2",
        "c",
        "p gradient",
        "w",
        "l",
        "u",
        "d",
        "h",
        "",
        "cl 1",
        "rese",
        "con",
        "# a comment",
    ):
        assert "***" not in session(debugger, line), line
    assert session(debugger, "q", "s") == ""


def test_an_empty_line_repeats_the_last_command():
    assert session(scalar(), "", "s 2", "", "bogus", "").count("/38]") == 4


def test_patterns_are_expressions():
    debugger = scalar()
    debugger.finish()
    gradients = [node.grad for node in debugger.nodes("h_*")]
    assert debugger.value("h_*") == debugger.nodes("h_*")
    assert debugger.value("h_*.grad") == gradients
    said = session(debugger, "p h_*", "p h_*.data", "display h_?.grad").splitlines()
    assert said[:5] == [repr(node) for node in debugger.nodes("h_*")]
    assert said[5] == repr([node.data for node in debugger.nodes("h_*")])
    assert said[6] == f"   h_?.grad = {gradients!r}"
    for text in ("q_*", "h_*.grad > 1", "h_*."):  # nothing matches; or not what it seems
        assert "is not an expression" in session(debugger, f"p {text}")


def test_a_vector_or_matrix_is_the_list_of_its_entries():
    rnn = unroll(RNNCell(1, 2, seed=0), [[0.3], [0.4]])
    debugger = Debugger(rnn.h[2][0] * rnn.h[2][1])
    assert debugger.value("h_1") == list(rnn.h[1])
    assert debugger.value("h_1.data") == [node.data for node in rnn.h[1]]
    assert debugger.value("h_1[1]") is rnn.h[1][1]
    assert session(debugger, "p W").splitlines() == [repr(node) for node in debugger.nodes("W")]
    assert "'h_1' has 2 entries. Write h_1[0], say" in session(debugger, "b h_1 if h_1.grad > 1")


def test_magnitudes_are_written_with_bars_in_every_expression():
    debugger = scalar()
    debugger.finish()
    debugger.back(3)
    assert debugger.value("|contribution|, | gradient |") == debugger.value("abs(contribution), abs(gradient)")
    assert debugger.value("|w.grad| + 1") == abs(debugger.value("w.grad")) + 1
    found = [step.contribution for step in stops(scalar(), "op mul if |contribution| > 0.1")]
    assert found == [step.contribution for step in stops(scalar(), "op mul") if abs(step.contribution) > 0.1]
    with pytest.raises(ArgumentError) as error:
        debugger.stop_at("|contribution| > 0.1")
    debugger.stop_at(error.value.remedy.partition(": b ")[2])  # what the error advises
    with pytest.raises(ArgumentError, match="no node is called 'foo'"):
        debugger.value("|foo.grad|")


def test_mistyped_commands_are_one_clear_line():
    debugger = scalar()
    assert session(
        debugger, "stpe", "xyz", "s x", "s 1_0", "s \u0663", "s 0", "finish 3", "b", "p h_3.foo", "gra", "__init__"
    ).splitlines() == [
        "*** no command 'stpe': did you mean step?",
        "*** no command 'xyz'; help lists them",
        "*** 'x' is not a whole number. Give one, such as 3",
        "*** '1_0' is not a whole number. Give one, such as 3",
        "*** '\u0663' is not a whole number. Give one, such as 3",
        "*** 0 is less than 1",
        "*** this command takes no '3'",
        "No breakpoints. Set one: b h_3, b op tanh, b if gradient < 0 (help b lists the forms)",
        "*** h_3.foo failed: AttributeError: 'Value' object has no attribute 'foo'",
        "*** no command 'gra': did you mean grads or graph?",
        "*** no command '__init__'; help lists them",
    ]


def test_leaving_half_way_says_what_the_gradients_are():
    assert session(scalar(), "s", "q").endswith(
        "Left after 1 of 38 steps: the gradients are those of an incomplete pass."
    )
    assert "Left" not in session(scalar(), "q")
    assert "Left" not in session(scalar(), "c", "q")


def test_help_tells_of_every_command():
    said = session(scalar(), "help")
    for name in ("s [N]", "n [N]", "back [N]", "chain K", "why w", "b [WHERE]", "graph [FILE]", "forward [N]"):
        assert f"  {name}" in said
    assert "b op tanh" in session(scalar(), "help b")
    assert "isfinite" in session(scalar(), "help p")
    assert session(scalar(), "help bogus") == "*** no command 'bogus'; help lists them"


def test_long_answers_are_cut_short():
    said = session(vector(), "s 100").splitlines()
    assert said[0] == "… 59 more"
    assert len(said) == 42


def test_as_a_plain_object(capsys):
    debugger = scalar()
    assert repr(debugger).startswith("Debugger(0 of 38 steps, next: ∂L/∂(h_4 − 0.3)")
    Terminal(debugger).do("b h_3", "c")
    assert capsys.readouterr().out.splitlines()[0] == "Breakpoint 1 at h_3"
    assert repr(debugger).startswith("Debugger(11 of 38 steps, next: t=3  ∂h_3/∂z_3")
    debugger.finish()
    assert repr(debugger).startswith("Debugger(complete")


def test_debug_runs_a_script_from_standard_input(monkeypatch, capsys):
    loss = scalar().loss
    monkeypatch.setattr(sys, "stdin", io.StringIO("s\nq\n"))
    debugger = tinygrad_rnn.debug(loss)
    assert debugger.steps.taken == 1
    assert capsys.readouterr().out.splitlines()[0].startswith("At the start")
    debugger.steps.finish()
    assert loss.grad == 1.0


def command(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tinygrad_rnn", "step", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        timeout=60,
        **options,
    )


def test_the_command_takes_commands_as_options():
    done = command("--steps", "4", "-c", "b h_3", "-c", "c", "-c", "p node.label")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "'h_3'"
    assert done.stderr == ""


def test_the_command_takes_commands_from_a_pipe_and_reports_failure():
    done = command("--text", "hello", input="# a script\nc\nbogus\ngrads\nq\n")
    assert done.returncode == 1
    assert "The pass is complete" in done.stdout
    assert "*** no command 'bogus'" in done.stdout
    assert "Traceback" not in done.stderr


def test_the_command_refuses_bad_options():
    done = command("--steps", "0", "-c", "c")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


# ---- in a terminal -----------------------------------------------------------------------------------------


@pytest.fixture
def terminal():
    """A session of the command in a pseudo-terminal."""
    child = spawn("-m", "tinygrad_rnn", "step", "--steps", "4")
    child.expect_exact("At the start")
    child.expect_exact("(bptt) ")
    yield child
    child.close(force=True)


def spawn(*arguments: str) -> pexpect.spawn:
    # A plain terminal, so that readline writes no escape sequences in between.
    env = {**os.environ, "TERM": "dumb", "PYTHONIOENCODING": "utf-8", "INPUTRC": os.devnull}
    return pexpect.spawn(
        sys.executable, list(arguments), cwd=str(ROOT), env=env, encoding="utf-8", timeout=30, dimensions=(40, 200)
    )


def test_a_session_in_a_terminal(terminal):
    terminal.sendline("b h_3")
    terminal.expect_exact("Breakpoint 1 at h_3")
    terminal.sendline("c")
    terminal.expect(r"\[\d+/\d+\] t=3  ∂h_3/∂z_3 = 1 − h_3² = ")
    terminal.sendline("s")
    terminal.expect_exact("∂z_3/∂(w·h_2 + u·x_3) = 1")
    terminal.sendline("")  # repeats s
    terminal.expect_exact("∂z_3/∂b = 1")
    terminal.sendline("back 2")
    terminal.expect_exact("Undone: 2 steps")
    terminal.expect(r"-> \[\d+/\d+\] t=3  ∂h_3/∂z_3")
    terminal.sendline("p gradient == h_3.grad")
    terminal.expect_exact("True")
    terminal.sendline("q")
    terminal.expect_exact("an incomplete pass")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0


def test_tab_completes_commands_and_labels(terminal):
    terminal.send("rese\t\n")
    terminal.expect_exact("At the start")
    terminal.send("p h_3.gr\t\n")
    terminal.expect(r"p h_3\.grad")
    terminal.expect(r"\n0\.0")
    terminal.send("b op ta\t\n")
    terminal.expect_exact("Breakpoint 1 at op tanh")


def test_the_arrow_key_recalls_earlier_commands(terminal):
    terminal.sendline("p 40 + 2")
    terminal.expect(r"\n42\r")
    terminal.send("\x10\n")  # Ctrl-P, as the arrow key
    terminal.expect(r"\n42\r")


def test_ctrl_d_leaves_and_ctrl_c_does_not(terminal):
    terminal.sendintr()
    terminal.expect_exact("Type q to leave.")
    terminal.expect_exact("(bptt) ")
    terminal.sendeof()
    terminal.expect(pexpect.EOF)


@pytest.mark.slow
def test_ctrl_c_stops_between_two_steps_and_the_pass_goes_on():
    program = (
        "from tinygrad_rnn import Value, debug\n"
        "x = node = Value(1.0, label='x')\n"
        "for _ in range(400_000): node = node + x\n"
        "d = debug(node, undo=False)\n"
        "print('gradient', x.grad)"
    )
    child = spawn("-c", program)
    child.expect_exact("At the start")
    child.sendline("c")
    child.expect(r"c: 00:0\d, step [\d,]+ of 800,000")
    child.sendintr()
    child.expect(r"\[(\d+)/800000\] ")
    assert 0 < int(child.match[1]) < 800_000
    child.sendline("c")
    child.expect_exact("The pass is complete: 800,000 steps. x.grad = 4e+05")
    child.sendline("q")
    child.expect_exact("gradient 400001.0")
    child.close()


def test_a_clock_shows_how_far_a_command_has_come_and_is_gone_when_it_prints(monkeypatch, capsys):
    make_terminal(monkeypatch)
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    debugger, out, shown = scalar(), io.StringIO(), ""

    def slow():
        nonlocal shown
        until = time.monotonic() + 30
        while ", step" not in shown and time.monotonic() < until:
            time.sleep(0.01)
            shown += capsys.readouterr().err

    monkeypatch.setattr(debugger, "finish", slow)
    terminal = Terminal(debugger, stdin=io.StringIO(), stdout=out)
    terminal.do("s 3", "finish")
    assert f"finish: 00:00, step 3 of {debugger.total}" in shown
    assert last_line(shown + capsys.readouterr().err) == ""
    assert out.getvalue().count("->") == 2


def test_ctrl_c_stops_between_two_undone_steps(monkeypatch):
    debugger = scalar()
    debugger.finish()
    undo, undone = debugger.steps.back, []

    def back():
        undone.append(undo())
        if len(undone) == 3:
            signal.raise_signal(signal.SIGINT)
        return undone[-1]

    monkeypatch.setattr(debugger.steps, "back", back)
    assert session(debugger, "back 9").startswith("Undone: 3 steps")
    assert debugger.taken == debugger.total - 3


def test_an_op_in_place_of_a_label_is_answered_with_the_form_it_takes():
    debugger = scalar()
    assert "b op tanh" in session(debugger, "b tanh")


def test_clear_all_is_clear():
    debugger = scalar()
    session(debugger, "b h_3", "b op tanh", "clear all")
    assert not debugger.breakpoints


# ---- more commands -----------------------------------------------------------------------------------------


def test_rc_goes_back_to_the_previous_breakpoint_and_then_to_the_start():
    debugger = scalar()
    session(debugger, "b op tanh", "c 3")
    assert debugger.view.node.label == "h_2"
    before = gradients(debugger)
    debugger.step(3)
    said = session(debugger, "rc").splitlines()
    assert said[:2] == ["Back at breakpoint 1: op tanh", "Undone: 3 steps"]
    assert gradients(debugger) == before
    assert [each.hits for each in debugger.breakpoints.values()] == [3]
    session(debugger, "rc", "rc")
    assert debugger.view.node.label == "h_4"
    assert session(debugger, "rc").splitlines()[1].startswith("At the start")
    assert session(debugger, "rc") == "*** there is no step to undo"
    assert session(debugger, "c").startswith("Stopped at breakpoint 1: op tanh (hit 4)")


def test_the_first_step_can_be_stopped_at_and_left_again():
    debugger = scalar()
    said = session(debugger, "b L", "c", "c", "reset", "c").splitlines()
    assert [line for line in said if line.startswith(("Stopped", "The pass"))] == [
        "Stopped at breakpoint 1: L (hit 1)",
        "The pass is complete: 38 steps. w.grad = 0.3677, u.grad = 0.1124, b.grad = 0.9154",
        "Stopped at breakpoint 1: L (hit 2)",
    ]


def test_a_temporary_breakpoint_stops_once():
    debugger = scalar()
    said = session(debugger, "tbreak op tanh", "b", "c", "b", "c", "tbreak").splitlines()
    assert said[:3] == [
        "Temporary breakpoint 1 at op tanh",
        "1: op tanh   temporary",
        "Stopped at breakpoint 1: op tanh (hit 1)",
    ]
    assert said[4].startswith("No breakpoints")
    assert said[5].startswith("The pass is complete")
    assert said[6].startswith("*** tbreak needs a place")


def test_what_is_displayed_is_printed_at_every_stop():
    debugger = scalar()
    said = session(debugger, "display", "display w.grad", "display contribution", "b op tanh", "c", "c 99").splitlines()
    assert said[0].startswith("Nothing is displayed")
    assert said[1] == "   w.grad = 0.0"
    assert said[5:8] == [
        "-> [3/38] t=4  ∂h_4/∂z_4 = 1 − h_4² = 0.6811;  z_4.grad = 0 + 0.6811·0.5295 = 0.3606",
        "   w.grad = 0.0",
        f"   contribution = {debugger.names.node('z_4').grad!r}",
    ]
    assert said[-1] == "   contribution: there is no 'contribution': no step is left. Undo one: back"
    assert session(debugger, "undisplay contribution", "undisplay", "display", "display foo").count("***") == 2


def test_several_commands_on_a_line_and_comments():
    debugger = scalar()
    said = session(debugger, "n; n # and so on", "   # only a note", "p 'a;b # c'; p 1").splitlines()
    assert [line[:7] for line in said[:2]] == ["-> [2/3", "-> [3/3"]
    assert said[2:] == ["'a;b # c'", "1"]
    assert debugger.taken == 2
    assert session(debugger, "s", "# a note", "").count("->") == 2
    assert session(debugger, "s; q; s", "s").count("/38]") == 1
    assert session(scalar(), "b h_1 h_2; b op mul; b h_*; clear 1 3; b").splitlines()[-1] == "2: op mul"


def test_p_alone_shows_the_parts_of_the_step_by_their_names():
    debugger = scalar()
    said = session(debugger, "b h_3; c; p").splitlines()[-2:]
    assert said[0] == "node = h_3, parent = z_3, op = tanh, time_step = 3"
    names = re.findall(r"(\w+) = ", "\n".join(said))
    assert set(names) == {"node", "parent", "op", "time_step", "gradient", "local_gradient", "contribution"}
    assert session(debugger, "c; p").splitlines()[-1] == "The pass is complete: no step is left. Undo one: back"


def test_constants_have_no_steps_of_their_own_unless_asked_for():
    hidden, shown = scalar(), scalar(constants=True)
    assert (hidden.total, hidden.hidden) == (38, 1)
    assert (shown.total, shown.hidden) == (39, 0)
    steps = [str(step) for step in hidden.step(100)]
    assert [str(step) for step in shown.step(100) if step.parent.label or step.parent.parents] == steps
    assert hidden.taken == hidden.total == len(steps)
    assert gradients(hidden) == gradients(shown)
    hidden.back(38)
    assert hidden.taken == 0
    assert hidden.step(100)
    assert gradients(hidden) == gradients(shown)
    x = Value(2.0)
    assert Debugger(x * x).total == 2  # where nobody has named anything, everything is shown


def test_a_pass_that_begins_with_a_constant():
    w = Value(2.0, label="w")
    debugger = Debugger(3.0 * w)
    assert (debugger.total, debugger.taken) == (1, 0)
    assert debugger.view.parent is w
    session(debugger, "c", "back", "s")
    assert w.grad == 3.0
    assert session(debugger, "reset").splitlines()[-1].startswith("-> [1/1]")


def test_debug_names_nodes_after_the_variables_of_the_caller(monkeypatch, capsys):
    def program() -> Debugger:
        threshold = 0.4
        w, h = Value(0.9), Value(0.5)
        z = w * h + 1
        units = [z.tanh(), z.sigmoid()]
        loss = units[0] * units[1]
        debugger = debug(loss)
        assert threshold
        assert not any(node.label for node in debugger.steps.order)
        return debugger

    script = "p z.data\nb z if gradient > threshold - 1\nc\np units[1].op, len(units)\nwhy units\np loss is node\nq\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(script))
    debugger = program()
    said = capsys.readouterr().out
    assert "***" not in said
    for line in ("1.45", "Stopped at breakpoint 1: z if", "∂z/∂(w·h) = 1", "('sigmoid', 2)", "False", "units[1].grad"):
        assert line in said, line
    assert debugger.names.node("z").data == 1.45
    assert debugger.hidden == 1


WEIGHT, SHARED = Value(2.0), Value(3.0)


def test_debug_names_nodes_after_global_variables_also_but_local_ones_go_before(monkeypatch, capsys):
    def program() -> Debugger:
        mine = SHARED
        return debug(mine * WEIGHT)

    monkeypatch.setattr(sys, "stdin", io.StringIO("why WEIGHT\nq\n"))
    program()
    said = capsys.readouterr().out
    assert "-> [1/2] ∂(mine·WEIGHT)/∂mine = WEIGHT = 2" in said
    assert "WEIGHT.grad = 0: nothing has reached it yet" in said
    assert not WEIGHT.label


def test_a_hook_is_called_once_when_its_step_comes_into_view():
    x = Value(3.0, label="x")
    y = x * x
    y.label, calls = "y", []
    y.register_hook(lambda gradient: calls.append(gradient) or 2 * gradient)
    loss = y * 1.5
    loss.label = "L"
    debugger = Debugger(loss)
    assert calls == []
    debugger.step()
    assert calls == [1.5]
    assert debugger.view.gradient == y.grad == 3.0
    debugger.back()
    assert y.grad == 0.0
    debugger.finish()
    assert calls == [1.5]
    assert x.grad == 18.0
