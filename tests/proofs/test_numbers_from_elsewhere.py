"""Whatever comes from NumPy, PyTorch or elsewhere: real numbers are taken at every entrance, and nothing else is.

Every entrance is called with 0.5 (or with the whole number 3) of every type; the answer must be that for Python's own,
to the bit. What stands for no number must be an error of ours at each of them.
"""

from __future__ import annotations

import datetime
import functools
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy
import pytest

from tinygrad_rnn import (
    RNN,
    GRUCell,
    Linear,
    LSTMCell,
    RNNCell,
    ScalarRNNCell,
    Value,
    binary_cross_entropy_with_logits,
    cross_entropy,
    draw,
    gradcheck,
    mse_loss,
    optim,
    problem,
    total,
    unroll,
)
from tinygrad_rnn.bptt.decay import decay, non_normal_cells, scalar_cells
from tinygrad_rnn.bptt.jacobian import chain_norms, jacobian
from tinygrad_rnn.bptt.paths import paths
from tinygrad_rnn.bptt.truncated import truncated_bptt
from tinygrad_rnn.bptt.verdict import verdict
from tinygrad_rnn.compile import Number, Recurrence, Symbols, Vector, compile
from tinygrad_rnn.errors import TinygradRNNError
from tinygrad_rnn.interop import Tensor, from_torch_state_dict
from tinygrad_rnn.nn import LSTM, Layer, Neuron, OneHot, init
from tinygrad_rnn.nn.linalg import non_normal, orthogonal
from tinygrad_rnn.sweep import sweep
from tinygrad_rnn.tasks import Adding
from tinygrad_rnn.train import Limits, RecurrentNetwork, Settings

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]

# PyTorch warns, once a process, that a tensor which becomes a number leaves its graph.
pytestmark = pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")

MASKED = numpy.ma.array([0.5, 0.5], mask=[True, False])

REAL: dict[str, Any] = {
    **{kind.__name__: kind(0.5) for kind in (numpy.float16, numpy.float32, numpy.float64, numpy.longdouble)},
    **{f"0-d {kind}": numpy.array(0.5, kind) for kind in ("float16", "float64")},
    **{"entry of a masked array": MASKED[1], "fraction": Fraction(1, 2), "decimal": Decimal("0.5")},
}
NO_REAL: dict[str, Any] = {
    **{"masked": numpy.ma.masked, "masked entry": MASKED[0], "masked 0-d": numpy.ma.array(0.5, mask=True)},
    **{f"date {unit}": numpy.datetime64("2020-01-01", unit) for unit in ("D", "ns")},
    **{"duration": numpy.timedelta64(1, "ns"), "date": datetime.date(2020, 1, 1)},
    **{"complex": 0.5 + 0j, "complex128": numpy.complex128(0.5), "complex64": numpy.complex64(0.5)},
    **{"text": "0.5", "bytes": b"0.5", "text of NumPy": numpy.str_("0.5"), "0-d text": numpy.array("0.5")},
    **{"0-d object": numpy.array("0.5", dtype=object), "array": numpy.array([0.5]), "list": [0.5]},
    **{"nothing": None, "object": object()},
}
WHOLE: dict[str, Any] = {
    **{kind.__name__: kind(3) for kind in (numpy.int8, numpy.uint8, numpy.int64)},
    "0-d": numpy.array(3),
}
NO_WHOLE: dict[str, Any] = {
    **{"float": 3.0, "float32": numpy.float32(3), "text": "3", "bytes": b"3", "array": numpy.array([3])},
    **{"bool": True, "bool of NumPy": numpy.bool_(True), "duration": numpy.timedelta64(3, "ns")},
    **{"date": numpy.datetime64(3, "ns"), "masked": numpy.ma.masked, "masked 0-d": numpy.ma.array(3, mask=True)},
    **{"complex": numpy.complex128(3), "nothing": None},
}
if torch is not None:
    for kind in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        REAL[str(kind)] = torch.tensor(0.5, dtype=kind)
    REAL["with requires_grad"] = torch.tensor(0.5, requires_grad=True)
    NO_REAL |= {"complex tensor": torch.tensor(0.5 + 0j), "tensor of one": torch.tensor([0.5])}
    NO_REAL["tensor without data"] = torch.tensor(0.5, device="meta")
    WHOLE |= {"torch.int64": torch.tensor(3), "torch.int32": torch.tensor(3, dtype=torch.int32)}
    NO_WHOLE |= {"bool of PyTorch": torch.tensor(True), "tensor of one": torch.tensor([3])}
    NO_WHOLE["tensor without data"] = torch.tensor(3, device="meta")


def data(quantity: Any) -> Any:
    """The numbers of Values in lists and tuples."""
    return [data(entry) for entry in quantity] if isinstance(quantity, (list, tuple)) else quantity.data


def attribute(name: str, x: Any) -> float:
    v = Value(1.0)
    setattr(v, name, x)
    return float(getattr(v, name))


def from_hook(x: Any) -> float:
    w = Value(1.0)
    doubled = w * 2.0
    doubled.register_hook(lambda gradient: x)
    (doubled * 1.0).backward()
    return w.grad


def updated(kind: type[optim.Optimizer], times: int = 1, **settings: Any) -> float:
    w = Value(1.0)
    optimizer = kind([w], **settings)
    for _ in range(times):
        (w * w).backward()
        optimizer.step()
    return w.data


def scheduled(make: Callable[[optim.Optimizer], optim.LRScheduler]) -> float:
    optimizer = optim.SGD([Value(1.0)], lr=0.1)
    make(optimizer).step()
    return optimizer.lr


def clipped(clip: Callable[..., Any], *bounds: Any) -> Any:
    w = Value(1.0)
    w.grad = 2.0
    return clip([w], *bounds), w.grad


def loaded(made: Any, state: dict[str, Any], load: Callable[[Any, Any], None] | None = None) -> Any:
    if load is None:
        made.load_state_dict(state)
    else:
        load(made, state)
    return made.state_dict()


def momentum(**changes: Any) -> Any:
    optimizer = optim.SGD([Value(1.0)], lr=0.1, momentum=0.9)
    return loaded(optimizer, {**optimizer.state_dict(), **changes})


def schedule(**changes: Any) -> Any:
    made = optim.StepLR(optim.SGD([Value(1.0)], lr=0.1), 1)
    return loaded(made, {**made.state_dict(), **changes})


@functools.cache
def of_numbers() -> Recurrence:
    return Recurrence(ScalarRNNCell(), Number(), mse_loss, Number())


@functools.cache
def of_vectors() -> Recurrence:
    return Recurrence(RNNCell(1, 1, seed=1), Vector(1), mse_loss, Vector(1))


@functools.cache
def of_symbols() -> Recurrence:
    return Recurrence(RNNCell(4, 2, seed=1), Symbols(4), cross_entropy, Symbols(4), Linear(2, 4, seed=1))


def compiled(program: Recurrence, x: Any, target: Any) -> Any:
    run = program.forward_backward(x, target)
    return run.loss, list(run.gradients)


@functools.cache
def of_a_graph() -> tuple[Value, Any]:
    w, h = Value(0.5), Value(0.3)
    return h, compile((w * h).tanh())


def of_one_graph(x: Any) -> Any:
    h, program = of_a_graph()
    output, gradients = program.forward_backward({h: x})
    return output, list(gradients)


def swept(setting: Any = 0, result: Any = 0, **settings: Any) -> Any:
    (record,) = sweep(lambda a, seed: {"a": a, "seed": seed, "x": result}, [(setting,)], progress=False, **settings)
    if record.error:
        raise TinygradRNNError(record.error)
    return record.setting, record.result


@functools.cache
def three_steps() -> Any:
    return unroll(ScalarRNNCell(), [0.1, 0.2, 0.3])


def scalar(**weights: Any) -> Any:
    return ScalarRNNCell(**weights).state_dict()


TAKE_REAL: dict[str, Callable[[Any], Any]] = {
    "Value": lambda x: Value(x).data,
    "data": lambda x: attribute("data", x),
    "grad": lambda x: attribute("grad", x),
    "Value.custom": lambda x: Value.custom(x, [Value(1.0)], [x]).data,
    "total": lambda x: total([Value(1.0), x]).data,
    "unroll": lambda x: unroll(ScalarRNNCell(), [x, x]).h[2].data,
    "unroll, vectors": lambda x: data(unroll(RNNCell(2, 2, seed=1), [[x, 0.1]] * 2).h[2]),
    "unroll, vector h0": lambda x: data(unroll(RNNCell(1, 1, seed=1), [[0.1]], h0=[x]).h[1]),
    "a cell": lambda x: data(GRUCell(1, 1, seed=1)([x], [x])),
    "a network": lambda x: data(RNN(1, 1, seed=1)([[x]], [[x]])[0]),
    "Linear": lambda x: data(Linear(1, 1, seed=1)([x])),
    "mse_loss": lambda x: mse_loss(x, 0.1).data,
    "mse_loss, target": lambda x: mse_loss([Value(0.1)], [x]).data,
    "binary cross-entropy": lambda x: binary_cross_entropy_with_logits(x, 0.1).data,
    "binary cross-entropy, target": lambda x: binary_cross_entropy_with_logits(Value(0.1), x).data,
    "cross-entropy": lambda x: cross_entropy([x, 0.1], 0).data,
    "gradcheck": lambda x: gradcheck(lambda a: a * a, [x]),
    "Recurrence": lambda x: compiled(of_numbers(), [[x]], [[0.1]]),
    "Recurrence, target": lambda x: compiled(of_numbers(), [[0.1]], [[x]]),
    "Recurrence, vectors": lambda x: compiled(of_vectors(), [[[x]]], [[[0.1]]]),
    "compile": of_one_graph,
    "gradcheck, eps": lambda x: gradcheck(lambda a: a * a, [0.1], eps=x),
    "gradcheck, atol": lambda x: gradcheck(lambda a: a * a, [0.1], atol=x),
    "gradcheck, rtol": lambda x: gradcheck(lambda a: a * a, [0.1], rtol=x),
    "lr": lambda x: updated(optim.SGD, lr=x),
    "momentum": lambda x: updated(optim.SGD, 2, momentum=x),
    "dampening": lambda x: updated(optim.SGD, 2, momentum=0.9, dampening=x),
    "momentum of RMSprop": lambda x: updated(optim.RMSprop, 2, momentum=x),
    "weight_decay": lambda x: updated(optim.AdamW, weight_decay=x),
    "weight_decay of SGD": lambda x: updated(optim.SGD, weight_decay=x),
    "betas": lambda x: updated(optim.Adam, betas=(x, x)),
    "eps": lambda x: updated(optim.Adam, eps=x),
    "alpha": lambda x: updated(optim.RMSprop, alpha=x),
    "gamma": lambda x: scheduled(lambda optimizer: optim.ExponentialLR(optimizer, x)),
    "eta_min": lambda x: scheduled(lambda optimizer: optim.CosineAnnealingLR(optimizer, 10, x)),
    "lr_lambda": lambda x: scheduled(lambda optimizer: optim.LambdaLR(optimizer, lambda steps: x)),
    "max_norm": lambda x: clipped(optim.clip_grad_norm_, x),
    "norm_type": lambda x: clipped(optim.clip_grad_norm_, 1.0, x),
    "clip_value": lambda x: clipped(optim.clip_grad_value_, x),
    "a state dict": lambda x: loaded(ScalarRNNCell(), {"w": x, "u": 0.1, "b": 0.1}),
    "a state dict, matrix": lambda x: loaded(RNNCell(1, 1), {"W": [[x]], "U": [[0.1]], "b": [0.1]}),
    "a state dict of PyTorch": lambda x: loaded(Linear(1, 1), {"weight": [[x]], "bias": [0.1]}, from_torch_state_dict),
    "an optimizer's slot": lambda x: momentum(slots={"momentum": [x]}),
    "an optimizer's lr": lambda x: momentum(lr=x),
    "a schedule's initial_lr": lambda x: schedule(initial_lr=x),
    "w": lambda x: scalar(w=x),
    "constant_": lambda x: init.constant_((cell := RNNCell(1, 1)).b, x) or cell.state_dict(),
    "normal_, std": lambda x: init.normal_((cell := RNNCell(1, 1)).W, std=x) or cell.state_dict(),
    "orthogonal_, gain": lambda x: init.orthogonal_((cell := RNNCell(2, 2)).W, x) or cell.state_dict(),
    "eye_, gain": lambda x: init.eye_((cell := RNNCell(1, 1)).W, gain=x) or cell.state_dict(),
    "scale_": lambda x: init.scale_((cell := RNNCell(1, 1)).W, x) or cell.state_dict(),
    "non_normal": lambda x: non_normal(2, 1.0, x),
    "decay, ‖W‖": lambda x: decay(scalar_cells(), [x], [0.1, 0.2]),
    "decay, radius": lambda x: non_normal_cells(2, radius=x)(0.9).state_dict(),
    "verdict": lambda x: verdict(x, 3),
    "set_": lambda x: init.set_((cell := RNNCell(1, 1)).W, [[x]]) or cell.state_dict(),
    "a tensor": lambda x: Tensor.of([[x]]),
}  # fmt: skip
#: None means something else there.
TAKE_REAL_OR_NONE: dict[str, Callable[[Any], Any]] = {
    "a hook": from_hook,
    "unroll, h0": lambda x: unroll(ScalarRNNCell(), [0.1], h0=x).h[1].data,
    "problem": lambda x: problem(ScalarRNNCell(), [0.1, 0.2], [0.1, x], at="every").loss.data,
    "forget_bias": lambda x: LSTMCell(1, 1, forget_bias=x, seed=1).state_dict(),
    "Settings.max_norm": lambda x: Settings(max_norm=x),
}
TAKE_TRUTH: dict[str, Callable[[Any], Any]] = {
    "bias": lambda x: RNNCell(1, 1, bias=x, seed=1).state_dict(),
    "bidirectional": lambda x: RNN(1, 1, bidirectional=x, seed=1).state_dict(),
    "nesterov": lambda x: updated(optim.SGD, momentum=0.5, nesterov=x),
    "maximize": lambda x: updated(optim.SGD, maximize=x),
    "centered": lambda x: updated(optim.RMSprop, centered=x),
    "amsgrad": lambda x: updated(optim.Adam, amsgrad=x),
}
TAKE_WHOLE: dict[str, Callable[[Any], Any]] = {
    "input_size": lambda x: len(RNNCell(x, 1).U[0]),
    "hidden_size": lambda x: len(LSTM(1, x).cells),
    "num_layers": lambda x: len(RNN(1, 1, num_layers=x).cells),
    "in_features": lambda x: len(Linear(x, 1).V[0]),
    "seed": lambda x: RNNCell(1, 1, seed=x).state_dict(),
    "seed of a matrix": lambda x: orthogonal(2, seed=x),
    "cross-entropy": lambda x: cross_entropy([Value(0.1)] * 4, x).data,
    "cross-entropy, several": lambda x: cross_entropy([[Value(0.1)] * 4], [x]).data,
    "OneHot": lambda x: OneHot(x, 4).hot,
    "OneHot, size": lambda x: len(OneHot(0, x)),
    "step_size": lambda x: scheduled(lambda optimizer: optim.StepLR(optimizer, x)),
    "T_max": lambda x: scheduled(lambda optimizer: optim.CosineAnnealingLR(optimizer, x)),
    "an optimizer's steps": lambda x: momentum(steps=x),
    "Vector": lambda x: Vector(x),
    "Symbols": lambda x: Symbols(x),
    "Recurrence": lambda x: compiled(of_symbols(), [[x]], [[1]]),
    "Recurrence, target": lambda x: compiled(of_symbols(), [[1]], [[x]]),
    "T": lambda x: Adding(x).T,
    "a state": lambda x: data(three_steps().state(x)),
    "jacobian": lambda x: jacobian(three_steps(), x),
    "paths": lambda x: len(paths(three_steps().h[1], three_steps().h[1], limit=x)),
    "draw, only": lambda x: draw(three_steps(), three_steps().h[3], only=(x, 3)).picture.title,
    "nin": lambda x: len(Neuron(x).w),
    "nout": lambda x: len(Layer(1, x).neurons),
    "lr_at": lambda x: optim.StepLR(optim.SGD([Value(1.0)], lr=0.1), 2).lr_at(x),
    "batch_size": lambda x: Settings(batch_size=x),
    "updates": lambda x: Limits(x),
    "seeds of a sweep": lambda x: swept(seeds=[x]),
    "outstanding": lambda x: swept(outstanding=x),
}
#: None means something else there.
TAKE_WHOLE_OR_NONE: dict[str, Callable[[Any], Any]] = {
    "chain_norms": lambda x: chain_norms(three_steps(), x),
    "draw, k": lambda x: draw(three_steps(), three_steps().h[3], k=x).picture.title,
    "draw, max_steps": lambda x: draw(three_steps(), three_steps().h[3], max_steps=x).picture.title,
    "truncate": lambda x: Settings(truncate=x),
    "patience": lambda x: Limits(patience=x),
}


def is_taken(entrance: Callable[[Any], Any], given: Any, plain: Any) -> bool:
    """Whether the entrance says of a number what it says of Python's own."""
    return repr(entrance(given)) == repr(entrance(plain))


def is_refused(entrance: Callable[[Any], Any], given: Any) -> bool:
    """Whether the entrance refuses it by an error of this package."""
    try:
        entrance(given)
    except TinygradRNNError:
        return True
    except Exception as error:  # which one, the test says
        raise AssertionError(f"{type(error).__name__}: {error}") from error
    return False


@pytest.mark.parametrize("name", [*TAKE_REAL, *TAKE_REAL_OR_NONE])
def test_real_numbers_are_taken_and_nothing_else_is(name: str) -> None:
    entrance = {**TAKE_REAL, **TAKE_REAL_OR_NONE}[name]
    assert [kind for kind, given in REAL.items() if not is_taken(entrance, given, 0.5)] == []
    but = {"list"} if name == "a tensor" else {"nothing"} if name in TAKE_REAL_OR_NONE else set()
    assert [kind for kind, given in NO_REAL.items() if kind not in but and not is_refused(entrance, given)] == []


@pytest.mark.parametrize("name", TAKE_REAL)
def test_a_bool_counts_as_0_or_1_where_a_real_number_is_taken(name: str) -> None:
    entrance = TAKE_REAL[name]
    flags = [True, numpy.bool_(True), *([] if torch is None else [torch.tensor(True)])]
    refused = is_refused(entrance, 1.0)  # as some arguments must be below 1
    for flag in flags:
        assert is_refused(entrance, flag) if refused else is_taken(entrance, flag, 1.0)


@pytest.mark.parametrize("name", TAKE_TRUTH)
def test_a_bool_is_taken_where_one_belongs_and_no_other_number_is(name: str) -> None:
    entrance = TAKE_TRUTH[name]
    flags = [numpy.bool_(True), numpy.array(True), *([] if torch is None else [torch.tensor(True)])]
    assert all(is_taken(entrance, flag, True) for flag in flags)
    without_data = {} if torch is None else {"flag without data": torch.tensor(True, device="meta")}
    masked = {"masked flag": numpy.ma.array(True, mask=True), "flags": numpy.array([True])}
    refused = {**REAL, **NO_REAL, **without_data, **masked}
    assert [kind for kind, given in refused.items() if not is_refused(entrance, given)] == []


@pytest.mark.parametrize("large", [10**400, Fraction(10**400), Decimal("1e400"), numpy.longdouble("1e400")])
@pytest.mark.parametrize("sign", [1, -1])
def test_what_does_not_fit_a_double_is_refused_and_not_made_infinite(large: Any, sign: int) -> None:
    if float(numpy.finfo(numpy.longdouble).maxexp) <= 1024 and isinstance(large, numpy.longdouble):
        pytest.skip("long doubles are doubles here")
    for name in ("Value", "unroll", "a state dict", "Recurrence"):
        assert is_refused(TAKE_REAL[name], sign * large), name


def test_infinity_is_a_number() -> None:
    for infinite in (numpy.float32("inf"), numpy.longdouble("-inf"), Decimal("Infinity"), Decimal("-Infinity")):
        assert Value(infinite).data == float(infinite)


@pytest.mark.parametrize("name", [*TAKE_WHOLE, *TAKE_WHOLE_OR_NONE])
def test_whole_numbers_are_taken_and_nothing_else_is(name: str) -> None:
    entrance = {**TAKE_WHOLE, **TAKE_WHOLE_OR_NONE}[name]
    assert [kind for kind, given in WHOLE.items() if not is_taken(entrance, given, 3)] == []
    but = {"nothing"} if name in TAKE_WHOLE_OR_NONE else set()
    assert [kind for kind, given in NO_WHOLE.items() if kind not in but and not is_refused(entrance, given)] == []


# ---- arrays and tensors -------------------------------------------------------------------------------------------

TAKE_A_SEQUENCE: dict[str, Callable[[Any], Any]] = {
    "unroll": lambda xs: data(list(unroll(ScalarRNNCell(), xs).h.values())),
    "unroll, a vector": lambda xs: data(unroll(RNNCell(2, 1, seed=1), [xs]).h[1]),
    "unroll, h0": lambda xs: data(unroll(RNNCell(1, 2, seed=1), [[0.1]], h0=xs).h[1]),
    "problem, targets": lambda xs: problem(ScalarRNNCell(), [0.1, 0.2], xs, at="every").loss.data,
    "problem, inputs": lambda xs: problem(ScalarRNNCell(), xs, [0.1, 0.2], at="every").loss.data,
    "truncated_bptt": lambda xs: truncated_bptt(ScalarRNNCell(), [0.1, 0.2], xs, 1, 2),
    "mse_loss": lambda xs: mse_loss([Value(0.1), Value(0.2)], xs).data,
    "Recurrence": lambda xs: compiled(of_numbers(), [xs], [[0.1, 0.2]]),
    "a state dict": lambda xs: loaded(RNNCell(1, 2), {"W": [[0.0, 0.0]] * 2, "U": [[0.0]] * 2, "b": xs}),
    "a state dict of PyTorch": lambda xs: loaded(
        Linear(2, 2), {"weight": [[0.0, 0.0]] * 2, "bias": xs}, from_torch_state_dict
    ),
}


class Labelled:
    """Numbers by label, as a series of pandas after a sort: 0.5, then 0.25, of which the second is called 0."""

    ndim = 1

    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Iterator[float]:
        return iter(self.tolist())

    def __getitem__(self, label: int) -> float:
        return {5: 0.5, 0: 0.25}[label]

    def tolist(self) -> list[float]:
        return [0.5, 0.25]


class Frame(Labelled):
    """A table, as a data frame of pandas, whose columns are called 5 and 0: to iterate over it gives these names."""

    ndim, shape, columns = 2, (1, 2), (5, 0)

    def __iter__(self) -> Iterator[float]:
        return iter(self.columns)


REAL_ARRAYS: dict[str, Any] = {
    "labelled": Labelled(),
    **{kind: numpy.array([0.5, 0.25], kind) for kind in ("float16", "float32", "float64", "longdouble", "object")},
    **{"masked": numpy.ma.array([0.5, 0.25], mask=False), "fractions": [Fraction(1, 2), Decimal("0.25")]},
    **({} if torch is None else {"tensor": torch.tensor([0.5, 0.25], dtype=torch.bfloat16)}),
}
NO_REAL_ARRAYS: dict[str, Any] = {
    "frame": Frame(),
    "0-d": numpy.array(0.5),
    **{"masked": numpy.ma.array([0.5, 0.25], mask=[False, True]), "text": numpy.array(["0.5", "0.25"])},
    **{"complex": numpy.array([0.5, 0.25j]), "durations": numpy.array([1, 2], "m8[ns]"), "bytes": b"12"},
    **{f"dates {unit}": numpy.array(["2020-01-01", "2020-01-02"], f"M8[{unit}]") for unit in ("D", "ns")},
    **{"objects": numpy.array(["0.5", "0.25"], object), "bytearray": bytearray(b"12"), "dict": {0: 0.5, 1: 0.25}},
    **{"set": {0.5, 0.25}, "a text": "12"},
    **({} if torch is None else {"complex tensor": torch.tensor([0.5, 0.25j])}),
    **({} if torch is None else {"tensor without data": torch.ones(2, device="meta")}),
}


@pytest.mark.parametrize("name", TAKE_A_SEQUENCE)
def test_arrays_of_real_numbers_are_taken_and_no_others(name: str) -> None:
    entrance = TAKE_A_SEQUENCE[name]
    assert [kind for kind, given in REAL_ARRAYS.items() if not is_taken(entrance, given, [0.5, 0.25])] == []
    assert [kind for kind, given in NO_REAL_ARRAYS.items() if not is_refused(entrance, given)] == []


@pytest.mark.parametrize("kind", ["frame", "0-d", "bytes", "dict", "set"])
def test_time_steps_have_an_order(kind: str) -> None:
    given = NO_REAL_ARRAYS[kind]
    network = RecurrentNetwork.for_task(Adding(5), hidden_size=1)
    entrances: dict[str, Callable[[Any], Any]] = {
        "a module": RNN(1, 1),
        "a network": network,
        "its outputs": network.outputs,
        "its predictions": network.predictions,
        "a bidirectional one": RecurrentNetwork.for_task(Adding(5), hidden_size=1, bidirectional=True).predictions,
        "inputs of truncated BPTT": lambda xs: truncated_bptt(ScalarRNNCell(), xs, [0.1, 0.2], 1, 2),
    }
    assert [name for name, entrance in entrances.items() if not is_refused(entrance, given)] == []
