"""What a page is made of: problems and recorded graphs become programs that give the engine's numbers, or errors."""

import math
import random
import re
from itertools import chain

import pytest

from tinygrad_rnn import (
    GRU,
    GRUCell,
    Linear,
    LSTMCell,
    RNNCell,
    ScalarRNNCell,
    Value,
    cross_entropy,
    mse_loss,
    problem,
    time_step,
    total,
    unroll,
)
from tinygrad_rnn.compile.javascript import PRELUDE, SEQUENCE
from tinygrad_rnn.engine.ops import OPS, Op, register
from tinygrad_rnn.engine.passes import steps
from tinygrad_rnn.errors import ArgumentError, CompileError, GraphError
from tinygrad_rnn.nn import Cell, OneHot, StackedCell, binary_cross_entropy_with_logits
from tinygrad_rnn.nn.quantities import entries
from tinygrad_rnn.optim import SGD, clip_grad_norm_
from tinygrad_rnn.page.cells import cell_of_page
from tinygrad_rnn.page.source import from_graph, from_problem, from_sequence
from tinygrad_rnn.support.ranges import spread

from ..node import FROM_PYTHON, ScriptError, node
from .test_computation import ASSETS, same

__all__ = ["node"]

RUN = """
const computation = new Computation(program, given.given, given.settings);
const loss = computation.forward();
return { loss, p_grad: computation.backward() };
"""


def computed(node, source, made, nonlinearity=None, scale=1.0, run=RUN):
    """The loss and the gradients in JavaScript, with parameters that are multiplied by a number."""
    program = made.programs[made.facts["nonlinearity"] if nonlinearity is None else nonlinearity]
    given = {
        "p": [scale * number for number in made.facts["p"]],
        "h0": made.facts["h0"],
        "x": source.inputs,
        "target": source.targets,
    }
    code = f"{PRELUDE}\n{SEQUENCE}\n{ASSETS}\nconst program = {program.expression};\n{FROM_PYTHON}{run}"
    settings = {"at": source.at, "mean": source.mean}
    return node.run(code, {"given": given, "settings": settings})


def agree(node, source, parameters, loss, unrolled=None, digits=None):
    """The same loss and gradients: to the bit, or to that many digits where they are added in another order."""
    made = cell_of_page(source, unrolled)
    for parameter in parameters:
        parameter.zero_grad()
    loss.backward()
    found = computed(node, source, made)
    outside = [each for each in parameters if each not in made.parameters]
    gradient = dict(zip([*made.parameters, *outside], found["p_grad"]))
    agreed, expected = [found["loss"], *map(gradient.get, parameters)], [loss.data, *(each.grad for each in parameters)]
    if digits is None:
        same(agreed, expected)
    else:
        assert agreed == pytest.approx(expected, rel=10.0**-digits)
    return made


def wave(T, size=None):
    rng = random.Random(T)
    return [rng.gauss(0, 1) if size is None else [rng.gauss(0, 1) for _ in range(size)] for _ in range(T)]


@pytest.mark.parametrize("at", ["last", "every"])
@pytest.mark.parametrize(
    ("cell", "readout", "inputs", "targets", "loss"),
    [
        (ScalarRNNCell(0.9, 0.5, 0.1), None, wave(5), wave(6)[:5], mse_loss),
        (RNNCell(2, 3), None, wave(5, 2), wave(5, 3), mse_loss),
        (LSTMCell(1, 2), Linear(2, 1), wave(5, 1), [[x] for x in wave(5)], mse_loss),
        (GRUCell(4, 2), Linear(2, 4), [OneHot(i % 4, 4) for i in range(5)], [1, 3, 0, 2, 2], cross_entropy),
        (RNNCell(4, 2), Linear(2, 4), [[0.0, 1.0, 0.0, 0.0]] * 5, [1, 3, 0, 2, 2], cross_entropy),
        (ScalarRNNCell(), None, wave(5), [0, 1, None, 1, 0], binary_cross_entropy_with_logits),
        (ScalarRNNCell(), None, wave(5), [None, None, 0.3, None, 0.1], mse_loss),
    ],
)
def test_problems(node, cell, readout, inputs, targets, loss, at):
    posed = problem(cell, inputs, targets, readout=readout, loss=loss, at=at)
    source = from_problem(posed)
    made = agree(node, source, [value for _, value in posed.named_parameters()], posed.loss, posed.unrolled)
    trained = spread(made.facts["trained"])
    assert [made.parameters[place] for place in trained] == sorted(made.parameters, key=lambda value: value.serial)
    direct = from_sequence(cell, inputs, targets, readout=readout, loss=loss, at=at)
    assert (direct.inputs, direct.targets, direct.step.target) == (source.inputs, source.targets, source.step.target)


def test_one_loss_before_the_last_step(node):
    posed = problem(ScalarRNNCell(), wave(5), [None, None, 0.3, None, None], at="every")
    agree(node, from_problem(posed), [value for _, value in posed.named_parameters()], posed.loss, posed.unrolled)


def test_layers_a_state_that_was_given_and_a_part_of_a_sequence(node):
    cell = GRU(1, 2, num_layers=2).cell
    posed = problem(cell, [[0.3], [0.1], [0.7]], [[0.1, 0.2]] * 3, at="every")
    agree(node, from_problem(posed), [value for _, value in posed.named_parameters()], posed.loss, posed.unrolled)
    cell = ScalarRNNCell(0.7)
    unrolled = unroll(cell, [0.1, 0.2], 0.4, first=7)
    with time_step(8):
        loss = mse_loss(unrolled.h[8], 0.3)
    source = from_graph(unrolled, loss)
    assert source.first == 7
    agree(node, source, [cell.w, cell.u, cell.b], loss, unrolled)


# ---- recorded graphs --------------------------------------------------------------------------------------------


def each(unrolled, loss):
    losses = []
    for t in range(1, unrolled.T + 1):
        with time_step(t):
            losses.append(loss(t))
    return losses


@pytest.mark.parametrize("how", ["mean", "sum", "built-in sum", "times 1/n", "single"])
def test_recorded_losses_of_every_kind(node, how):
    cell = ScalarRNNCell(0.9, 0.5, 0.1)
    unrolled, targets = unroll(cell, wave(6)), wave(7)
    losses = each(unrolled, lambda t: mse_loss(unrolled.h[t], targets[t]))
    if how == "single":
        losses = losses[-1:]
    loss = {
        "mean": lambda: total(losses) / len(losses),
        "sum": lambda: total(losses),
        "built-in sum": lambda: sum(losses),
        "times 1/n": lambda: total(losses) * (1 / len(losses)),
        "single": lambda: losses[0],
    }[how]()
    for given in (None, losses):
        source = from_graph(unrolled, loss, given)
        assert source.at == ("last" if how == "single" else "every")
        assert source.mean == (how in ("mean", "times 1/n"))
        assert [target for (target,) in filter(None, source.targets)] == (
            targets[6:] if how == "single" else targets[1:]
        )
        agree(node, source, [cell.w, cell.u, cell.b], loss, unrolled, 15 if how == "times 1/n" else None)


def test_a_recorded_loss_of_read_outs(node):
    cell, readout, targets = RNNCell(3, 2), Linear(2, 2), wave(6, 2)
    unrolled = unroll(cell, wave(5, 3), readout=readout)
    losses = each(unrolled, lambda t: mse_loss(unrolled.y[t], targets[t]))
    loss, parameters = total(losses) / 5, [*cell.parameters(), *readout.parameters()]
    agree(node, from_graph(unrolled, loss), parameters, loss, unrolled, 13)  # the page has the read-out in the loss


@pytest.mark.slow
@pytest.mark.parametrize("classes", [[1, 1, 1], [0, 2, 1]])
def test_a_recorded_cross_entropy_is_refused_and_a_problem_is_not(node, classes):
    cell, readout = RNNCell(3, 2), Linear(2, 3)
    inputs = [[float(i == t) for i in range(3)] for t in range(3)]
    unrolled = unroll(cell, inputs, readout=readout)
    losses = each(unrolled, lambda t: cross_entropy(unrolled.y[t], classes[t - 1]))
    with pytest.raises(CompileError) as caught:
        from_graph(unrolled, total(losses) / 3)
    assert "problem(" in caught.value.remedy
    posed = problem(cell, inputs, classes, readout=readout, loss=cross_entropy, at="every")
    source = from_problem(posed)
    made = agree(node, source, [value for _, value in posed.named_parameters()], posed.loss)
    found = computed(node, source, made, scale=300.0)  # e^300 of all logits: the largest is taken out anew
    for _, parameter in posed.named_parameters():
        parameter.data *= 300.0
    assert found["loss"] == problem(cell, inputs, classes, readout=readout, loss=cross_entropy, at="every").loss.data


def test_losses_may_read_any_quantity_inputs_and_parameters_of_their_own(node):
    cell, scale = LSTMCell(2, 2), Value(0.7, label="scale")
    unrolled = unroll(cell, wave(4, 2))
    losses = each(
        unrolled,
        lambda t: (unrolled["c"][t][0] * scale - unrolled.x[t][1]) ** 2 + unrolled["f"][t][1] + unrolled.h[t][0],
    )
    loss = total(losses)
    source = from_graph(unrolled, loss)
    parameters = sorted([*cell.parameters(), scale], key=lambda value: value.serial)
    made = cell_of_page(source, unrolled)
    loss.backward()
    found = computed(node, source, made)
    assert found["loss"] == loss.data
    assert found["p_grad"] == pytest.approx([parameter.grad for parameter in parameters], rel=1e-13)
    assert parameters.index(scale) not in spread(made.facts["trained"])


@pytest.mark.parametrize("nonlinearity", ["identity", "relu", "tanh"])
@pytest.mark.parametrize("cell", [ScalarRNNCell(0.9, 0.5, 0.1), RNNCell(1, 2)])
def test_every_nonlinearity_can_be_chosen(node, cell, nonlinearity):
    inputs = wave(4) if isinstance(cell, ScalarRNNCell) else wave(4, 1)
    targets = [0.1] * 4 if isinstance(cell, ScalarRNNCell) else [[0.1, 0.2]] * 4
    source = from_sequence(cell, inputs, targets, at="every")
    found = computed(node, source, cell_of_page(source), nonlinearity)
    parameters, own = cell.parameters(), cell.nonlinearity
    cell.nonlinearity = nonlinearity
    for parameter in parameters:
        parameter.zero_grad()
    posed = problem(cell, inputs, targets, at="every")
    posed.loss.backward()
    cell.nonlinearity = own
    same([found["loss"], *found["p_grad"]], [posed.loss.data, *(parameter.grad for parameter in parameters)])


# ---- what belongs together ---------------------------------------------------------------------------------------


def test_parameters_go_by_name_shape_and_role():
    facts = cell_of_page(from_sequence(LSTMCell(1, 2), [[0.1]], [[0.1]], readout=Linear(2, 1))).facts
    groups = {group["name"]: group for group in facts["groups"]}
    places = {name: spread(group["places"]) for name, group in groups.items()}
    assert groups["W_f"]["shape"] == [2, 2]
    assert places["b_f"] == facts["forget"]
    assert [places["W_f"][:2], places["W_f"][2:]] in facts["recurrent"]
    assert len(facts["recurrent"]) == 4
    assert facts["straight"] == ["c", "f"]
    assert sorted(chain(*places.values())) == list(range(len(facts["p"])))
    cells = [LSTMCell(1, 2), LSTMCell(2, 2)]
    stack = cell_of_page(from_sequence(StackedCell(cells), [[0.1]], [[0.1]], readout=Linear(2, 1))).facts
    assert stack["straight"] == ["c", "f"]
    assert [stack["p"][i] for i in stack["forget"]] == [bias.data for cell in cells for bias in cell.f.b or ()]
    scalar = cell_of_page(from_sequence(ScalarRNNCell(), [0.1], [0.1])).facts
    assert (scalar["recurrent"], scalar["forget"], scalar["straight"]) == ([[[0]]], [], None)
    assert [group["shape"] for group in scalar["groups"]] == [[], [], []]


# ---- a penalty on the weights -----------------------------------------------------------------------------------


def with_penalty(cell, penalise, before, at, T=5):
    """A loss with a penalty on the weights, whose squares are computed before the first time step or after all."""
    weights = [value for _, value in cell.named_parameters()]
    squares = [value * value for value in weights] if before else []
    unrolled, targets = unroll(cell, wave(T, 2)), wave(T + 1, 3)
    losses = each(unrolled, lambda t: mse_loss(unrolled.h[t], targets[t]))
    over_time = total(losses) / len(losses) if at == "every" else losses[-1]
    return unrolled, penalise(over_time, squares or [value * value for value in weights])


PENALTIES = [
    lambda loss, squares: loss + 0.01 * sum(squares),
    lambda loss, squares: 0.01 * total(squares) + loss,
    lambda loss, squares: loss - squares[0].exp() * 0.1 - squares[1] * squares[2],
    lambda loss, squares: (loss + total(squares)) / 3.0,
    lambda loss, squares: -(squares[0] - loss * squares[1]),
]


@pytest.mark.slow
@pytest.mark.parametrize("at", ["every", "last"])
@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("penalise", PENALTIES)
def test_a_penalty_on_the_weights(node, penalise, before, at):
    cell = RNNCell(2, 3)
    parameters = [value for _, value in cell.named_parameters()]
    unrolled, loss = with_penalty(cell, penalise, before, at)
    source = from_graph(unrolled, loss)
    made = agree(node, source, parameters, loss, unrolled)
    assert (source.at, source.mean) == (at, at == "every")
    assert made.facts["trained"] == [[0, len(parameters)]]
    found = computed(node, source, made, scale=1.1)
    for parameter in parameters:
        parameter.data *= 1.1
        parameter.zero_grad()
    again = with_penalty(cell, penalise, before, at)[1]
    again.backward()
    expected = [again.data, *(parameter.grad for parameter in parameters)]
    same([found["loss"], *found["p_grad"]][: len(expected)], expected)


@pytest.mark.parametrize("own", [False, True])
def test_a_weight_of_a_penalty_can_be_dragged_and_is_not_trained(node, own):
    w, strength = Value(0.9, label="w"), Value(0.01, label="strength")
    cell = (lambda x, h: (w * h + x).tanh()) if own else ScalarRNNCell(w)
    unrolled = unroll(cell, wave(4), h0=0.1)
    loss = mse_loss(unrolled.h[4], 0.5) + strength * w * w
    made = agree(node, from_graph(unrolled, loss), [w, strength, *([] if own else [cell.u, cell.b])], loss, unrolled)
    names = [group["name"] for group in made.facts["groups"]]
    assert names == (["w", "strength"] if own else ["w", "strength", "u", "b"])
    assert spread(made.facts["trained"]) == [i for i, name in enumerate(names) if name != "strength"]


@pytest.mark.parametrize("at", ["every", "last"])
@pytest.mark.parametrize("size", [None, 2])
def test_a_penalty_on_the_initial_state(node, size, at):
    cell = ScalarRNNCell() if size is None else RNNCell(1, size)
    h0 = Value(0.4) if size is None else [Value(0.4), Value(-0.3)]
    unrolled = unroll(cell, wave(5, size and 1), h0)
    state, weight = entries(h0), cell.parameters()[0]
    outputs = [entries(unrolled.h[t])[0] for t in range(1 if at == "every" else 5, 6)]
    loss = total([mse_loss(h, 0.1 * i) for i, h in enumerate(outputs)]) / len(outputs)
    loss = loss + total(entry * entry * weight for entry in state) * 0.1
    source = from_graph(unrolled, loss)
    made = agree(node, source, cell.parameters(), loss, unrolled)
    assert sum(len(spread(group["places"])) for group in made.facts["groups"]) == len(cell.parameters())
    run = RUN.replace(
        "p_grad:", "h0: (computation.backward(), computation.state(0, computation.sequence.grad)), p_grad:"
    )
    same(computed(node, source, made, run=run)["h0"], [entry.grad for entry in state])


def test_a_penalty_on_an_initial_state_that_is_a_weight_is_refused():
    w = Value(0.7, label="w")
    unrolled = unroll(ScalarRNNCell(w), wave(5), w)
    source = from_graph(unrolled, mse_loss(unrolled.h[5], 0.3) + w * w * 0.1)
    with pytest.raises(CompileError, match="is also a parameter") as caught:
        cell_of_page(source, unrolled)
    assert caught.value.node == "w"


def test_a_penalty_on_the_initial_state_comes_last():
    h0 = Value(0.4)
    penalty = h0 * h0 * 0.1
    penalty.label = "penalty"
    unrolled = unroll(ScalarRNNCell(), wave(5), h0)
    with pytest.raises(CompileError, match="initial state, and was computed before") as caught:
        from_graph(unrolled, mse_loss(unrolled.h[5], 0.3) + penalty)
    assert caught.value.node == "penalty"


def test_training_with_a_penalty_on_the_weights(node):
    cell = RNNCell(2, 3)
    parameters = [value for _, value in cell.named_parameters()]
    unrolled, loss = with_penalty(cell, PENALTIES[0], before=False, at="every")
    source = from_graph(unrolled, loss)
    updates = """
const computation = new Computation(program, given.given, given.settings), losses = [];
for (let i = 0; i < 30; i++) {
  losses.push(computation.forward());
  computation.backward();
  update(computation, 0.1, 0.5);
}
return { losses, p: computation.p };
"""
    found = computed(node, source, cell_of_page(source, unrolled), run=updates)
    optimizer, losses = SGD(parameters, lr=0.1), []
    for _ in range(30):
        _, loss = with_penalty(cell, PENALTIES[0], before=False, at="every")
        losses.append(loss.data)
        optimizer.zero_grad()
        loss.backward()
        clip_grad_norm_(parameters, 0.5)
        optimizer.step()
    same(found["losses"], losses)
    same(found["p"][: len(parameters)], [parameter.data for parameter in parameters])


def test_every_application_of_the_chain_rule_has_what_a_penalty_has_given_before(node):
    cell = RNNCell(2, 3)
    unrolled, loss = with_penalty(cell, PENALTIES[0], before=False, at="every")
    source = from_graph(unrolled, loss)
    film = """
const computation = new Computation(program, given.given, given.settings);
computation.forward();
const taken = blocks(computation).flatMap((block) => applications(computation, block));
return taken.map(({ before, after }) => [before, after]);
"""
    found = computed(node, source, cell_of_page(source, unrolled), run=film)
    expected = [(step.gradient_before, step.gradient_after) for step in steps(loss) if step.node.time_step is not None]
    assert [tuple(pair) for pair in found] == expected


def test_an_error_in_a_penalty_names_its_node(node):
    cell = ScalarRNNCell()
    unrolled = unroll(cell, wave(3))
    penalty = cell.w.log()
    penalty.label = "penalty"
    source = from_graph(unrolled, mse_loss(unrolled.h[3], 0.5) + penalty)
    with pytest.raises(ScriptError) as caught:
        computed(node, source, cell_of_page(source, unrolled), scale=-1.0)
    assert (caught.value.facts["node"], caught.value.facts["t"]) == ("penalty", None)


# ---- what lies outside time ------------------------------------------------------------------------------------


def tied(T=6):
    """A cell with a weight that is computed once, from two parameters of which one is also used within time."""
    w, s, u = Value(0.8, label="w"), Value(1.3, label="s"), Value(0.5, label="u")
    w2 = (w * s).tanh() * 2.0
    w2.label = "w2"
    unrolled = unroll(lambda x, h: (w2 * h + u * x + s).tanh(), wave(T), h0=0.1)
    return unrolled, [w, s, u, w2.parents[0].parents[0], w2.parents[0], w2]


@pytest.mark.parametrize("every", [True, False])
def test_what_lies_outside_time_is_computed_once(node, every):
    unrolled, parameters = tied()
    losses = each(unrolled, lambda t: mse_loss(unrolled.h[t], 0.3 * t))
    loss = total(losses) / len(losses) if every else losses[-1]
    made = agree(node, from_graph(unrolled, loss), parameters, loss, unrolled)
    assert made.facts["trained"] == [[0, 3]]
    assert [group["name"] for group in made.facts["groups"]] == ["w", "s", "u"]
    facts = made.programs[""].facts
    assert facts["parameters"] == ["w", "s", "u", "w·s", "tanh(w·s)", "w2"]
    assert facts["outside"] == ["w·s", "tanh(w·s)", "tanh(w·s)·2"]


def test_what_lies_outside_time_follows_its_parameters(node):
    unrolled, parameters = tied()
    source = from_graph(unrolled, mse_loss(unrolled.h[6], 0.5))
    found = computed(node, source, cell_of_page(source, unrolled), scale=1.1)
    for parameter in parameters[:3]:
        parameter.data *= 1.1
    w, s, u = parameters[:3]
    w2 = (w * s).tanh() * 2.0
    again = unroll(lambda x, h: (w2 * h + u * x + s).tanh(), wave(6), h0=0.1)
    loss = mse_loss(again.h[6], 0.5)
    for parameter in parameters:
        parameter.zero_grad()
    loss.backward()
    same([found["loss"], *found["p_grad"][:3]], [loss.data, w.grad, s.grad, u.grad])


def test_a_loss_may_read_what_lies_outside_time(node):
    unrolled, parameters = tied()
    loss = mse_loss(unrolled.h[6] * parameters[-1], 0.5)
    made = agree(node, from_graph(unrolled, loss), parameters, loss, unrolled)
    assert made.programs[""].facts["outside"] == ["w·s", "tanh(w·s)", "tanh(w·s)·2"]


def test_losses_that_read_different_nodes_outside_time_are_refused():
    w = Value(0.8, label="w")
    powers = [w**k for k in range(4)]
    unrolled = unroll(ScalarRNNCell(), wave(3))
    losses = each(unrolled, lambda t: mse_loss(unrolled.h[t] * powers[t], 0.5))
    with pytest.raises(CompileError, match="different nodes") as caught:
        from_graph(unrolled, total(losses))
    assert caught.value.node == "w^1"


def test_an_error_outside_time_names_its_node(node):
    w = Value(0.5, label="w")
    root = w.log()
    root.label = "root"
    unrolled = unroll(lambda x, h: (root * h + x).tanh(), wave(3), h0=0.1)
    source = from_graph(unrolled, mse_loss(unrolled.h[3], 0.5))
    made = cell_of_page(source, unrolled)
    with pytest.raises(ScriptError) as caught:
        computed(node, source, made, scale=-1.0)
    assert (caught.value.facts["node"], caught.value.facts["t"]) == ("root", None)


def test_what_is_computed_from_inputs_or_in_another_time_step_is_refused():
    w, x = Value(0.8, label="w"), Value(0.3, label="x")
    first = w * x
    unrolled = unroll(lambda x, h: (first * h + x).tanh(), [x, x, 0.1], h0=0.1)
    source = from_graph(unrolled, mse_loss(unrolled.h[3], 0.5))
    with pytest.raises(CompileError, match="computed from an input") as caught:
        cell_of_page(source, unrolled)
    assert caught.value.node == "w·x"
    with time_step(7):
        late = w * w
    unrolled = unroll(lambda x, h: (late * h + x).tanh(), [0.1, 0.2], h0=0.1)
    with pytest.raises(CompileError, match="another time step"):
        cell_of_page(from_graph(unrolled, mse_loss(unrolled.h[2], 0.5)), unrolled)


# ---- what cannot be a page ---------------------------------------------------------------------------------------


def test_a_sum_or_a_mean_may_have_a_weight(node):
    cell = ScalarRNNCell()
    unrolled = unroll(cell, [0.1, 0.2, 0.3])
    losses = each(unrolled, lambda t: mse_loss(unrolled.h[t], 0.3 * t))
    for loss, mean in ((total(losses) / 7, False), (1.5 * (total(losses) / 3), True), (-total(losses), False)):
        source = from_graph(unrolled, loss)
        assert source.mean == mean
        agree(node, source, [cell.w, cell.u, cell.b], loss, unrolled)
        assert len(from_graph(unrolled, loss, losses).targets) == 3


@pytest.mark.parametrize("made", [lambda w: w, lambda w: w * 0.5])
@pytest.mark.parametrize(("where", "what", "t"), [("h0", "the initial state", 0), ("x", "an input", 2)])
def test_what_is_given_to_the_time_steps_may_not_depend_on_a_parameter(made, where, what, t):
    w = Value(0.8, label="w")
    inputs, h0 = ([0.1, made(w)], 0.3) if where == "x" else ([0.1, 0.2], made(w))
    unrolled = unroll(lambda x, h: (w * h + x).tanh(), inputs, h0=h0)
    with pytest.raises(CompileError, match=f"{what} is a parameter of the time step, or computed from one") as caught:
        cell_of_page(from_graph(unrolled, mse_loss(unrolled.h[2], 0.5)), unrolled)
    given = unrolled.h[0] if where == "h0" else unrolled.x[2]
    assert (caught.value.node, caught.value.time_step) == (given.name, t)


@pytest.mark.parametrize("kept", ["h", "x"])
def test_a_state_that_is_what_the_time_step_was_given_is_refused_and_a_copy_is_not(kept):
    w = Value(0.8, label="w")

    def delay(copied):
        return lambda x, h, d: (
            (w * h + d + x).tanh(),
            {"h": h, "x": x}[kept] * 1.0 if copied else {"h": h, "x": x}[kept],
        )

    unrolled = unroll(delay(False), [0.1, 0.2], h0=(0.1, 0.2))
    with pytest.raises(CompileError, match="a Value that the time step was given") as caught:
        cell_of_page(from_graph(unrolled, mse_loss(unrolled.h[2], 0.5)), unrolled)
    assert caught.value.remedy == "Return a copy, such as h * 1.0"
    unrolled = unroll(delay(True), [0.1, 0.2], h0=(0.1, 0.2))
    assert cell_of_page(from_graph(unrolled, mse_loss(unrolled.h[2], 0.5)), unrolled).parameters == [w]


def test_losses_that_are_no_sum_of_those_that_were_given_are_refused(small_problem):
    unrolled = small_problem.unrolled
    losses = each(unrolled, lambda t: mse_loss(unrolled.h[t], 0.3 * t))
    with pytest.raises(CompileError, match="not the sum or the mean of the losses that were given"):
        from_graph(unrolled, total(losses), losses[1:])


def test_a_part_of_the_loss_outside_time_between_time_steps_is_refused():
    cell = ScalarRNNCell()
    unrolled = unroll(cell, [0.1, 0.2])
    losses = each(unrolled, lambda t: mse_loss(unrolled.h[t], 0.3 * t))
    penalty = cell.w**2
    penalty.label = "penalty"
    with pytest.raises(CompileError, match="Add it last") as caught:
        from_graph(unrolled, total([losses[0], penalty, losses[1]]))
    assert caught.value.node == "penalty"
    early = cell.w**2
    losses = each(unrolled, lambda t: mse_loss(unrolled.h[t] * cell.w, 0.3 * t))
    with pytest.raises(CompileError, match="after the losses") as caught:
        from_graph(unrolled, total(losses) + early)
    assert caught.value.node == "w^2"
    off = cell.w * 3.7
    with pytest.raises(CompileError, match="read off it") as caught:
        from_graph(unrolled, total(losses) + off * off.data)
    assert caught.value.node == "w·3.7"


def test_losses_of_different_shapes_are_refused():
    unrolled = unroll(ScalarRNNCell(0.9), [1.0, -1.0, 0.5])
    losses = each(unrolled, lambda t: unrolled.h[t] * 2.0 if unrolled.h[t].data > 0 else -unrolled.h[t])
    with pytest.raises(CompileError, match="different shapes") as caught:
        from_graph(unrolled, total(losses))
    assert caught.value.time_step == 2


def test_a_number_that_was_read_off_a_node_is_refused():
    unrolled = unroll(RNNCell(1, 2), [[1.0], [-1.0], [0.5]])
    losses = each(unrolled, lambda t: (unrolled.h[t][0] - max(entry.data for entry in unrolled.h[t])).exp())
    with pytest.raises(CompileError, match="read off") as caught:
        from_graph(unrolled, total(losses))
    assert caught.value.node.startswith("h_1[")
    assert "problem(" in caught.value.remedy


def test_a_loss_that_reads_another_time_step_is_refused(small_problem):
    unrolled = small_problem.unrolled
    losses = [(unrolled.h[t] - unrolled.h[t - 1]) ** 2 for t in (2, 3)]
    with pytest.raises(CompileError, match="reads a node of another one") as caught:
        from_graph(unrolled, total(losses))
    assert (caught.value.node, caught.value.time_step) == ("h_1", 1)


def test_a_closure_in_the_loss_is_refused(small_problem):
    unrolled = small_problem.unrolled
    loss = unrolled.h[3] * 2.0
    loss._backward = lambda: None
    with pytest.raises(CompileError, match="belongs to one node only"):
        from_graph(unrolled, loss * 1.0)


def test_steps_of_different_shapes_are_refused():
    class Counting(Cell):
        def __init__(self):
            self.w, self.calls = Value(0.5, label="w"), 0

        def step(self, x, h):
            self.calls += 1
            return {"h": (self.w * h + x).tanh() if self.calls < 3 else (self.w * h + x).sigmoid()}

        def initial_state(self):
            return (Value(0.1),)

    cell = Counting()
    unrolled = unroll(cell, [0.1, 0.2, 0.3])
    cell.calls = 0
    source = from_graph(unrolled, mse_loss(unrolled.h[3], 0.5))
    with pytest.raises(CompileError) as caught:
        cell_of_page(source, unrolled)
    assert (caught.value.op, caught.value.node, caught.value.time_step) == ("sigmoid", "h_3", 3)


def test_a_cell_that_decides_on_numbers_is_refused():
    class Deciding(Cell):
        def __init__(self):
            self.w = Value(0.5, label="w")

        def step(self, x, h):
            return {"h": self.w * h if h.data > 0 else x * 1.0}

        def initial_state(self):
            return (Value(0.1),)

    unrolled = unroll(Deciding(), [0.1, 0.2])
    with pytest.raises(Exception, match=r"arithmetic\.select") as caught:
        cell_of_page(from_graph(unrolled, mse_loss(unrolled.h[2], 0.5)), unrolled)
    assert "decision" in str(caught.value)
    assert (caught.value.op, caught.value.node) == (">", "h_{t-1} > 0")


def test_a_decision_is_named_by_its_formula():
    w = Value(0.5, label="w")

    def step(x, h):
        z = w * (h + x) ** 2 / 3.0
        return z if z > -w else -z

    unrolled = unroll(step, [0.1, 0.2], h0=0.1)
    with pytest.raises(GraphError) as caught:
        cell_of_page(from_graph(unrolled, mse_loss(unrolled.h[2], 0.5)), unrolled)
    assert (caught.value.op, caught.value.node) == (">", "(w·((h_{t-1} + x_t)^2)) / 3 > −w")


@pytest.mark.parametrize(
    ("forward", "error"),
    [(lambda a: a if a > 0 else 0.0 * a, GraphError), (lambda a: math.log(1.0 + math.exp(a)), CompileError)],
)
def test_an_op_of_the_user_that_cannot_be_a_program_is_named(request, forward, error):
    rigid = register(Op("rigid", "rigid", 1, forward, lambda out, a: (1.0,), "rigid({0})", ("1",)))
    request.addfinalizer(lambda: OPS.pop(rigid.name))
    w = Value(0.5, label="w")
    unrolled = unroll(lambda x, h: Value.apply("rigid", w * h + x), [0.1, 0.2], h0=0.1)
    with pytest.raises(error) as caught:
        cell_of_page(from_graph(unrolled, mse_loss(unrolled.h[2], 0.5)), unrolled)
    assert (caught.value.op, caught.value.node) == ("rigid", "rigid(w·(h_{t-1}) + x_t)")
    assert "arithmetic" in caught.value.remedy


@pytest.mark.parametrize(
    ("inputs", "targets", "error"),
    [([0.1, 0.2], [0.1, [0.2]], CompileError), ([0.1], ["a"], ArgumentError), ([0.1], [object()], ArgumentError)],
)
def test_targets_of_other_kinds_are_refused(inputs, targets, error):
    with pytest.raises(error):
        from_sequence(ScalarRNNCell(), inputs, targets, loss=lambda h, y: h * 1.0)


def test_a_large_time_step_is_refused_with_what_to_do():
    with pytest.raises(CompileError, match="too long a program"):
        cell_of_page(from_sequence(RNNCell(2, 64), [[0.1, 0.2]], [[0.1] * 64]))


@pytest.mark.parametrize(
    ("make", "targets", "loss"),
    [
        (lambda: RNNCell(1, 2), [0, 1, 1], lambda y, t: total((v - (i == t)) ** 2 for i, v in enumerate(y))),
        (lambda: RNNCell(1, 2), [0, 1, 1], lambda y, t: y[1] ** 2 if t == 1 else y[0] ** 2),
        (lambda: RNNCell(1, 1), [1.0, 0.5, 0.2], lambda y, t: (y[0] - 1) ** 2 if t == 1.0 else y[0] * y[0]),
        (lambda: RNNCell(1, 1), [1.0, 0.5, 0.2], lambda y, t: y[0] * {1.0: 2.0}.get(t, 3.0)),
        (lambda: RNNCell(1, 1), [[1.0], [0.5], [0.2]], lambda y, t: y[0] - 1 if 1.0 in t else y[0] * y[0]),
    ],
)
def test_a_loss_that_decides_on_the_target_is_refused(make, targets, loss):
    posed = problem(make(), [[0.1], [0.4], [-0.3]], targets, loss=loss, at="every")
    with pytest.raises(CompileError, match="decision") as caught:
        cell_of_page(from_problem(posed), posed.unrolled)
    assert caught.value.node.startswith("target_t")


def test_a_target_chooses_a_prediction(node):
    cell = RNNCell(1, 3)
    posed = problem(cell, wave(3, 1), [0, 2, 1], loss=lambda y, t: -y[t].sigmoid().log(), at="every")
    agree(node, from_problem(posed), cell.parameters(), posed.loss, posed.unrolled)


@pytest.mark.parametrize("wrong", [-1, 7])
def test_a_class_out_of_range_is_refused_also_where_no_loss_is(wrong):
    posed = problem(RNNCell(1, 2), [[0.1], [0.4], [-0.3]], [0, wrong, 1], loss=cross_entropy)
    with pytest.raises(ArgumentError, match=f"target {wrong} .*time step 2.*from 0 to 1"):
        cell_of_page(from_problem(posed), posed.unrolled)
    posed.targets[1] = None
    cell_of_page(from_problem(posed), posed.unrolled)


def test_equal_input_gives_equal_text():
    posed = problem(LSTMCell(1, 4, seed=1), [[0.1], [0.4]], [[0.1], [0.2]], readout=Linear(4, 1, seed=2), at="every")
    texts = set()
    for _ in range(8):
        programs = cell_of_page(from_problem(posed), posed.unrolled).programs.values()
        texts.add("".join(program.expression + program.module for program in programs))
    assert len(texts) == 1


def counting():
    calls = []

    def step(x, h):
        calls.append(x)
        return (h * 0.5 + x * float(len(calls))).tanh()

    return step


@pytest.mark.parametrize(
    ("step", "node", "t"),
    [
        (lambda x, h: h * 0.5 + x * (2.0 if h.parents else 1.0), "x_2·2", 2),
        (lambda x, h: h * 0.5 + x * (2.0 if x.time_step == 1 else 1.0), "x_1·2", 1),
        (lambda x, h: h * 0.5 + x * len(f"{h.data:.2f}"), "x_1·4", 1),
        (counting(), "x_1·1", 1),
    ],
)
def test_time_steps_of_different_constants_are_refused(step, node, t):
    unrolled = unroll(step, [1.0, 0.2, -0.3, 0.4], h0=0.1)
    with pytest.raises(CompileError, match=r"a constant is .* as an input") as caught:
        cell_of_page(from_graph(unrolled, mse_loss(unrolled.h[4], 0.3)), unrolled)
    assert (caught.value.op, caught.value.node, caught.value.time_step) == ("mul", node, t)


def test_a_constant_that_is_no_number_is_the_same_everywhere():
    unrolled = unroll(lambda x, h: (h * 0.5 + x).minimum(math.nan) * 0.0 + h, [1.0, 0.2], h0=0.1)
    cell_of_page(from_graph(unrolled, mse_loss(unrolled.h[2], 0.3)), unrolled)


def test_a_loss_that_decides_on_the_type_of_a_target_is_refused():
    posed = problem(
        ScalarRNNCell(), [0.1, 0.2], [0.3, 0.4], loss=lambda y, t: (y - t) ** 2 if isinstance(t, float) else y * y
    )
    with pytest.raises(CompileError, match="in Python") as caught:
        cell_of_page(from_problem(posed), posed.unrolled)
    assert caught.value.time_step == 1


def test_parameters_that_have_changed_since_are_those_of_the_page(node):
    posed = problem(RNNCell(1, 2), wave(3, 1), [0, 1, 1], readout=Linear(2, 2), loss=cross_entropy, at="every")
    for parameter in posed.readout.parameters():
        parameter.data += 0.5
    made = cell_of_page(from_problem(posed), posed.unrolled)
    again = problem(posed.cell, wave(3, 1), [0, 1, 1], readout=posed.readout, loss=cross_entropy, at="every")
    assert computed(node, from_problem(again), made)["loss"] == pytest.approx(again.loss.data)


class Unlabelled(Cell):
    def __init__(self):
        self.alpha, self.beta = Value(0.3), [Value(0.1), Value(0.2)]

    def step(self, x, h):
        return {"h": (self.alpha * h + self.beta[0] * x + self.beta[1]).tanh()}

    def initial_state(self):
        return (Value(0.0),)


def test_parameters_without_labels_go_by_the_names_that_a_module_has_for_them():
    program = cell_of_page(from_sequence(Unlabelled(), [0.1], [0.2])).programs[""]
    assert program.facts["parameters"] == ["alpha", "beta[0]", "beta[1]"]
    assert "alpha·h_\ua7fc" in {name for names in program.facts["nodes"] for name in names}
    assert "const alpha = p[0], beta_0 = p[1], beta_1 = p[2]" in program.module
    assert "// v5 = alpha·h_{t-1}" in program.module
    assert not re.search(r"None|load#", program.module + program.expression)


def test_parameters_without_any_name_go_by_their_numbers():
    u = [Value(0.1), Value(0.2)]
    unrolled = unroll(lambda x, h: (u[0] * h + u[1] * x).tanh(), [0.1, 0.2], h0=0.1)
    made = cell_of_page(from_graph(unrolled, mse_loss(unrolled.h[2], 0.3)), unrolled)
    program = made.programs[""]
    assert (
        program.facts["parameters"]
        == [group["name"] for group in made.facts["groups"]]
        == ["parameter 0", "parameter 1"]
    )
    assert "(parameter 0)·h_\ua7fc" in {name for names in program.facts["nodes"] for name in names}
    assert "const parameter_0 = p[0], parameter_1 = p[1]" in program.module
    assert not re.search(r"None|load#", program.module + program.expression)


@pytest.mark.parametrize("loss", [lambda y, t: (y[0] - t) ** 2, lambda y, t: binary_cross_entropy_with_logits(y[0], t)])
def test_whole_numbers_are_compared_with_a_single_prediction(node, loss):
    cell, readout = RNNCell(1, 2), Linear(2, 1)
    posed = problem(cell, wave(3, 1), [0, 1, 1], readout=readout, loss=loss, at="every")
    source = from_problem(posed)
    made = cell_of_page(source, posed.unrolled)
    assert computed(node, source, made)["loss"] == pytest.approx(posed.loss.data, rel=1e-14)


def test_the_only_class_may_be_the_target():
    posed = problem(RNNCell(1, 1), wave(2, 1), [0, 0], loss=cross_entropy)
    assert cell_of_page(from_problem(posed), posed.unrolled).limits == {"target": 1}
