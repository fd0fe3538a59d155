"""Weights to PyTorch and back, and safetensors files."""

from __future__ import annotations

import contextlib
import json
import math
import os
import random
import runpy
import struct
import threading
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinygrad_rnn import GRU, LSTM, RNN, GRUCell, Linear, LSTMCell, RNNCell, Value, total
from tinygrad_rnn.errors import ArgumentError, DataError, OperandError, ShapeError, TooLargeError
from tinygrad_rnn.interop import (
    Tensor,
    from_torch_state_dict,
    load_safetensors,
    read_safetensors,
    save_safetensors,
    to_torch_numbers,
    to_torch_state_dict,
    write_safetensors,
)
from tinygrad_rnn.nn import Module, Recurrent
from tinygrad_rnn.nn.cells import NONLINEARITIES
from tinygrad_rnn.support import memory
from tinygrad_rnn.tasks import Adding
from tinygrad_rnn.train import Limits, RecurrentNetwork, Settings, load_checkpoint, train

GOLDEN: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "golden" / "recurrent.json").read_text())
KINDS: dict[str, type[RNN | LSTM | GRU]] = {"RNN": RNN, "LSTM": LSTM, "GRU": GRU}


def gradients_by_torch_name(module: Module) -> dict[str, Any]:
    """The gradients where PyTorch has them: each bias's is that of the sum of PyTorch's two."""
    numbers = module.state_dict()
    for _, parameter in module.named_parameters():
        parameter.data = parameter.grad
    named = to_torch_numbers(module)
    module.load_state_dict(numbers)
    for name in list(named):
        if "bias_hh" in name:
            inner = named[name.replace("bias_hh", "bias_ih")]
            apart = len(inner) * 2 // 3 if any(named[name]) else len(inner)
            named[name] = [*inner[:apart], *named[name][apart:]]
    return named


def close(mine: Any, theirs: Any) -> bool:
    a, b = Tensor.of(mine), Tensor.of(theirs)
    return a.shape == b.shape and list(a.numbers) == pytest.approx(list(b.numbers), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden["name"])
def test_outputs_and_gradients_are_those_of_pytorch(golden: dict[str, Any]) -> None:
    module = KINDS[golden["kind"]](**golden["arguments"])
    from_torch_state_dict(module, golden["state_dict"])
    inputs = [[Value(x) for x in xs] for xs in golden["inputs"]]
    output, state = module(inputs, golden["state"])
    parts = state if golden["kind"] == "LSTM" else [state]
    assert close([[v.data for v in vs] for vs in output], golden["output"])
    for part, theirs in zip(parts, golden["last"], strict=True):
        assert close([[v.data for v in vs] for vs in part], theirs)
    weights = iter(golden["weights"])
    total([v * next(weights) for vs in output for v in vs]).backward()
    assert close([[x.grad for x in xs] for xs in inputs], golden["input_gradients"])
    mine = gradients_by_torch_name(module)
    assert mine.keys() == golden["gradients"].keys()
    for name, gradient in golden["gradients"].items():
        assert close(mine[name], gradient), name


@pytest.mark.slow
def test_golden_file_is_what_pytorch_says_today() -> None:
    pytest.importorskip("torch")
    run = runpy.run_path(str(Path(__file__).parents[1] / "golden" / "make_recurrent.py"))["run"]

    for today, stored in zip(run(), GOLDEN, strict=True):
        for name, gradient in today["gradients"].items():
            assert close(gradient, stored["gradients"][name])
        assert close(today["output"], stored["output"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bias", [True, False])
def test_pytorch_computes_the_same_from_our_state_dict(kind: str, bias: bool) -> None:
    torch = pytest.importorskip("torch")
    mine = KINDS[kind](2, 3, num_layers=2, bias=bias, bidirectional=True, seed=5)
    theirs = getattr(torch.nn, kind)(2, 3, num_layers=2, bias=bias, bidirectional=True).double()
    theirs.load_state_dict(to_torch_state_dict(mine))
    inputs = [[0.5, -1.0], [2.0, 0.1], [-0.3, 0.7]]
    expected, _ = theirs(torch.tensor(inputs, dtype=torch.float64))
    output, _ = mine(inputs)
    assert close([[v.data for v in vs] for vs in output], expected.tolist())
    back = KINDS[kind](2, 3, num_layers=2, bias=bias, bidirectional=True, seed=6)
    from_torch_state_dict(back, theirs.state_dict())
    assert back.state_dict() == mine.state_dict()


@pytest.mark.parametrize(("mine", "kind"), [(RNNCell, "RNNCell"), (LSTMCell, "LSTMCell"), (GRUCell, "GRUCell")])
def test_cells_and_linear(mine: type[RNNCell | LSTMCell | GRUCell], kind: str) -> None:
    torch = pytest.importorskip("torch")
    cell = mine(2, 3, seed=7)
    theirs = getattr(torch.nn, kind)(2, 3).double()
    theirs.load_state_dict(to_torch_state_dict(cell))
    h = theirs(torch.tensor([[0.5, -1.0]], dtype=torch.float64))
    expected = h[0] if kind == "LSTMCell" else h
    new = cell([0.5, -1.0])
    assert close([v.data for v in (new[0] if kind == "LSTMCell" else new)], expected[0].tolist())
    linear = Linear(3, 2, seed=8)
    layer = torch.nn.Linear(3, 2).double()
    layer.load_state_dict(to_torch_state_dict(linear))
    assert close([v.data for v in linear([Value(1.0)] * 3)], layer(torch.ones(3, dtype=torch.float64)).tolist())
    for state in (layer, layer.state_dict()):
        with pytest.raises(ArgumentError, match=r"tinygrad_rnn\.interop\.from_torch_state_dict$"):
            linear.load_state_dict(state)


class Model(Module):
    def __init__(self, recurrent: Recurrent) -> None:
        self.rnn = recurrent
        self.heads = [Linear(3, 1, seed=1), Linear(3, 2, bias=False, seed=2)]


def test_a_model_of_modules_is_prefixed_as_in_pytorch(tmp_path: Path) -> None:
    model = Model(GRU(1, 3, seed=3))
    names = list(to_torch_numbers(model))
    assert names == [
        "rnn.weight_ih_l0",
        "rnn.weight_hh_l0",
        "rnn.bias_ih_l0",
        "rnn.bias_hh_l0",
        "heads.0.weight",
        "heads.0.bias",
        "heads.1.weight",
    ]
    save_safetensors(model, tmp_path / "model.safetensors")
    twin = Model(GRU(1, 3, seed=4))
    load_safetensors(twin, tmp_path / "model.safetensors")
    assert twin.state_dict() == model.state_dict()


class Nested(Module):
    def __init__(self, seed: int) -> None:
        self.layers = {"a": [[RNNCell(1, 2, seed=seed)]], "b": (LSTM(2, 1, seed=seed), Linear(1, 1, seed=seed))}


def test_modules_in_nested_containers_are_found() -> None:
    model, twin = Nested(1), Nested(2)
    numbers = to_torch_numbers(model)
    assert [name for name in numbers if "weight_hh" in name] == ["layers.a.0.0.weight_hh", "layers.b.0.weight_hh_l0"]
    from_torch_state_dict(twin, numbers)
    assert twin.state_dict() == model.state_dict()


def test_one_bias_is_enough() -> None:
    module = LSTM(2, 3, seed=9)
    numbers = to_torch_numbers(module)
    del numbers["bias_hh_l0"]
    twin = LSTM(2, 3, seed=10)
    from_torch_state_dict(twin, numbers)
    assert twin.state_dict() == module.state_dict()


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), "x", None])
def test_what_is_no_finite_number_is_named_with_its_place_and_changes_nothing(wrong: Any) -> None:
    lstm = LSTM(2, 3, seed=1)
    before = lstm.state_dict()
    numbers = to_torch_numbers(LSTM(2, 3, seed=2))
    numbers["weight_hh_l0"][7][1] = wrong
    with pytest.raises((DataError, OperandError), match=rf"weight_hh_l0\[7,1\] is '?{wrong}"):
        from_torch_state_dict(lstm, numbers)
    numbers["weight_hh_l0"][7] = [0.0]
    with pytest.raises(ShapeError, match=r"weight_hh_l0\[7\] has 1 entry"):
        from_torch_state_dict(lstm, numbers)
    numbers["weight_hh_l0"][7] = 0.0
    with pytest.raises(ShapeError, match=r"weight_hh_l0\[7\] is a single number in the state dict, and has 3 entries"):
        from_torch_state_dict(lstm, numbers)
    assert lstm.state_dict() == before


def test_a_module_is_no_state_dict_and_a_wrappers_prefix_is_named() -> None:
    torch = pytest.importorskip("torch")
    theirs, mine = torch.nn.LSTM(2, 3), LSTM(2, 3)
    for module in (theirs, mine):
        with pytest.raises(ArgumentError, match=r"a LSTM is not a state dict. Give its \.state_dict\(\)"):
            from_torch_state_dict(mine, module)
    with pytest.raises(ArgumentError, match=r"a list is not a state dict\. Give tensors by their names"):
        from_torch_state_dict(mine, [1.0])  # type: ignore[arg-type]
    wrapped = torch.nn.DataParallel(theirs).state_dict()
    with pytest.raises(ArgumentError, match=r"begin with 'module\.'.*removeprefix\('module\.'\)"):
        from_torch_state_dict(mine, wrapped)
    from_torch_state_dict(mine, {name.removeprefix("module."): tensor for name, tensor in wrapped.items()})
    assert to_torch_numbers(mine)["weight_hh_l0"] == theirs.double().weight_hh_l0.tolist()
    with pytest.raises(ArgumentError, match=r"has no weight_ih_l0. It has '_orig_mod.weight_ih_l1'"):
        from_torch_state_dict(mine, {"_orig_mod.weight_ih_l1": [], "b": []})
    with pytest.raises(ArgumentError, match=r"begin with '_orig_mod\.'"):
        from_torch_state_dict(mine, {f"_orig_mod.{name}": tensor for name, tensor in theirs.state_dict().items()})


def test_names_that_do_not_fit_are_listed_in_short() -> None:
    numbers = {**to_torch_numbers(LSTM(2, 3)), **{f"x{i}": 0.0 for i in range(10_000)}}
    with pytest.raises(ArgumentError, match=r"'x0', 'x1'.* and 9,990 more, which LSTM") as caught:
        from_torch_state_dict(LSTM(2, 3), numbers)
    assert len(str(caught.value)) < 300


def test_biases_are_added_as_doubles_whatever_they_come_as() -> None:
    numbers = to_torch_numbers(RNN(1, 1))
    inner, outer = numpy.float32(0.1), numpy.float32(1e-9)
    module = RNN(1, 1)
    from_torch_state_dict(module, {**numbers, "bias_ih_l0": [inner], "bias_hh_l0": numpy.array([outer])})
    assert module.cells[0].state_dict()["b"] == [float(inner) + float(outer)]


def test_what_does_not_fit_names_both_shapes_and_the_parameter_and_changes_nothing() -> None:
    module = LSTM(2, 3, seed=11)
    before = module.state_dict()
    with pytest.raises(ShapeError, match=r"weight_ih_l0 has shape \(16, 2\) in the state dict, and \(12, 2\)"):
        from_torch_state_dict(module, to_torch_numbers(LSTM(2, 4)))
    with pytest.raises(ArgumentError, match="no bias_ih_l0"):
        from_torch_state_dict(module, to_torch_numbers(LSTM(2, 3, bias=False)))
    with pytest.raises(ArgumentError, match="weight_ih_l1"):
        from_torch_state_dict(module, to_torch_numbers(LSTM(2, 3, num_layers=2)))
    assert module.state_dict() == before
    stray = Model(RNN(1, 3))
    stray.stray = [Value(1.0)]  # type: ignore[attr-defined]
    with pytest.raises(ArgumentError, match="no name for stray"):
        to_torch_numbers(stray)


# ---- safetensors ------------------------------------------------------------------------------------------------

tensors = st.dictionaries(
    st.text(max_size=8).filter(lambda name: name != "__metadata__"),
    st.lists(st.integers(0, 3), max_size=3).flatmap(
        lambda shape: st.lists(st.floats(width=64), min_size=math.prod(shape), max_size=math.prod(shape)).map(
            lambda numbers: Tensor(tuple(shape), tuple(numbers))
        )
    ),
    max_size=4,
)


@given(tensors=tensors, metadata=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_files_come_back_to_the_last_bit(tmp_path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    path = tmp_path / "x.safetensors"
    write_safetensors(path, tensors, metadata)
    again, strings = read_safetensors(path)
    assert strings == metadata
    assert list(again) == list(tensors)
    for name, tensor in tensors.items():
        assert again[name].shape == tensor.shape
        assert struct.pack(f"{len(tensor.numbers)}d", *again[name].numbers) == struct.pack(
            f"{len(tensor.numbers)}d", *tensor.numbers
        )


def test_the_safetensors_library_reads_what_we_write_and_we_what_it_writes(tmp_path: Path) -> None:
    import safetensors.numpy as library

    ours, theirs = tmp_path / "ours.safetensors", tmp_path / "theirs.safetensors"
    module = GRU(2, 3, num_layers=2, seed=12)
    save_safetensors(module, ours)
    loaded = library.load_file(ours)
    assert {name: array.tolist() for name, array in loaded.items()} == to_torch_numbers(module)
    arrays = {
        dtype: numpy.array([[1, 2, 3]], dtype=dtype) / (2 if dtype.startswith("float") else 1)
        for dtype in ("float64", "float32", "float16", "int32", "int16", "int8", "uint8")
    }
    library.save_file({name: array.astype(name) for name, array in arrays.items()}, theirs, {"a": "b"})
    read, metadata = read_safetensors(theirs)
    assert metadata == {"a": "b"}
    assert {name: tensor.nested() for name, tensor in read.items()} == {n: a.tolist() for n, a in arrays.items()}


def test_whole_numbers_and_booleans_are_read_to_the_last_digit(tmp_path: Path) -> None:
    import safetensors.numpy as library

    path = tmp_path / "x.safetensors"
    arrays = {
        **{
            f"int{bits}": numpy.array([-(2 ** (bits - 1)), 2 ** (bits - 1) - 1], f"int{bits}")
            for bits in (8, 16, 32, 64)
        },
        **{f"uint{bits}": numpy.array([0, 2**bits - 1], f"uint{bits}") for bits in (8, 16, 32, 64)},
        **{"bool": numpy.array([[True], [False]]), "weight": numpy.array([0.5])},
    }
    library.save_file(arrays, path)
    read, _ = read_safetensors(path)
    assert {name: tensor.nested() for name, tensor in read.items()} == {n: a.tolist() for n, a in arrays.items()}
    assert {type(number) for name, tensor in read.items() if name != "weight" for number in tensor.numbers} == {int}
    with pytest.raises(ArgumentError, match=r"^'weight' is a ndarray\. Give Tensor\.of"):
        write_safetensors(path, {"weight": arrays["weight"]})  # type: ignore[dict-item]
    with pytest.raises(ArgumentError, match="in tensor 'int64' does not fit a 64-bit float"):
        write_safetensors(path, {"int64": read["int64"]})
    write_safetensors(path, {"int32": read["int32"]})
    assert read_safetensors(path)[0]["int32"].numbers == tuple(map(float, read["int32"].numbers))


def test_torch_writes_bfloat16_that_we_read(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    import safetensors.torch as library

    library.save_file({"x": torch.tensor([1.5, -2.25, 3e38], dtype=torch.bfloat16)}, tmp_path / "x.safetensors")
    read, _ = read_safetensors(tmp_path / "x.safetensors")
    assert read["x"].numbers == tuple(torch.tensor([1.5, -2.25, 3e38], dtype=torch.bfloat16).double().tolist())


def test_every_way_of_cutting_a_file_is_an_error(tmp_path: Path) -> None:
    path, cut = tmp_path / "x.safetensors", tmp_path / "cut.safetensors"
    write_safetensors(path, {"a": Tensor((2,), (1.0, 2.0)), "b": Tensor((), (3.0,))}, {"k": "v"})
    content = path.read_bytes()
    for length in range(len(content)):
        cut.write_bytes(content[:length])
        with pytest.raises(DataError, match=r"cut\.safetensors"):
            read_safetensors(cut)
    cut.write_bytes(content + b"\0")
    with pytest.raises(DataError, match="1 byte too many behind the last tensor"):
        read_safetensors(cut)


def file_with(header: Any, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"PK\x03\x04 a pickle in a zip file", "header would be too long"),
        (file_with([]), "no JSON object"),
        (file_with(b"{'a'"), "no JSON"),
        (file_with(b"[" * 100_000), "no JSON"),
        (file_with(b'{"a": 1, "a": 2}'), "twice"),
        (file_with({"__metadata__": {"a": 1}}), "not strings"),
        (file_with({"a": 1}), "does not say where"),
        (file_with({"a": {"dtype": "F64", "shape": [1], "data_offsets": [0, -8]}}), "does not say where"),
        (file_with({"a": {"dtype": "F64", "shape": [1], "data_offsets": [8, 16]}}, b"\0" * 16), "does not begin"),
        (
            file_with({"a": {"dtype": "U8", "shape": [1] * 10**5, "data_offsets": [0, 1]}}, b"\0"),
            "100,000 dimensions",
        ),
        (file_with({"a": {"dtype": [1], "shape": [1], "data_offsets": [0, 1]}}, b"\0"), r"holds \[1\]"),
        (file_with({"a": {"dtype": "U8", "shape": [2**64], "data_offsets": [0, 1]}}, b"\0"), "has no shape"),
        (file_with({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 2**70]}}), "does not say where"),
        (file_with({"a": {"dtype": "F64", "shape": [2], "data_offsets": [0, 8]}}, b"\0" * 8), "has 8 bytes"),
        (file_with({"a": {"dtype": "C64", "shape": [1], "data_offsets": [0, 8]}}, b"\0" * 8), "holds 'C64'"),
        (file_with({"a": {"dtype": "F64", "shape": "1", "data_offsets": [0, 8]}}, b"\0" * 8), "no shape"),
    ],
)
def test_damaged_and_foreign_files_are_one_clear_error(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(DataError, match=complaint) as caught:
        read_safetensors(path)
    assert "bad.safetensors" in str(caught.value)


@pytest.mark.slow
def test_random_damage_never_raises_anything_else(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_safetensors(path, {"a": Tensor((2, 2), (1.0, 2.0, 3.0, 4.0)), "b": Tensor((1,), (3.0,))}, {"k": "v"})
    content = path.read_bytes()
    rng = random.Random(0)
    for _ in range(2000):
        damaged = bytearray(content)
        for _ in range(rng.randint(1, 3)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged)
        with contextlib.suppress(DataError):
            read_safetensors(path)


def test_a_missing_file_and_a_ragged_list() -> None:
    with pytest.raises(DataError, match="cannot read"):
        read_safetensors("/nowhere/x.safetensors")
    with pytest.raises(ArgumentError, match="ragged"):
        Tensor.of([[1.0], [2.0, 3.0]])


@pytest.mark.parametrize("nonlinearity", [name for name in NONLINEARITIES if name not in ("tanh", "relu")])
def test_what_pytorch_would_compute_differently_does_not_leave(nonlinearity: str, tmp_path: Path) -> None:
    for module in (RNN(2, 3, nonlinearity=nonlinearity), RNN(2, 3, nonlinearity=nonlinearity).cells[0]):
        with pytest.raises(ArgumentError, match=f"no nonlinearity '{nonlinearity}'"):
            to_torch_state_dict(module)
        with pytest.raises(ArgumentError, match=f"no nonlinearity '{nonlinearity}'"):
            save_safetensors(module, tmp_path / "x.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_what_pytorch_computes_likewise_leaves(nonlinearity: str) -> None:
    assert "weight_hh_l0" in to_torch_numbers(RNN(2, 3, nonlinearity=nonlinearity))


def test_a_checkpoint_is_recognised_and_its_model_gets_to_pytorch(tmp_path: Path) -> None:
    task, path = Adding(3), tmp_path / "run.safetensors"
    model = RecurrentNetwork.for_task(task, "gru", 2)
    train(model, task, Settings(batch_size=1, validation_size=1), Limits(1), checkpoint=path, progress=False)
    with pytest.raises(DataError, match=r"run.safetensors is a checkpoint .*load_checkpoint\(path\).make_model\(\)"):
        load_safetensors(model, path)
    numbers = to_torch_numbers(load_checkpoint(path).make_model())
    assert numbers["readout.weight"] == model.state_dict()["readout.V"]


def test_a_file_that_does_not_fit_into_memory_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.safetensors"
    with open(path, "wb") as file:
        file.truncate(10**9)  # no block of it is on the disk
    monkeypatch.setattr(memory, "available_memory", lambda: 10**9)
    with pytest.raises(TooLargeError, match=r"^the size of x\.safetensors = 1,000,000,000 takes about 6\.5 GB"):
        read_safetensors(path)
    header = {"a": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0], "more": [0] * 10**6}}
    path.write_bytes(file_with(header))
    monkeypatch.setattr(memory, "available_memory", lambda: 10**8)
    with pytest.raises(TooLargeError, match=r"^the length of the header = 3,000,0.. takes about 120 MB"):
        read_safetensors(path)


def test_a_pipe_is_read(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "x", {"a": Tensor((1,), (1.5,))})
    os.mkfifo(tmp_path / "pipe")
    content = (tmp_path / "x").read_bytes()
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(content))
    writer.start()
    assert read_safetensors(tmp_path / "pipe")[0]["a"].numbers == (1.5,)
    writer.join()
