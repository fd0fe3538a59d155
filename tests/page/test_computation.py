"""What the page computes, in Node.js, with CPython's functions: every number is that of the engine, to the bit."""

import math
import random
from importlib.resources import files

import pytest

from tinygrad_rnn import (
    GRUCell,
    Linear,
    LSTMCell,
    RNNCell,
    ScalarRNNCell,
    Value,
    cross_entropy,
    mse_loss,
    problem,
    total,
    unroll,
)
from tinygrad_rnn.bptt.anatomy import anatomy, norm
from tinygrad_rnn.bptt.decay import decay
from tinygrad_rnn.bptt.jacobian import jacobian_products
from tinygrad_rnn.bptt.truncated import truncated_bptt
from tinygrad_rnn.bptt.truncation import truncated_backward, truncation
from tinygrad_rnn.bptt.verdict import kept, verdict
from tinygrad_rnn.compile import Number, Recurrence, Symbols, Vector
from tinygrad_rnn.compile.javascript import PRELUDE, SEQUENCE, javascript
from tinygrad_rnn.engine.passes import steps
from tinygrad_rnn.errors import DomainError
from tinygrad_rnn.nn import StackedCell
from tinygrad_rnn.nn.linalg import spectral_norm
from tinygrad_rnn.nn.quantities import entries
from tinygrad_rnn.optim import SGD, clip_grad_norm_
from tinygrad_rnn.page.verdict import verdict_script
from tinygrad_rnn.pictures.states import arrange
from tinygrad_rnn.pictures.subject import Subject
from tinygrad_rnn.pictures.text import number as written
from tinygrad_rnn.pictures.text import power_of_ten
from tinygrad_rnn.pictures.view import View

from ..node import FROM_PYTHON, node
from ..random_problems import GatedCell

__all__ = ["node"]

MODULES = ("computation", "kept", "jacobians", "applications", "split", "law", "train", "wiring")
ASSETS = "\n".join(
    (files("tinygrad_rnn.page") / "assets" / f"{name}.js").read_text(encoding="utf-8").replace('"use strict";', "")
    for name in MODULES
)


class Posed:
    """A problem of the page, in Python and in JavaScript."""

    def __init__(self, name, seed, T, at="every", nonlinearity="tanh"):
        rng = random.Random(f"{name} {seed}")
        self.readout, self.loss, self.at = None, mse_loss, at
        x, target = Vector(2), Vector(3)
        if name == "scalar":
            cell = ScalarRNNCell(*(rng.gauss(0, 1) for _ in range(3)), nonlinearity=nonlinearity)
            x, target = Number(), Number()
        elif name == "rnn":
            cell = RNNCell(2, 3, nonlinearity=nonlinearity, seed=rng)
        elif name == "lstm":
            cell, self.readout, target = LSTMCell(2, 3, seed=rng), Linear(3, 2, seed=rng), Vector(2)
        elif name == "gru":
            cell, self.readout, target = GRUCell(2, 2, seed=rng), Linear(2, 4, seed=rng), Symbols(4)
            self.loss = cross_entropy
        elif name == "stack":
            cell = StackedCell([GRUCell(2, 2, seed=rng), LSTMCell(2, 2, seed=rng)])
            self.readout, target = Linear(2, 2, seed=rng), Vector(2)
        else:
            cell = GatedCell(2, 3, seed=seed)
        self.cell, self.nonlinearity = cell, nonlinearity

        def numbers(kind):
            if isinstance(kind, Symbols):
                return rng.randrange(kind.size)
            return rng.gauss(0, 1) if isinstance(kind, Number) else [rng.gauss(0, 1) for _ in range(kind.size)]

        self.inputs, self.targets = [numbers(x) for _ in range(T)], [numbers(target) for _ in range(T)]
        self._program(Recurrence(cell, x=x, loss=self.loss, target=target, readout=self.readout))
        self.given |= {
            "x": [entries(x) for x in self.inputs],
            "target": [[float(number) for number in entries(target)] for target in self.targets],
        }
        self.settings = {"at": at}

    @classmethod
    def of(cls, recurrence):
        """The time step of a recurrence, as yet without a sequence."""
        posed = cls.__new__(cls)
        posed._program(recurrence)
        return posed

    def _program(self, recurrence):
        self.parameters = recurrence.parameters
        self.program = javascript(recurrence.step, self.parameters)
        self.given = {
            "p": [parameter.data for parameter in self.parameters],
            "h0": [0.0] * self.program.facts["state"],
        }

    def pose(self):
        """The problem as the engine has it, without gradients."""
        for parameter in self.parameters:
            parameter.zero_grad()
        return problem(self.cell, self.inputs, self.targets, readout=self.readout, loss=self.loss, at=self.at)

    def script(self, code, exact=True):
        return (
            f"{PRELUDE}\n{SEQUENCE}\n{verdict_script()}\n{ASSETS}\nconst program = {self.program.expression};\n"
            f"{FROM_PYTHON * exact}const computation = new Computation(program, given.given, given.settings);\n"
            f"computation.cuts = new Set(given.settings.cuts ?? []);\ncomputation.forward();\n{code}"
        )

    def run(self, node, code, settings=(), exact=True, **more):
        given = {"given": self.given, "settings": {**self.settings, **dict(settings)}, **more}
        return node.run(self.script(code, exact), given)

    def place(self, value):
        """Where a node of the state or a parameter lies, as the facts' edges say it."""
        return self.parameters.index(value)

    def which(self, tree):
        return [self.parameters.index(entry) for entry in entries(tree)]


KINDS = ["scalar", "rnn", "lstm", "gru", "stack", "own"]
cases = pytest.mark.parametrize("kind", KINDS)


def same(found, expected):
    """The same numbers to the bit, but for the sign of zero."""
    assert [0.0 + number for number in found] == [0.0 + number for number in expected]


@pytest.mark.slow
@cases
@pytest.mark.parametrize("at", ["last", "every"])
@pytest.mark.parametrize("T", [1, 2, 7])
def test_the_loss_and_all_gradients(node, kind, at, T):
    posed = Posed(kind, 1, T, at)
    eager = posed.pose()
    eager.loss.backward()
    found = posed.run(
        node,
        "computation.backward(); const { sequence } = computation;"
        "return { loss: computation.loss, p_grad: sequence.p_grad, "
        "states: sequence.grad.map((_, t) => computation.state(t, sequence.grad)), x: sequence.grad };",
    )
    same([found["loss"]], [eager.loss.data])
    same(found["p_grad"], [parameter.grad for parameter in posed.parameters])
    for t in range(T + 1):
        same(found["states"][t], [entry.grad for entry in eager.unrolled.state(t)])
    for t in range(1, T + 1):
        same(found["x"][t][: len(posed.given["x"][0])], [entry.grad for entry in entries(eager.unrolled.x[t])])


@cases
@pytest.mark.slow
def test_a_hundred_updates(node, kind):
    posed = Posed(kind, 2, 5)
    settings = {"lr": 0.05, "clip": 0.5}
    found = posed.run(
        node,
        """const losses = [], norms = [];
        for (let i = 0; i < 100; i++) {
          losses.push(computation.forward());
          computation.backward();
          norms.push(update(computation, given.lr, given.clip));
        }
        return { losses, norms, p: computation.p };""",
        **settings,
    )
    optimizer, losses, norms = SGD(posed.parameters, lr=settings["lr"]), [], []
    for _ in range(100):
        loss = posed.pose().loss
        loss.backward()
        losses.append(loss.data)
        norms.append(clip_grad_norm_(posed.parameters, settings["clip"]))
        optimizer.step()
    same(found["losses"], losses)
    same(found["norms"], norms)
    same(found["p"], [parameter.data for parameter in posed.parameters])


def test_an_explosion_stops_with_the_update_that_did_it(node):
    posed = Posed("scalar", 1, 6, nonlinearity="identity")
    posed.given["p"] = [1e200, 1.0, 0.0]
    code = """computation.backward();
    try { update(computation, 0.1); } catch (error) { return { ...error, p: computation.p }; }"""
    found = posed.run(node, code)
    optimizer = SGD(posed.parameters, lr=0.1)
    for parameter, number in zip(posed.parameters, posed.given["p"]):
        parameter.data = number
    posed.pose().loss.backward()
    with pytest.raises(DomainError) as caught:
        optimizer.step()
    assert found["parameter"] == caught.value.node
    assert found["p"] == posed.given["p"]


@cases
@pytest.mark.parametrize(("k1", "k2"), [(1, 1), (1, 3), (2, 3), (3, 3), (2, 9), (9, 9)])
@pytest.mark.slow
def test_truncation_is_that_of_truncated_bptt(node, kind, k1, k2):
    posed = Posed(kind, 3, 7)
    found = posed.run(
        node,
        """computation.backward(); const { sequence } = computation;
        return { p_grad: sequence.p_grad, states: sequence.grad.map((_, t) => computation.state(t, sequence.grad)),
                 walks: sequence.walks };""",
        {"k1": k1, "k2": k2},
    )
    eager = posed.pose()
    truncated_backward(eager.unrolled, eager.loss, {loss.time_step: loss for loss in eager.losses}, k1, k2)
    same(found["p_grad"], [parameter.grad for parameter in posed.parameters])
    for t in range(8):
        if all(entry.has_grad for entry in eager.unrolled.state(t)):
            same(found["states"][t], [entry.grad for entry in eager.unrolled.state(t)])
    posed.pose()
    truncated_bptt(posed.cell, posed.inputs, posed.targets, k1, k2, loss=posed.loss, readout=posed.readout)
    summed = [parameter.grad / 7 for parameter in posed.parameters]
    assert found["p_grad"] == pytest.approx(summed, rel=1e-12, abs=1e-15)


@cases
@pytest.mark.parametrize("cuts", [[3], [1, 5], [6]])
def test_links_that_are_cut_pass_nothing_on(node, kind, cuts):
    posed = Posed(kind, 4, 7)
    found = posed.run(node, "return computation.backward();", {"cuts": cuts})
    for parameter in posed.parameters:
        parameter.zero_grad()
    state, losses = None, []
    for first, last in zip([0, *cuts], [*cuts, 7]):
        unrolled = unroll(posed.cell, posed.inputs[first:last], state, posed.readout, first=first + 1)
        outputs = unrolled.h if posed.readout is None else unrolled.y
        losses += [posed.loss(outputs[t], posed.targets[t - 1]) for t in range(first + 1, last + 1)]
        parts = tuple(unrolled[name][last] for name in unrolled.state_names)
        parts = tuple(p.detach() if isinstance(p, Value) else [e.detach() for e in p] for p in parts)
        state = parts if len(parts) > 1 else parts[0]
    (total(losses) / 7).backward()
    expected = [parameter.grad for parameter in posed.parameters]
    assert found == pytest.approx(expected, rel=1e-13, abs=1e-16)


@cases
@pytest.mark.parametrize("at", ["last", "every"])
@pytest.mark.slow
def test_every_application_of_the_chain_rule(node, kind, at):
    posed = Posed(kind, 5, 4, at)
    found = posed.run(node, "return blocks(computation).flatMap((block) => applications(computation, block));")
    eager = posed.pose()
    taken = [step for step in steps(eager.loss) if step.node.time_step is not None]
    assert len(found) == len(taken)
    for one, step in zip(found, taken):
        assert one["t"] == step.node.time_step
        assert one["operand"] == step.position
        same(
            [one["local"], one["contribution"], one["after"]],
            [step.local_gradient, step.contribution, step.gradient_after],
        )


@cases
def test_jacobians_and_their_products(node, kind):
    posed = Posed(kind, 6, 6)
    found = posed.run(
        node,
        "return jacobianProducts(computation).map(([chain, J]) => "
        "({ chain: chain.map((r) => [...r]), J: J.map((r) => [...r]), norm: spectralNorm(chain) }));",
    )
    for one, (_, chain, J) in zip(found, jacobian_products(posed.pose().unrolled), strict=True):
        same(entries(one["J"]), entries(J))
        same(entries(one["chain"]), entries(chain))
        assert one["norm"] == pytest.approx(spectral_norm(chain), rel=1e-13)


@cases
@pytest.mark.parametrize("at", ["last", "every"])
def test_what_is_kept_and_what_that_is_called(node, kind, at):
    posed = Posed(kind, 7, 9, at)
    found = posed.run(
        node, "return [null, ...Object.keys(program.facts.parts)].map((part) => kept(computation, part));"
    )
    eager = posed.pose()
    expected = [kept(eager.unrolled, eager.loss, part) for part in (None, *eager.unrolled.state_names)]
    for one, other in zip(found, expected, strict=True):
        same(one, other)


def test_of_an_infinite_gradient_is_left_what_is_left_of_its_direction(node):
    posed = Posed("scalar", 7, 5, nonlinearity="identity")
    posed.cell.w.data = 1e150
    posed.given["p"][0] = 1e150
    found = posed.run(node, "return kept(computation);")
    eager = posed.pose()
    assert kept(eager.unrolled, eager.loss) == found
    assert found == pytest.approx([1.0, 1e150, 1e300, math.inf, math.inf, math.inf], rel=1e-13)


@pytest.mark.parametrize(
    ("gradient", "expected"),
    [
        ([0.0, 0.0], [0.0, 0.0]),
        ([-math.inf], [-1.0]),
        ([3.0, math.inf], [0.0, 1.0]),
        ([1.5e308, -1.5e308], [0.5**0.5, -(0.5**0.5)]),
        ([3e-320, 4e-320], [0.6, 0.8]),
        ([math.inf, math.inf], [math.nan, math.nan]),
        ([math.nan, math.inf], [math.nan, math.nan]),
    ],
)
def test_a_direction_has_norm_1(node, gradient, expected):
    given = str(gradient).replace("inf", "Infinity").replace("nan", "NaN")
    found = Posed("scalar", 7, 5).run(node, f"return direction({given});")
    assert found == pytest.approx(expected, rel=1e-3 if 0.0 < max(gradient) < 1e-300 else 1e-15, nan_ok=True)


def test_words_of_verdicts(node):
    numbers = [
        0.0,
        5e-324,
        0.005,
        0.01,
        0.1,
        0.4999,
        0.5,
        1.0,
        2.0,
        2.0001,
        50.0,
        100.0,
        101.0,
        1e308,
        math.inf,
        math.nan,
    ]
    code = Posed("scalar", 1, 1).script("return given.numbers.map((n) => [verdictWord(n), meanFactor(n, 7)]);")
    given = {"given": Posed("scalar", 1, 1).given, "settings": {}, "numbers": numbers}
    for number, (word, factor) in zip(numbers, node.run(code, given), strict=True):
        assert word == verdict(number, 7).word
        assert factor == verdict(number, 7).factor or math.isnan(number)


def test_numbers_are_written_as_in_pictures(node):
    text = (files("tinygrad_rnn.page") / "assets" / "dom.js").read_text(encoding="utf-8")
    writers = text[text.index("// ---- numbers") : text.index("// ---- time")]
    rng = random.Random(0)
    numbers = [0.0, -0.0, 1e4, 9999.0, 9.5, -1e-5, 5e-324, 1.7e308, math.inf, -math.inf, math.nan]
    numbers += [rng.choice((-1, 1)) * 10 ** rng.uniform(-9, 9) for _ in range(300)]
    numbers += [rng.randrange(1, 4096) / 2 ** rng.randrange(12) for _ in range(300)]  # some halfway between two
    for digits in (1, 2, 3, 4):
        code = f"{writers}\nreturn given.map((x) => shown(x, {digits}));"
        assert node.run(code, numbers) == [written(x, digits) for x in numbers]
    sizes = [-2e3, -299.9, 0.3, 300.0, 999.9999, -math.inf, math.inf, math.nan]
    powers = [(log10, sign) for log10 in (*sizes, *(rng.uniform(-900, 900) for _ in range(99))) for sign in (1.0, -1.0)]
    code = f"{writers}\nreturn given.map(([log10, sign]) => powerOfTen(log10, sign));"
    assert node.run(code, powers) == [power_of_ten(sign, log10) for log10, sign in powers]


@cases
@pytest.mark.parametrize("at", ["last", "every"])
@pytest.mark.parametrize(("k1", "k2"), [(None, None), (2, 3)])
@pytest.mark.slow
def test_where_a_gradient_came_from(node, kind, at, k1, k2):
    posed = Posed(kind, 8, 6, at)
    eager = posed.pose()
    losses = {
        loss.time_step: loss * (1.0 / len(eager.losses)) if len(eager.losses) > 1 else loss for loss in eager.losses
    }
    trees = [tree for tree in vars(posed.cell).values() if isinstance(tree, (Value, list)) and entries(tree)]
    for tree in trees or [posed.cell.gates[0].W, posed.cell.gates[-1].b]:
        if entries(tree)[0] not in posed.parameters:
            continue
        found = posed.run(
            node,
            """const { losses } = computation, sums = new SplitSums(computation, given.which.length);
            const parts = losses.map((t) => new Array(t));
            split(computation, given.which, (k, t, cell) => {
                sums.add(k, t, cell);
                parts[losses.indexOf(t)][k - 1] = cell.slice();
            });
            return { parts, sums: { ...sums, computation: null } };""",
            {"k1": k1, "k2": k2},
            which=posed.which(tree),
        )
        whole = anatomy(eager.unrolled, losses, tree)
        cut = truncation(whole, k1 or 6, k2 or 6)
        for column, t in zip(found["parts"], whole.loss_steps, strict=True):
            for k in range(1, t + 1):
                same(column[k - 1], entries(whole[k, t]))
        sums = found["sums"]
        for key, expected in (("total", whole), ("kept", cut.kept), ("cut", cut.cut)):
            same(sums[key], entries(expected.total()))
        for key, expected in (("by_use", whole.by_use_step()), ("by_loss", whole.by_loss_step())):
            for step, numbers in expected.items():
                same(sums[key][step], entries(numbers))
        for lag, numbers in whole.by_lag().items():
            same(sums["by_lag"][lag], entries(numbers))
        for key, expected in (
            ("kept_by_use", cut.kept.by_use_step()),
            ("kept_by_loss", cut.kept.by_loss_step()),
            ("kept_by_lag", cut.kept.by_lag()),
        ):
            for step, numbers in expected.items():
                same(sums[key][step], entries(numbers))


@cases
def test_decay_for_every_norm(node, kind):
    posed = Posed(kind, 9, 8)
    weights = {
        "scalar": lambda cell: [[[cell.w]]],
        "own": lambda cell: [cell.F, cell.A],
        "stack": lambda cell: [gate.W for layer in cell.cells for gate in layer.gates],
    }.get(kind, lambda cell: [gate.W for gate in cell.gates])(posed.cell)
    places = [[[posed.parameters.index(entry) for entry in row] for row in W] for W in weights]
    norms = [0.5, 1.0, 1.7]
    found = posed.run(
        node,
        """const own = computation.p;
        return given.norms.map((norm) => {
          computation.p = withNorm(own, given.places, norm);
          computation.forward();
          return { parts: measured(program), curves: decayCurves(computation),
                   own: normOfWeights(computation.p, given.places), law: lawCurve(1, norm, computation.T) };
        });""",
        places=places,
        norms=norms,
    )
    before = posed.given["p"]
    largest = max(spectral_norm([[entry.data for entry in row] for row in W]) for W in weights)

    def make(size):
        for parameter, number in zip(posed.parameters, before):
            parameter.data = number
        for W in weights:
            for entry in entries(W):
                entry.data = size / largest * entry.data
        return posed.cell

    assert found[0]["parts"][0] == "h"
    assert sorted(found[0]["parts"]) == sorted(posed.cell.state_names)
    for state_number, state in enumerate(found[0]["parts"]):
        for one, curve in zip(found, decay(make, norms, posed.inputs, state=state), strict=True):
            assert one["own"] == pytest.approx(curve.W_norm, rel=1e-13)
            assert one["curves"][state_number] == pytest.approx(curve.gradients, rel=1e-13)
            if state == "h":
                assert one["law"] == pytest.approx(curve.law, rel=1e-15)


@cases
def test_the_parts_of_the_state_hang_together_as_in_a_picture(node, kind):
    posed = Posed(kind, 10, 3)
    eager = posed.pose()
    subject = Subject(eager.unrolled, eager.losses[-1], View(), 20)
    found = posed.run(node, "return wiringOf(program);")
    for name, ways in (("across", subject.dependencies(3)), ("within", subject.within(3))):
        assert sorted(map(tuple, found[name])) == sorted(ways)
    assert sorted(found["input"]) == sorted(subject.entered(3))
    assert found["loss"] == subject.direct[3]


def test_of_a_state_that_the_input_does_not_enter_no_arrow_says_so(node):
    v, w = Value(0.7, label="v"), Value(0.9, label="w")

    def cell(x, h, c):
        return (w * h + c).tanh(), (v * c + x).tanh()

    posed = Posed.of(Recurrence(cell, x=Number(), h0=(0.0, 0.0), loss=lambda y: y**2))
    posed.given |= {"x": [[0.5]], "target": [[]]}
    posed.settings = {"at": "last"}
    assert posed.run(node, "return wiringOf(program);") == {
        "across": [["c", "h"], ["h", "h"], ["c", "c"]],
        "within": [],
        "input": ["c"],
        "loss": ["h"],
    }
    unrolled = unroll(cell, [0.5, 0.1], h0=(0.0, 0.0))
    picture = arrange(Subject(unrolled, unrolled.h[2] ** 2, View(), 20))
    assert [line.id for line in picture.lines if line.id.endswith("fromx_2")] == ["c_2fromx_2"]


def test_norms_are_those_of_python(node):
    rng = random.Random(1)
    matrices = [[[rng.gauss(0, 1) for _ in range(n)] for _ in range(m)] for m in (1, 2, 3, 5) for n in (1, 2, 4)]
    code = Posed("scalar", 1, 1).script("return given.matrices.map(spectralNorm);", exact=False)
    found = node.run(code, {"given": Posed("scalar", 1, 1).given, "settings": {}, "matrices": [*matrices, [[0.0]]]})
    assert found == pytest.approx([*map(spectral_norm, matrices), 0.0], rel=1e-14)
    assert norm([3.0, 4.0]) == 5.0
