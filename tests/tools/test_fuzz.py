"""Every reader, given inputs that nobody meant: a short, seeded run of what `tests.tools.fuzz` does for longer."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tinygrad_rnn import Value
from tinygrad_rnn.cli import main
from tinygrad_rnn.data import read_text
from tinygrad_rnn.errors import ArgumentError, CheckpointError, DataError
from tinygrad_rnn.interop import read_safetensors, write_safetensors
from tinygrad_rnn.interop.safetensors import Tensor
from tinygrad_rnn.optim import Adam

from .fuzz import graphs
from .fuzz.targets import TARGETS, checkpoints, own_folder, resume_training

INPUTS = {
    "csv": 800,
    "text": 300,
    "safetensors": 800,
    "checkpoint": 60,
    "command": 90,
    "records": 30,
    "debugger": 60,
}


@pytest.fixture(autouse=True)
def in_an_empty_folder(empty_folder):
    return empty_folder


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_whatever_it_reads_a_reader_takes_or_refuses_in_its_own_words(name):
    target = TARGETS[name]
    rng = random.Random(0)
    seeds = target.seeds()
    outcomes = set()
    for seed in seeds:
        target.check(seed)
    for _ in range(INPUTS[name]):
        data = target.generate(rng, seeds, target.words)
        with own_folder():
            try:
                outcomes.add(target.check(data))
            except BaseException:
                print(f"python -m tests.tools.fuzz {name} --input FILE, where FILE holds {data!r}")
                raise
    assert outcomes == {True, False}  # or else it is no test


def test_random_graphs_agree_with_60_digits():
    rng = random.Random(0)
    assert sum(graphs.check(graphs.generate(rng), with_jax=False) for _ in range(80)) > 40


# ---- what was found once ----------------------------------------------------------------------------------------


def test_the_beginning_of_a_byte_order_mark_is_no_empty_text():
    Path("f.txt").write_bytes(b"\xef")
    with pytest.raises(DataError, match="not UTF-8"):
        read_text("f.txt")


@pytest.mark.parametrize("nested", [[], [[], []], [[[], []], [[], []], [[], []]], 1.0, [[1.0], [2.0]]])
def test_tensors_without_entries(nested):
    assert Tensor.of(nested).nested() == nested


def test_tensors_without_rows():
    assert Tensor((0, 3), ()).nested() == []


def test_a_tensor_of_nothing_takes_no_memory():
    header = b'{"x":{"dtype":"F64","shape":[1000000000000,0],"data_offsets":[0,0]}}'
    Path("f.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(DataError, match="holds nothing"):
        read_safetensors("f.safetensors")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("task", "name"), [1.0]),
        (("task", "name"), "no such task"),
        (("task", "settings"), 1.0),
        (("task", "settings", "length"), "x"),
        (("alphabet",), ""),
        (("alphabet",), "abc"),
        (("history", "goal"), "x"),
        (("history", "metric"), None),
        (("history", "rows", -1, "validation_error"), "x"),
        (("history", "rows", -1, "validation_loss"), None),
        (("optimizer", "state", "steps"), -1),
        (("optimizer", "state", "steps"), "2"),
    ],
)
def test_a_checkpoint_whose_state_is_nonsense_is_refused(path, value, capsys):
    state, content = checkpoints()[1]
    Path("whole.safetensors").write_bytes(content)
    tensors, metadata = read_safetensors("whole.safetensors")
    document = holder = json.loads(state)
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    write_safetensors("f.safetensors", tensors, {**metadata, "state": json.dumps(document)})
    if path[0] != "alphabet":  # of which a text has its own
        with pytest.raises(CheckpointError):
            resume_training(Path("f.safetensors"))
    if path[0] != "optimizer":  # which only training needs
        assert main(["eval", "f.safetensors", "--sequences", "2"]) == 2
        assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("steps", [-1, 1.5, "2", True, None])
def test_an_optimizer_refuses_a_number_of_steps_that_is_none(steps):
    optimizer = Adam([Value(1.0)])
    before = optimizer.state_dict()
    with pytest.raises(ArgumentError, match="steps is"):
        optimizer.load_state_dict({**before, "steps": steps})
    assert optimizer.state_dict() == before
