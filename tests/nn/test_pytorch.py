"""The page that says where this package differs from PyTorch: it is up to date, and what it says of either is true."""

from __future__ import annotations

import inspect
import math
import pickle
import re
import sys
from collections.abc import Callable
from typing import Any

import pytest

import tinygrad_rnn
from tinygrad_rnn import (
    Linear,
    LSTMCell,
    Module,
    RNNCell,
    Value,
    binary_cross_entropy_with_logits,
    cross_entropy,
    gradcheck,
    mse_loss,
    optim,
)
from tinygrad_rnn.errors import ArgumentError, DomainError, OptionError, ShapeError
from tinygrad_rnn.nn import GRU, LSTM, RNN, GRUCell, init
from tinygrad_rnn.support.pytorch import INSTEAD

from ..golden.make_pytorch import FILE, MEANINGS, NAMES, arguments, by_position, find, tables, text

ARGUMENTS, OPTIONS, DIFFERENCES = tables(FILE.read_text(encoding="utf-8"))
ROWS = dict(zip(NAMES, ARGUMENTS))


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info < (3, 11), reason="PyTorch's overloads can be read from 3.11 on")
def test_the_page_is_up_to_date() -> None:
    pytest.importorskip("torch")
    assert FILE.read_text(encoding="utf-8") == text()


def test_the_page_has_every_row() -> None:
    assert [row[0] for row in ARGUMENTS] == [f"`{name.replace('.__call__', '()(…)')}`" for name in NAMES]
    assert [[f"`{name}`", instead] for name, instead in INSTEAD.items()] == OPTIONS
    assert [list(row) for row in MEANINGS] == DIFFERENCES


@pytest.mark.parametrize("name", ROWS)
def test_our_arguments_are_those_of_the_page(name: str) -> None:
    _, positional, by_name, alone, missing = ROWS[name]
    own = arguments(find(tinygrad_rnn, name))
    assert [each.split(" (")[0] for each in positional.split(", ") if each] == by_position(own)
    keywords = [each for each in own if own[each].kind is inspect.Parameter.KEYWORD_ONLY]
    assert sorted(keywords) == sorted(each for each in f"{by_name}, {alone}".split(", ") if each)
    assert not own.keys() & set(missing.split(", "))


VALUES = [Value(0.5), Value(1.0)]
OPTIMIZER = optim.SGD(VALUES)

#: A call of everything in the table, which takes further arguments.
CALLS: dict[str, Callable[..., Any]] = {
    **{f"nn.{kind.__name__}": lambda kind=kind, **more: kind(2, 2, **more)
       for kind in (RNN, LSTM, GRU, RNNCell, LSTMCell, GRUCell, Linear)},
    **{f"nn.Module.{name}": lambda name=name, **more: getattr(RNNCell(1, 1), name)(**more)
       for name in ("named_parameters", "parameters", "modules", "zero_grad", "state_dict")},
    "nn.Module.load_state_dict": lambda **more: RNNCell(1, 1).load_state_dict(RNNCell(1, 1).state_dict(), **more),
    "nn.cross_entropy": lambda **more: cross_entropy(VALUES, 0, **more),
    "nn.mse_loss": lambda **more: mse_loss(VALUES, [0.0, 1.0], **more),
    "nn.binary_cross_entropy_with_logits": lambda **more: binary_cross_entropy_with_logits(VALUES, [0.0, 1.0], **more),
    **{f"nn.init.{name}": lambda name=name, **more: getattr(init, name)(RNNCell(1, 1).W, **more)
       for name in ("eye_", "normal_", "orthogonal_")},
    **{f"optim.{name}": lambda name=name, **more: getattr(optim, name)(VALUES, **more) for name in optim.OPTIMIZERS},
    **{f"optim.Optimizer.{name}": lambda name=name, **more: getattr(OPTIMIZER, name)(**more)
       for name in ("step", "zero_grad", "state_dict")},
    "optim.StepLR": lambda **more: optim.StepLR(OPTIMIZER, 3, **more),
    "optim.ExponentialLR": lambda **more: optim.ExponentialLR(OPTIMIZER, 0.9, **more),
    "optim.CosineAnnealingLR": lambda **more: optim.CosineAnnealingLR(OPTIMIZER, 3, **more),
    "optim.LambdaLR": lambda **more: optim.LambdaLR(OPTIMIZER, lambda steps: 1.0, **more),
    **{f"optim.LRScheduler.{name}": lambda name=name, **more: getattr(optim.StepLR(OPTIMIZER, 3), name)(**more)
       for name in ("step", "state_dict")},
    "optim.clip_grad_norm_": lambda **more: optim.clip_grad_norm_(VALUES, 1.0, **more),
    "optim.clip_grad_value_": lambda **more: optim.clip_grad_value_(VALUES, 1.0, **more),
    "Value.backward": lambda **more: (VALUES[0] * 1.0).backward(**more),
    "gradcheck": lambda **more: gradcheck(lambda x: x * x, 1.0, **more),
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row[-1]])
def test_options_that_are_not_here_are_refused_by_name(name: str) -> None:
    CALLS[name]()
    for option in ROWS[name][-1].split(", "):
        with pytest.raises(OptionError) as caught:
            CALLS[name](**{option: None})
        instead = INSTEAD[option].replace("`", "")
        assert re.fullmatch(rf"[\w.]+ has no option {option}\. Leave it out: {re.escape(instead)}", str(caught.value))
    with pytest.raises(OptionError, match="has no option optoin"):
        CALLS[name](optoin=1)


@pytest.mark.parametrize(
    "call",
    [
        lambda: LSTM(3, 2, 1, True, True),  # PyTorch: batch_first
        lambda: RNN(3, 2, 1, "tanh", True, True),
        lambda: GRU(3, 2, 1, True, True),
        lambda: LSTMCell(3, 2, True, 1.0),  # PyTorch: device
        lambda: GRUCell(3, 2, True, 7),
        lambda: RNNCell(3, 2, True, "tanh", 7),
        lambda: Linear(3, 2, True, 7),
        lambda: init.normal_(RNNCell(1, 1).W, 0.5),  # PyTorch: mean
        lambda: init.orthogonal_(RNNCell(1, 1).W, 1.0, 7),
        lambda: optim.Adam(VALUES, 0.1, (0.9, 0.99), 1e-8, 0.0, False, True),
        lambda: optim.StepLR(OPTIMIZER, 3, 0.1, -1),
        lambda: cross_entropy(VALUES, 0, [1.0, 1.0]),
    ],
)
def test_what_would_mean_something_else_by_position_is_refused(call: Callable[[], Any]) -> None:
    with pytest.raises(OptionError, match=r"^[\w.]+ takes [\w, ]+ by position\. "):
        call()


def test_an_error_about_an_argument_names_the_class_and_is_what_python_raises() -> None:
    with pytest.raises(OptionError, match=r"^GRU has no option batch_first. Leave it out: a sequence is x_1 … x_T"):
        GRU(1, 2, batch_first=True)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"^RNN has no option num_layer. Did you mean num_layers?"):
        RNN(1, 2, num_layer=2)  # type: ignore[call-arg]
    with pytest.raises(OptionError, match=r"^cross_entropy has no option inputs. Did you mean input?"):
        cross_entropy(inputs=VALUES, target=0)  # type: ignore[call-arg]
    with pytest.raises(OptionError, match=r"^Adam has no option rate. It has parameters, lr, betas, eps, "):
        optim.Adam(VALUES, rate=0.1)  # type: ignore[call-arg]
    with pytest.raises(OptionError, match=r"^LSTM takes input_size, hidden_size, num_layers, bias by position. Give"):
        LSTM(3, 2, 1, True, True)  # type: ignore[misc]
    with pytest.raises(OptionError, match=r"^Module.parameters takes nothing by position. Leave out the rest"):
        RNNCell(1, 1).parameters(True)  # type: ignore[call-arg]
    with pytest.raises(OptionError, match=r"^RNN\(\)\(…\) has no option input. Did you mean inputs?"):
        RNN(1, 1)(input=[[1.0]])  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'hidden_size'"):
        RNN(3)  # type: ignore[call-arg]


def test_a_type_error_within_is_not_taken_for_one_of_the_call() -> None:
    def broken(n: int) -> float:
        raise TypeError("no option batch_first")

    with pytest.raises(TypeError, match=r"^no option batch_first$") as caught:
        optim.LambdaLR(OPTIMIZER, broken)
    assert not isinstance(caught.value, OptionError)


def test_signatures_and_names_are_those_of_the_functions_themselves() -> None:
    assert list(inspect.signature(cross_entropy).parameters) == ["input", "target"]
    assert list(inspect.signature(RNNCell).parameters)[:2] == ["input_size", "hidden_size"]
    assert pickle.loads(pickle.dumps(cross_entropy)) is cross_entropy
    with pytest.raises(ShapeError) as caught:
        cross_entropy([], 0)
    assert [entry.name for entry in caught.traceback][1:] == ["cross_entropy", "cross_entropy"]


# ---- the same name, another meaning: a test per row of the page --------------------------------------------------


def weights(torch: Any) -> None:
    cell = RNNCell(2, 3)
    assert list(cell.state_dict()) == ["W", "U", "b"]
    assert list(LSTMCell(1, 1).state_dict())[:3] == ["W_i", "U_i", "b_i"]
    if torch:
        assert list(torch.nn.RNNCell(2, 3).state_dict()) == ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
        assert torch.nn.LSTMCell(2, 3).weight_hh.shape == (12, 3)


def state_of_an_lstm(torch: Any) -> None:
    zeros = [Value(0.0), Value(0.0)]
    h, c = LSTMCell(1, 2)([0.5], zeros, zeros)
    assert len(h) == len(c) == 2
    with pytest.raises(ShapeError, match="Give h, c"):
        LSTMCell(1, 2)([0.5], (zeros, zeros))
    if torch:
        zero = torch.zeros(2)
        assert len(torch.nn.LSTMCell(1, 2)(torch.zeros(1), (zero, zero))) == 2
        with pytest.raises(TypeError):
            torch.nn.LSTMCell(1, 2)(torch.zeros(1), zero, zero)


class Bag(Module):
    def __init__(self) -> None:
        self.single, self.several, self._none = Value(1.0), {"a": [Value(2.0)]}, Value(3.0)


def parameters_of_a_module(torch: Any) -> None:
    assert [name for name, _ in Bag().named_parameters()] == ["single", "several.a[0]"]
    if torch:
        module = torch.nn.Module()
        module.plain, module.several = torch.ones(1), [torch.nn.Parameter(torch.ones(1))]
        module.found = torch.nn.ParameterList([torch.ones(1)])
        assert [name for name, _ in module.named_parameters()] == ["found.0"]


def gradient_before_backward(torch: Any) -> None:
    assert Value(1.0).grad == 0.0
    assert not Value(1.0).has_grad
    assert not torch or torch.ones(1, requires_grad=True).grad is None


def zero_grad(torch: Any) -> None:
    w = Value(1.0)
    optimizer = optim.SGD([w], 0.1, 0.9)
    (w * 1.0).backward()
    optimizer.step()
    before = w.data
    optimizer.zero_grad()
    assert w.grad == 0.0
    optimizer.step()
    assert w.data == pytest.approx(before - 0.1 * 0.9)
    with pytest.raises(ArgumentError, match="set_to_none"):
        optimizer.zero_grad(set_to_none=True)
    if torch:
        theirs = torch.ones(1, requires_grad=True)
        same = torch.optim.SGD([theirs], 0.1, 0.9)
        theirs.sum().backward()
        same.step()
        same.zero_grad()
        assert theirs.grad is None
        same.step()
        assert theirs.item() == pytest.approx(before)


def twice(torch: Any) -> None:
    w = Value(1.0)
    w.grad = 1.0
    optim.SGD([w, w], 0.25).step()
    assert w.data == 0.75
    if torch:
        theirs = torch.ones(1, requires_grad=True)
        theirs.grad = torch.ones(1)
        with pytest.warns(UserWarning, match="duplicate"):
            torch.optim.SGD([theirs, theirs], 0.25, foreach=False).step()
        assert theirs.item() == 0.5


def groups(torch: Any) -> None:
    with pytest.raises(ArgumentError, match="an optimizer for each group"):
        optim.SGD([{"params": VALUES}])  # type: ignore[list-item]
    if torch:
        torch.optim.SGD([{"params": [torch.ones(1, requires_grad=True)]}])


def not_a_number(torch: Any) -> None:
    w = Value(1.0, label="w")
    w.grad = math.nan
    for use in (lambda: optim.clip_grad_norm_([w], 1.0), optim.SGD([w]).step):
        with pytest.raises(DomainError, match="gradient of w"):
            use()
    if torch:
        theirs = torch.ones(1, requires_grad=True)
        theirs.grad = torch.tensor([math.nan])
        torch.nn.utils.clip_grad_norm_([theirs], 1.0)
        torch.optim.SGD([theirs]).step()
        assert math.isnan(theirs.item())


def lambda_and_another(torch: Any) -> None:
    optimizer = optim.SGD([Value(1.0)], lr=1.0)
    both = [optim.ExponentialLR(optimizer, 0.5), optim.LambdaLR(optimizer, lambda steps: 0.75)]
    for schedule in both:
        schedule.step()
    assert optimizer.lr == 0.375
    if torch:
        theirs = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=1.0)
        schedules = torch.optim.lr_scheduler
        both = [schedules.ExponentialLR(theirs, 0.5), schedules.LambdaLR(theirs, lambda steps: 0.75)]
        theirs.step()
        for schedule in both:
            schedule.step()
        assert theirs.param_groups[0]["lr"] == 0.75


def after_the_cosine(torch: Any) -> None:
    optimizer = optim.SGD([Value(1.0)], lr=1.0)
    schedule = optim.CosineAnnealingLR(optimizer, 2)
    for _ in range(4):
        schedule.step()
    assert optimizer.lr == 0.0
    if torch:
        theirs = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=1.0)
        up = torch.optim.lr_scheduler.CosineAnnealingLR(theirs, 2)
        theirs.step()
        for _ in range(4):
            up.step()
        assert theirs.param_groups[0]["lr"] == pytest.approx(1.0)


def confident(torch: Any) -> None:
    assert cross_entropy([40.0, 0.0], 0).data == pytest.approx(4.2e-18, rel=0.02)
    if torch:
        logits = torch.tensor([40.0, 0.0], dtype=torch.float64)
        assert torch.nn.functional.cross_entropy(logits, torch.tensor(0)).item() == 0.0


def kept(torch: Any) -> None:
    w = Value(3.0)
    loss = w * w
    for retain_graph in (None, False, True):
        loss.backward(retain_graph=retain_graph)
    assert w.grad == 18.0
    if torch:
        theirs = torch.ones(1, requires_grad=True)
        squared = theirs * theirs
        squared.backward()
        with pytest.raises(RuntimeError, match="second time"):
            squared.backward()


def tolerances(torch: Any) -> None:
    for function, atol, rtol in ((gradcheck, 1e-8, 1e-6), *([(torch.autograd.gradcheck, 1e-5, 1e-3)] if torch else [])):
        parameters = inspect.signature(function).parameters
        assert (parameters["atol"].default, parameters["rtol"].default) == (atol, rtol)


SHOWN: dict[str, Callable[[Any], None]] = {
    "weights of cells": weights,
    "`LSTMCell()(x, …)`": state_of_an_lstm,
    "parameters of a module": parameters_of_a_module,
    "a gradient before `backward`": gradient_before_backward,
    "`zero_grad`": zero_grad,
    "a parameter given twice to an optimizer": twice,
    "parameter groups": groups,
    "a gradient that is NaN or infinite": not_a_number,
    "`LambdaLR`": lambda_and_another,
    "`CosineAnnealingLR` after `T_max` steps": after_the_cosine,
    "`cross_entropy` of logits 40 and 0, target 0": confident,
    "`backward(retain_graph=…)`": kept,
    "`gradcheck`": tolerances,
}


@pytest.mark.parametrize("what", [row[0] for row in DIFFERENCES])
def test_what_the_page_says_of_this_package_is_true(what: str) -> None:
    SHOWN[what](None)


@pytest.mark.slow
@pytest.mark.parametrize("what", SHOWN)
def test_what_the_page_says_of_pytorch_is_true(what: str) -> None:
    SHOWN[what](pytest.importorskip("torch"))
