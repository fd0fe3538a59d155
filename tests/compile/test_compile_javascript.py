"""The time step as JavaScript, run in Node.js: the numbers of the eager engine, to the bit with CPython's functions."""

from __future__ import annotations

import json
import math
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinygrad_rnn import LSTMCell, ScalarRNNCell, Value, mse_loss, total
from tinygrad_rnn.bptt.jacobian import jacobian_products
from tinygrad_rnn.cli import main
from tinygrad_rnn.compile import Number, Recurrence, Symbols, Vector
from tinygrad_rnn.compile.javascript import PRELUDE, SEQUENCE, javascript
from tinygrad_rnn.compile.javascript.facts import facts_as_text
from tinygrad_rnn.engine.ops import OPS
from tinygrad_rnn.errors import CompileError, DomainError
from tinygrad_rnn.nn import Cell
from tinygrad_rnn.nn.linalg import spectral_norm

from ..node import FROM_PYTHON, Node, ScriptError, node
from .test_compile_recurrence import CASES, bits, draw_numbers

__all__ = ["node"]

RUN = """
const sequence = new Sequence(program, Float64Array.from(given.p), given.x.length);
sequence.start(given.h0);
given.x.forEach((x, i) => sequence.give(i + 1, x, given.mask[i] ? given.target[i] : null));
const loss = sequence.forward();
sequence.backward();
return { loss, p_grad: sequence.p_grad, now: sequence.now, grad: sequence.grad, walks: sequence.walks };
"""
_made: dict[str, tuple[Recurrence, str]] = {}


def made(case: str) -> tuple[Recurrence, str]:
    """The recurrence, and its program with what it needs."""
    if case not in _made:
        program = Recurrence(**CASES[case](), loss_at="mask")
        written = javascript(program.step, program.parameters)
        _made[case] = program, f"{PRELUDE}\n{SEQUENCE}\nconst program = {written.expression};\n"
    return _made[case]


def row(entry: Any) -> list[float]:
    return [float(each) for each in (entry if isinstance(entry, list) else [entry])]


def run(node: Node, case: str, x: Any, target: Any, h0: Any, mask: Any, exact: bool = True) -> dict[str, Any]:
    program, code = made(case)
    facts = {
        "p": [parameter.data for parameter in program.parameters],
        "x": [row(entry) for entry in x],
        "target": [[] if target is None else row(target[i]) for i in range(len(x))],
        "h0": program.step.initial if h0 is None else h0,
        "mask": mask,
    }
    found: dict[str, Any] = node.run(code + FROM_PYTHON * exact + RUN, facts)
    return found


def eager(case: str, x: Any, target: Any, h0: Any, mask: Any) -> tuple[float, list[float], Any]:
    program, _ = made(case)
    for parameter in program.parameters:
        parameter.zero_grad()
    unrolled, loss = program.eager(x, target, h0, mask)
    if loss is not None:
        loss.backward()
    return 0.0 if loss is None else loss.data, [parameter.grad for parameter in program.parameters], unrolled


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("at", ["every", "last"])
@pytest.mark.parametrize("T", [1, 6])
def test_loss_and_gradients_are_those_of_the_eager_engine_to_the_bit(node, case, at, T):
    rng = random.Random(case)
    program, _ = made(case)
    x, target = draw_numbers(rng, program.step.x, 1, T)[0], draw_numbers(rng, program.step.target, 1, T)
    target, mask = target and target[0], [at == "every"] * (T - 1) + [True]
    loss, gradients, unrolled = eager(case, x, target, None, mask)
    calls = node.calls
    found = run(node, case, x, target, None, mask)
    assert node.calls > calls or case == "no library"
    assert bits(found["loss"]) == bits(0.0 + loss)
    assert [bits(0.0 + g) for g in found["p_grad"]] == [bits(0.0 + g) for g in gradients]
    first = javascript(program.step, program.parameters).facts["first"]
    for t in range(T + 1):
        state = unrolled.state(t)
        assert found["now"][t][first : first + len(state)] == [node.data for node in state]
        if t and case != "of the user":
            assert [0.0 + g for g in found["grad"][t][first : first + len(state)]] == [node.grad for node in state]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    case=st.sampled_from(["scalar", "rnn", "lstm", "gru", "stacked", "of the user"]), T=st.integers(1, 7),
    rng=st.randoms(use_true_random=False),
    weight=st.floats(-1e3, 1e3) | st.sampled_from([0.0, -0.0, 5e-324, 1e300, -1e300, math.inf, math.nan]),
)  # fmt: skip
@pytest.mark.slow
def test_any_weights_any_mask_any_state(node, case, T, rng, weight):
    program, _ = made(case)
    for parameter in program.parameters:
        parameter.data = weight if rng.random() < 0.1 else rng.gauss(0, 1)
    x, target = draw_numbers(rng, program.step.x, 1, T)[0], draw_numbers(rng, program.step.target, 1, T)[0]
    h0 = [rng.gauss(0, 1) for _ in range(len(program.step.initial))]
    mask = [rng.random() < 0.6 for _ in range(T)]
    try:
        loss, gradients, _ = eager(case, x, target, h0, mask)
    except DomainError as error:
        expected = error.time_step, error.node
    else:
        expected = None
    if expected:
        with pytest.raises(ScriptError) as caught:
            run(node, case, x, target, h0, mask)
        assert (caught.value.facts["t"], caught.value.facts["node"]) == expected
        return
    found = run(node, case, x, target, h0, mask)
    assert bits(found["loss"]) == bits(0.0 + loss)
    assert [bits(0.0 + g) for g in found["p_grad"]] == [bits(0.0 + g) for g in gradients]


# ---- every op ---------------------------------------------------------------------------------------------------


class OneOp(Cell):
    """h_t is an op of h_{t-1}, x_t and a parameter, as many as it takes."""

    def __init__(self, op: str, arity: int) -> None:
        self.op, self.arity, self.w = op, arity, Value(0.0, label="w")

    def step(self, x: Any, h: Any) -> dict[str, Any]:
        return {"h": Value.apply(self.op, *[h * self.w + x, x - h * 0.5, h][: self.arity]) * 1.0}

    def initial_state(self) -> tuple[Any, ...]:
        return (Value(0.0),)


@pytest.mark.parametrize("op", OPS)
def test_every_op_gives_the_bits_of_the_engine_or_names_the_node_that_it_names(node, op):
    rng = random.Random(op)
    cell = OneOp(op, OPS[op].arity)
    program = Recurrence(cell, x=Number(), loss=lambda h: h * h)
    written = javascript(program.step, program.parameters)
    code = f"{PRELUDE}\n{SEQUENCE}\nconst program = {written.expression};\n{FROM_PYTHON}{RUN}"
    errors = good = 0
    for _ in range(60):
        pool = [0.0, -0.0, 1.0, -1.0, 2.0, 700.0, 1e200, 5e-324, rng.gauss(0, 1), rng.gauss(0, 3), rng.gauss(0, 1)]
        cell.w.data, h0 = rng.choice([*pool, math.inf]), rng.choice(pool)
        x = [rng.choice(pool) for _ in range(2)]
        facts = {"p": [cell.w.data], "x": [[each] for each in x], "target": [[], []], "h0": [h0], "mask": [True, True]}
        cell.w.zero_grad()
        try:
            _, loss = program.eager(x, None, [h0])
            loss.backward()
        except DomainError as error:
            expected = error.time_step, error.node
        else:
            expected = None
        if expected:
            errors += 1
            with pytest.raises(ScriptError) as caught:
                node.run(code, facts)
            assert caught.value.facts["name"] == "DomainError"
            assert (caught.value.facts["t"], caught.value.facts["node"]) == expected
        else:
            good += 1
            found = node.run(code, facts)
            assert bits(found["loss"]) == bits(0.0 + loss.data)
            assert bits(0.0 + found["p_grad"][0]) == bits(0.0 + cell.w.grad)
    assert good > 5
    assert errors > 1 or not OPS[op].domain


# ---- with the functions of JavaScript ---------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["scalar", "relu", "rnn", "lstm", "gru", "stacked", "of the user"])
def test_with_its_own_functions_gradients_agree_to_twelve_digits_of_the_largest(node, case):
    rng, compared = random.Random(case), 0
    program, _ = made(case)
    for T in (1, 2, 5, 8, 8, 12):
        for parameter in program.parameters:
            parameter.data = rng.gauss(0, 1)
        x, target = draw_numbers(rng, program.step.x, 1, T)[0], draw_numbers(rng, program.step.target, 1, T)[0]
        mask = [rng.random() < 0.6 for _ in range(T - 1)] + [True]
        loss, gradients, unrolled = eager(case, x, target, None, mask)
        if max(spectral_norm(product) for _, product, _ in jacobian_products(unrolled)) > 1e3:
            continue  # rounding grows with the product
        found = run(node, case, x, target, None, mask, exact=False)
        assert found["loss"] == pytest.approx(loss, rel=1e-12)
        assert found["p_grad"] == pytest.approx(gradients, rel=0, abs=1e-12 * max(map(abs, gradients)))
        compared += 1
    assert compared > 2


def test_powers_of_one_are_those_of_c(node):
    code = f"{PRELUDE}\nreturn given.map(([a, b]) => library.pow(a, b));"
    pairs = [(1.0, math.nan), (-1.0, math.inf), (-1.0, -math.inf), (1.0, -math.inf), (math.nan, 0.0), (-2.0, 3.0)]
    assert node.run(code, pairs) == [math.pow(a, b) for a, b in pairs]


# ---- the text ---------------------------------------------------------------------------------------------------


def test_a_line_per_node_with_its_label():
    text = Recurrence(**CASES["scalar"]()).javascript
    for line in (
        "= w * h_before;",
        "// z_t = v7 + b",
        "// h_t = tanh(z_t)",
        "z_t_grad = ",
        "// ∂L/∂z_t",
        "p_grad[0] +=",
    ):
        assert line in text, line


def test_the_module_runs_by_itself(node, tmp_path):
    program, _ = made("gru")
    (tmp_path / "step.mjs").write_text(program.javascript, encoding="utf-8")
    (tmp_path / "use.mjs").write_text(
        """import { program, Sequence } from "./step.mjs";
const sequence = new Sequence(program, new Float64Array(program.facts.parameters.length).fill(0.1), 2);
sequence.give(1, [1, 2]);
sequence.give(2, [0, 1], [0.5, 0.5]);
sequence.forward();
sequence.backward();
console.log(JSON.stringify([sequence.loss, ...sequence.p_grad]));
""",
        encoding="utf-8",
    )
    printed = subprocess.run([shutil.which("node"), tmp_path / "use.mjs"], capture_output=True, text=True, check=True)
    for parameter in program.parameters:
        parameter.data = 0.1
        parameter.zero_grad()
    _, loss = program.eager([[1.0, 2.0], [0.0, 1.0]], [[0.0, 0.0], [0.5, 0.5]], mask=[False, True])
    loss.backward()
    expected = [loss.data, *(parameter.grad for parameter in program.parameters)]
    assert json.loads(printed.stdout) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("case", ["scalar", "gru", "one-hot", "embedding", "no targets"])
def test_the_module_begins_with_an_example_that_runs(node, case, tmp_path):
    kinds = CASES[case]()
    program = Recurrence(**kinds)
    (tmp_path / "step.mjs").write_text(program.javascript, encoding="utf-8")
    example = "\n".join(line[2:] for line in program.javascript.partition("*/")[0].splitlines()[1:])
    assert "Float64Array" not in example
    (tmp_path / "use.mjs").write_text(example.replace("sequence.p_grad", "...sequence.p_grad"), encoding="utf-8")
    printed = subprocess.run([shutil.which("node"), tmp_path / "use.mjs"], capture_output=True, text=True, check=True)
    any_symbols = any(isinstance(kinds.get(name), Symbols) for name in ("x", "target"))

    def filled(kind, number):
        return [number] * kind.size if isinstance(kind, Vector) else number

    x, target = filled(kinds["x"], 0 if any_symbols else 1), filled(kinds.get("target"), 0)
    _, loss = program.eager([x, x], [target, target] if "target" in kinds else None)
    loss.backward()
    found = [float(word) for word in printed.stdout.partition("Float64Array")[0].split()]
    assert found == pytest.approx([loss.data, *(each.grad for each in program.parameters)], rel=1e-12, abs=1e-16)


@pytest.mark.parametrize("case", CASES)
def test_facts_are_written_in_few_characters_and_read_as_they_are(node, case):
    program, _ = made(case)
    written = javascript(program.step, program.parameters)
    other = javascript(program.step, program.parameters[::-1])
    code = f"{PRELUDE}\nconst PROGRAMS = [];\n"
    for i, each in enumerate(programs := [written, other, written]):
        code += f"PROGRAMS.push({each.sharing(programs[:i])});\n"
    found = node.run(f"{code}return PROGRAMS.map(({{ facts }}) => facts);", {})
    assert found == [json.loads(json.dumps(each.facts)) for each in programs]
    kinds = "(each) => Object.values(each).flat().map((one) => typeof one)"
    assert node.run(f"{code}return PROGRAMS.map({kinds});", {}) == [
        ["object"] + ["function"] * len(each.functions) for each in programs
    ]


@pytest.mark.parametrize("sign", ["`", "${", "\\", '"', "<!--", "\u2028", "0.", "-", "007", "\n", "é²"])
def test_facts_that_repeat_may_hold_any_sign(node, sign):
    facts = {
        "width": 7,
        "parameters": [f"{sign}[{i}]" for i in range(5)]
        + [f"W[{i},{j}]" for i in range(2) for j in range(3)]
        + ["W[9]"],
        "nodes": [[f"v[{i}]{sign}", f"{sign}{2 * i} + {10 - i}{sign}"] for i in range(6)] + [["", sign]] * 4,
        "edges": {"cell": [[9 - i, -1 - i, [i], [0, 7 * i, 3], [1, [4, 4, 4, 4, 4, 4, 4, 4, 3]]] for i in range(8)]},
        "products": [[i, i + 2] for i in range(0, 90, 9)],
    }
    text = facts_as_text(facts)
    assert "<" not in text
    assert "rows(8" in text
    assert node.run(f"{PRELUDE}\nreturn ({text});", {}) == facts


def test_no_statement_is_a_long_chain(node):
    program = Recurrence(LSTMCell(3, 20), x=Vector(3), loss=lambda h: total(each * each for each in h))
    written = javascript(program.step, program.parameters)
    for function in written.functions.values():
        for text in (str(function), function.short):
            assert max(line.count(" = ") for line in text.splitlines() if "const" not in line) <= 12
            assert max(map(len, text.splitlines())) < 300


@pytest.mark.parametrize(
    "label", ["</script><script>", "<!-- ", "*/ alert(1) /*", "a\nb", "\u2028 x", "await", "p", "2", "", "W[0]", "é²"]
)
def test_labels_are_comments_and_never_code(node, label):
    cell = ScalarRNNCell(Value(0.9, label=label), Value(0.5, label=label), 0.1)
    program = Recurrence(cell, x=Number(), target=Number(), loss=mse_loss)
    written = javascript(program.step, program.parameters)
    for ending in ("</script", "<!--"):
        assert ending not in written.expression
    code = f"{PRELUDE}\n{SEQUENCE}\nconst program = {written.expression};\n{FROM_PYTHON}{RUN}"
    given = {"p": [0.9, 0.5, 0.1], "x": [[1.0]], "target": [[0.5]], "h0": [0.2], "mask": [True]}
    found = node.run(code, given)
    _, loss = program.eager([1.0], [0.5], [0.2])
    loss.backward()
    assert found["p_grad"] == [cell.w.grad, cell.u.grad, cell.b.grad]


def test_code_grows_with_the_cell_and_not_with_time():
    sizes = {case: len(Recurrence(**CASES[case]()).javascript) for case in CASES}
    assert sizes["scalar"] < 15_000
    assert sizes["lstm"] < 90_000


def test_the_command_writes_the_module(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a short name is not wrapped
    path = Path("step.mjs")
    assert main(["explore", "--code", "step.mjs", "--cell", "gru", "--hidden", "2", "--steps", "3"]) == 0
    assert "step.mjs" in capsys.readouterr().out
    subprocess.run([shutil.which("node"), "--check", path], check=True)
    assert "// z_r_t[0] = " in path.read_text(encoding="utf-8")
    assert main(["explore", "--code", "step.txt"]) == 2
    assert "end in .mjs" in capsys.readouterr().err


# ---- what cannot be a program -----------------------------------------------------------------------------------


def test_a_closure_is_named():
    def step(x, h):
        new = h * x
        new.label = "mine"
        new._backward = lambda: None
        return new.tanh()

    with pytest.raises(CompileError) as caught:
        print(Recurrence(step, x=Number(), loss=lambda h: h * h, h0=0.5).javascript)
    assert caught.value.node == "mine"
    assert "ops.register" in caught.value.remedy


def test_states_that_gradients_reach_only_later(node):
    """b of the last step is read by nothing, b of any earlier one is."""

    class Delay(Cell):
        state_names = ("a", "b")

        def __init__(self) -> None:
            self.w = Value(0.7, label="w")

        def step(self, x, a, b):
            return {"a": b * 1.0, "b": self.w * x + a * 0.5}

        def initial_state(self):
            return Value(0.1), Value(0.2)

    cell = Delay()
    program = Recurrence(cell, x=Number(), loss=lambda a: a * a, loss_at="last")
    written = javascript(program.step, program.parameters)
    assert len(written.facts["course"]) > 2
    code = f"{PRELUDE}\n{SEQUENCE}\nconst program = {written.expression};\n{RUN}"
    x, mask = [1.0, -2.0, 3.0, 0.5], [False, False, False, True]
    given = {"p": [0.7], "x": [[each] for each in x], "target": [[]] * 4, "h0": [0.1, 0.2], "mask": mask}
    found = node.run(code, given)
    unrolled, loss = program.eager(x)
    loss.backward()
    assert found["p_grad"] == [cell.w.grad]
    first = written.facts["first"]
    for t in range(5):
        for i, name in enumerate("ab"):
            node_of_state = unrolled[name][t]
            if node_of_state.has_grad:
                assert found["grad"][t][first + i] == node_of_state.grad


@pytest.mark.slow
def test_neither_llvmlite_nor_numpy_is_needed():
    code = """
import sys
sys.modules["llvmlite"] = sys.modules["numpy"] = None
from tinygrad_rnn import LSTMCell, mse_loss
from tinygrad_rnn.compile import Recurrence, Vector
print(len(Recurrence(LSTMCell(1, 4), x=Vector(1), target=Vector(4), loss=mse_loss).javascript))
"""
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(printed.stdout) > 1000
