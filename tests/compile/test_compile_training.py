"""``train(engine="compiled")``: the same history as the eager engine, to the bit."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tinygrad_rnn.errors import ArgumentError
from tinygrad_rnn.tasks import TASKS
from tinygrad_rnn.train import Limits, RecurrentNetwork, Settings, train
from tinygrad_rnn.train.engine import make_engine


def histories(task, engines, **settings):
    for engine in engines:
        model = RecurrentNetwork.for_task(task, settings.get("kind", "lstm"), hidden_size=3, seed=1)
        more = {name: setting for name, setting in settings.items() if name != "kind"}
        made = Settings(batch_size=5, validation_size=2, engine=engine, **more)
        history = train(model, task, made, Limits(3), progress=False)
        yield [replace(row, seconds=0.0) for row in history.rows], model.state_dict()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["reber", "adding", "latch", "copy"])
@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_training_is_the_same_to_the_bit(name, kind):
    eager, compiled = histories(TASKS[name](), ["eager", "compiled"], kind=kind)
    assert compiled == eager


@pytest.mark.slow
def test_truncated_too():
    eager, compiled = histories(TASKS["reber"](), ["eager", "compiled"], truncate=4)
    assert compiled == eager


def test_fast_is_close():
    (eager, _), (fast, _) = histories(TASKS["reber"](), ["eager", "compiled fast"])
    assert [row.loss for row in fast] == pytest.approx([row.loss for row in eager], rel=1e-9)


def test_unknown_engine():
    with pytest.raises(ArgumentError, match="compiled fast"):
        list(histories(TASKS["reber"](), ["jitted"]))


@pytest.mark.parametrize("engine", ["eager", "compiled"])
def test_examples_that_give_no_loss(engine):
    task = TASKS["reber"]()
    model = RecurrentNetwork.for_task(task, "rnn", hidden_size=2, seed=1)
    example = task.example(random.Random(0))
    silent = replace(example, targets=[None] * len(example.targets))
    for examples, words in [([], "no examples"), ([silent], "no target"), ([example, silent], "no target")]:
        with pytest.raises(ArgumentError, match=words):
            make_engine(engine, model, task, None).gradients(examples, lambda: False)
    assert list(make_engine(engine, model, task, None).outputs([], lambda: False)) == []
