"""`compile` of any recorded graph: bit for bit what the eager engine computes, or the same error."""

from __future__ import annotations

import math
import struct
from array import array
from concurrent.futures import ThreadPoolExecutor
from functools import reduce

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tinygrad_rnn import RNNCell, Value, cross_entropy, mse_loss, total, unroll
from tinygrad_rnn.compile import Number, Program, Recurrence, compile
from tinygrad_rnn.compile.elementary import EXACT
from tinygrad_rnn.compile.javascript.program import PRELUDE
from tinygrad_rnn.engine import ops
from tinygrad_rnn.engine.arithmetic import ELEMENTARY
from tinygrad_rnn.engine.ops import OPS, Op
from tinygrad_rnn.errors import ArgumentError, CompileError, DomainError, OperandError, ShapeError

SLOW = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
EDGES = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    5e-324,
    -5e-324,
    2.2e-308,
    1.7e308,
    -1.7e308,
    math.inf,
    -math.inf,
    math.nan,
    709.9,
    -745.2,
]
numbers = st.sampled_from(EDGES) | st.floats(-4.0, 4.0) | st.floats()


def bits(number: float) -> bytes:
    """The bits of a double; all NaN are one."""
    return b"NaN" if math.isnan(number) else struct.pack("<d", number)


@st.composite
def programs(draw: st.DrawFn) -> list[tuple[str, tuple[int, ...], float]]:
    """Instructions: an op, which earlier nodes it takes, and an exponent where the op wants one."""
    leaves = draw(st.integers(1, 4))
    names = [*OPS, "pow_constant"]
    steps = []
    for i in range(draw(st.integers(1, 12))):
        name = draw(st.sampled_from(names))
        arity = 1 if name == "pow_constant" else OPS[name].arity
        operands = tuple(draw(st.integers(max(0, leaves + i - 6), leaves + i - 1)) for _ in range(arity))
        steps.append((name, operands, draw(st.sampled_from([2.0, 3.0, 0.5, -1.0, 0.0, 1.0]))))
    return [("leaves", (leaves,), 0.0), *steps]


def record(program: list[tuple[str, tuple[int, ...], float]], inputs: list[float]) -> Value:
    (_, (leaves,), _), *steps = program
    nodes = [Value(inputs[i % len(inputs)], label=f"leaf{i}") for i in range(leaves)]
    for i, (name, operands, exponent) in enumerate(steps):
        parents = [nodes[operand] for operand in operands]
        nodes.append(parents[0] ** exponent if name == "pow_constant" else Value.apply(name, *parents))
        nodes[-1].label = f"node{i}"
    root = nodes[-1]
    for node in nodes[leaves:-1]:
        root = root + node
    return root


def leaves_of(root: Value) -> list[Value]:
    seen, to_visit = {}, [root]
    while to_visit:
        node = to_visit.pop()
        if node not in seen:
            seen[node] = None
            to_visit += node.parents
    return sorted((node for node in seen if not node.parents), key=lambda node: node.serial)


@pytest.mark.slow
@SLOW
@given(programs(), st.lists(st.lists(numbers, min_size=4, max_size=4), min_size=1, max_size=12))
def test_every_graph_agrees_with_eager_to_the_bit(program, batches):
    root = next((made for inputs in [[1.0] * 4, [0.5, 2.0, 1.5, 0.75]] if (made := quiet(program, inputs))), None)
    if root is None:
        return
    compiled = compile(root)
    for inputs in batches:
        try:
            eager = record(program, inputs)
            value = eager.data
            eager.backward()
        except DomainError as error:
            refusal = str(error)  # inner nodes have labels, so that errors can be compared word for word
        else:
            refusal = ""
        if refusal:
            with pytest.raises(DomainError) as caught:
                compiled.forward_backward([leaf_number(leaf, inputs) for leaf in compiled.leaves])
            assert str(caught.value) == refusal
            continue
        got, gradients = compiled.forward_backward([leaf_number(leaf, inputs) for leaf in compiled.leaves])
        assert bits(got) == bits(value)
        expected = {leaf.label: leaf.grad for leaf in leaves_of(eager)}
        for leaf, gradient in zip(compiled.leaves, gradients):
            assert bits(gradient) == bits(expected[leaf.label]), leaf.label


def quiet(program, inputs):
    try:
        return record(program, inputs)
    except DomainError:
        return None


def leaf_number(leaf: Value, inputs: list[float]) -> float:
    return inputs[int(leaf.label.removeprefix("leaf")) % len(inputs)]


@pytest.mark.parametrize("name", list(OPS))
def test_every_op_at_every_edge(name):
    operands = [Value(1.5 + i, label=f"leaf{i}") for i in range(OPS[name].arity)]
    compiled = compile(Value.apply(name, *operands) * 1.0)
    for a in EDGES:
        for b in EDGES if len(operands) == 2 else [0.0]:
            inputs = [a, b][: len(operands)]
            leaves = [Value(number, label=f"leaf{i}") for i, number in enumerate(inputs)]
            slots = [*inputs, 1.0]
            try:
                root = Value.apply(name, *leaves) * 1.0
                root.backward()
            except DomainError as error:
                refusal = (error.op, error.what)
            else:
                refusal = None
            if refusal:
                with pytest.raises(DomainError) as caught:
                    compiled.forward_backward(slots)
                assert (caught.value.op, caught.value.what) == refusal
                continue
            value, gradients = compiled.forward_backward(slots)
            assert bits(value) == bits(root.data)
            assert [bits(g) for g in gradients[: len(leaves)]] == [bits(leaf.grad) for leaf in leaves]


def network() -> Value:
    cell = RNNCell(3, 5, seed=1)
    unrolled = unroll(cell, [[0.1 * t, -0.2, 0.3] for t in range(4)])
    return total([mse_loss(unrolled.h[t], [0.5] * 5) + cross_entropy(unrolled.h[t], t % 5) for t in range(1, 5)])


def test_an_unrolled_network_and_writing_back_onto_the_values():
    root, compiled_root = network(), network()
    compiled = compile(compiled_root)
    for _ in range(2):  # twice: leaves accumulate
        root.backward()
        assert bits(compiled.run_on_values()) == bits(root.data)
    assert [bits(leaf.grad) for leaf in leaves_of(root)] == [bits(leaf.grad) for leaf in compiled.leaves]


def test_new_numbers_forward_then_backward():
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    compiled = compile((a * b).tanh())
    assert compiled.forward({a: 0.25, b: 0.5}) == math.tanh(0.125)
    slope = 1.0 - math.tanh(0.125) ** 2
    assert list(compiled.backward(2.0)) == [0.5 * (slope * 2.0), 0.25 * (slope * 2.0)]
    assert compiled.forward(array("d", [1.0, 2.0])) == math.tanh(2.0)


def test_inner_nodes_can_be_read():
    root = network()
    compiled = compile(root)
    compiled.forward_backward()
    root.backward()
    by_label = {node.label: node for node in compiled._order if node.label}
    for label in ("h_2[3]", "z_4[0]", "W[1,2]"):
        assert bits(compiled.inspect().value(label)) == bits(by_label[label].data)
        assert bits(compiled.inspect().gradient(label)) == bits(by_label[label].grad)
    with pytest.raises(ArgumentError, match="no node"):
        compiled.inspect().value("h_9[0]")


@pytest.mark.slow
@example(2000)
@given(st.integers(1, 60))
@settings(max_examples=5, deadline=None)
def test_long_chains_are_cut_into_functions(length):
    a = Value(0.3, label="a")
    root = reduce(lambda node, i: (node * a + a).tanh() if i % 3 else node - a, range(length), a)
    compiled = Program(root)
    root.backward()
    value, (gradient,) = compiled.forward_backward()
    assert bits(value) == bits(root.data)
    assert bits(gradient) == bits(a.grad)


def test_the_listing_has_a_line_per_node_with_its_derivatives():
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    c = a * b
    c.label, c.time_step = "c", 7
    source = compile(c.tanh()).source
    assert len(source.splitlines()) == 4
    assert "t=7" in source
    assert "∂/∂a = b" in source.splitlines()[2]
    assert "1 − v3²" in source


def test_the_assembly_is_commented_with_labels():
    a = Value(2.0, label="weight")
    root = a * a
    root.label = "square"
    ir = compile(root).ir
    assert "; square" in ir
    assert "; weight" in ir


def test_a_leaf_alone():
    a = Value(2.5)
    value, gradients = compile(a).forward_backward(gradient=3.0)
    assert (value, list(gradients)) == (2.5, [3.0])


def softplus_op(name: str, forward) -> Op:
    return Op(name, name, 1, forward, lambda out, a: (1.0 / (1.0 + ops.exp(-a)),), name + "({0})", ("σ({0})",))


@pytest.fixture
def registered():
    added = []

    def add(op: Op) -> str:
        added.append(ops.register(op).name)
        return op.name

    yield add
    for name in added:
        del OPS[name]


def test_an_op_of_the_user_compiles(registered):
    name = registered(softplus_op("softplus", lambda a: ops.log(1.0 + ops.exp(a))))
    a = Value(0.7)
    root = Value.apply(name, a) * 3.0
    compiled = compile(root)
    root.backward()
    value, gradients = compiled.forward_backward()
    assert bits(value) == bits(root.data)
    assert bits(gradients[0]) == bits(a.grad)


def test_an_op_that_needs_floats_is_named(registered):
    name = registered(softplus_op("rigid", lambda a: math.log(1.0 + math.exp(a))))
    with pytest.raises(CompileError, match=r"op rigid") as caught:
        compile(Value.apply(name, Value(0.7)))
    assert caught.value.op == "rigid"


def test_a_function_without_compiled_code_is_named(registered):
    name = registered(softplus_op("erf", lambda a: a.tape.emit("erf", a) if hasattr(a, "tape") else math.erf(a)))
    with pytest.raises(CompileError, match=r"no compiled code computes this function \[op erf\]"):
        compile(Value.apply(name, Value(0.7)))
    program = Recurrence(lambda x, h: Value.apply(name, h + x), Number(), lambda h: h * 1.0, h0=0.5)
    for make in (lambda: program.ir, lambda: program.javascript):
        with pytest.raises(CompileError, match=r"\[op erf\]"):
            make()


def test_every_elementary_function_compiles():
    prelude = PRELUDE.partition("};")[0]
    for name in ELEMENTARY:
        a = Value(0.7)
        assert compile(getattr(a, name)()).forward() == getattr(a, name)().data
        assert f"{name}: Math.{name}" in prelude or name in EXACT


def test_an_op_that_branches_in_python_is_named(registered):
    name = registered(softplus_op("branching", lambda a: a if a > 0 else 0.0 * a))
    with pytest.raises(CompileError, match="decision"):
        compile(Value.apply(name, Value(0.7)))


def test_nodes_without_a_rule_are_refused():
    with pytest.raises(CompileError, match="one node only"):
        compile(Value.custom(3.0, [Value(1.0)], [2.0], op="measured"))


@pytest.mark.parametrize(
    ("inputs", "error"),
    [([1.0], ShapeError), ([1.0, 2.0, 3.0], ShapeError), (["a", 1.0], OperandError), (array("f", [1, 2]), OperandError),
     ([[1.0, 2.0]], OperandError), (7.0, ShapeError)],
)  # fmt: skip
def test_what_does_not_fit_never_reaches_native_code(inputs, error):
    compiled = compile(Value(1.0) * Value(2.0))
    with pytest.raises(error):
        compiled.forward(inputs)


def test_a_hook_that_would_not_be_called_is_an_error():
    a = Value(2.0, label="a")
    handle = a.register_hook(lambda gradient: gradient)
    with pytest.raises(CompileError, match="hook"):
        compile(a * a)
    handle.remove()
    compile(a * a)


def test_unknown_mode_and_backward_before_forward():
    with pytest.raises(ArgumentError, match="exact, fast"):
        compile(Value(1.0), mode="precise")
    with pytest.raises(ArgumentError, match="before forward"):
        compile(Value(1.0)).backward()


@pytest.mark.parametrize("label", ["x\n  store double 0x4045000000000000, ptr %y\n  ret i1 false\nb:", "\0", "∂\u2028"])
def test_a_label_cannot_become_code(label):
    a = Value(0.5)
    root = (a * a).tanh()
    root.label = label
    assert compile(root).forward() == root.data


@pytest.mark.parametrize(
    "forward",
    [
        lambda a: (a > 0.0) * a,
        lambda a: a > 0.0,
        lambda a: 1.0 - ((a > 0.0) == (a < 1.0)),
        lambda a: ops.select(a > 0.0, a < 1.0, a),
    ],
)
def test_a_comparison_is_a_number_too(registered, forward):
    name = registered(Op("truth", "T", 1, forward, lambda out, a: (2.0 * (a > 0.0),), "T({0})", ("2",)))
    a = Value(0.7)
    program = compile(Value.apply(name, a))
    for number in (-1.5, 0.0, 0.3, 2.0):
        assert program.forward_backward([number])[0] == float(forward(number))
        assert list(program.backward()) == [2.0 * (number > 0.0)]


def test_what_llvm_refuses_is_an_error_of_ours(registered):
    name = registered(Op("odd", "O", 1, lambda a: ops.select(a, a, a + 1.0), lambda out, a: (1.0,), "O({0})", ("1",)))
    a, twin = Value(0.7), Value(0.0)
    twin.parents, twin.operation = (a,), OPS[name]  # recorded by itself, it would be refused
    with pytest.raises(CompileError, match="LLVM"):
        compile(twin)


def test_threads_may_share_a_graph():
    a = Value(0.5)
    program = compile((a * a).tanh())
    inputs = [0.1 * k for k in range(1, 9)] * 200
    alone = [(value, list(gradients)) for value, gradients in map(program.forward_backward, ([x] for x in inputs))]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda x: program.forward_backward([x]), inputs))
    assert [(value, list(gradients)) for value, gradients in together] == alone
