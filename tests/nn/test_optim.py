"""Optimizers, schedules and clipping, against ten steps of PyTorch."""

from __future__ import annotations

import json
import math
import runpy
from collections.abc import Iterator
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_rnn import RNNCell, ScalarRNNCell, Value, optim
from tinygrad_rnn.errors import ArgumentError, DomainError, OperandError, ShapeError

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[1] / "golden" / "optim.json").read_text())


def parameters(numbers: list[float]) -> list[Value]:
    return [Value(number, label=f"p[{i}]") for i, number in enumerate(numbers)]


def follow(optimizer: optim.Optimizer, gradients: list[list[float]]) -> list[list[float]]:
    after = []
    for row in gradients:
        for parameter, gradient in zip(optimizer.parameters, row):
            parameter.grad = gradient
        optimizer.step()
        after.append([parameter.data for parameter in optimizer.parameters])
    return after


@pytest.mark.parametrize("name", GOLDEN["optimizers"])
def test_ten_steps_are_those_of_pytorch(name: str) -> None:
    kind, arguments = GOLDEN["optimizers"][name]
    optimizer = getattr(optim, kind)(parameters(GOLDEN["start"]), **arguments)
    for mine, theirs in zip(follow(optimizer, GOLDEN["gradients"]), GOLDEN["after"][name], strict=True):
        assert mine == pytest.approx(theirs, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("name", GOLDEN["schedulers"])
def test_schedules_are_those_of_pytorch(name: str) -> None:
    optimizer = optim.SGD(parameters([0.0]), lr=0.3)
    schedule = getattr(optim, name)(optimizer, **GOLDEN["schedulers"][name])
    rates = [optimizer.lr]
    for _ in range(10):
        schedule.step()
        rates.append(optimizer.lr)
    assert rates == pytest.approx(GOLDEN["rates"][name], rel=1e-12)


@pytest.mark.parametrize("name", GOLDEN["together"])
def test_schedules_on_one_optimizer_combine_as_in_pytorch(name: str) -> None:
    schedules, expected = GOLDEN["together"][name]
    optimizer = optim.SGD(parameters([0.0]), lr=0.3)
    made = [getattr(optim, kind)(optimizer, **arguments) for kind, arguments in schedules]
    rates = [optimizer.lr]
    for _ in range(10):
        for schedule in made:
            schedule.step()
        rates.append(optimizer.lr)
    assert rates == pytest.approx(expected, rel=1e-12)


def test_two_schedules_halve_and_take_nine_tenths() -> None:
    optimizer = optim.SGD(parameters([0.0]), lr=1.0)
    for schedule in (optim.StepLR(optimizer, 1, 0.5), optim.ExponentialLR(optimizer, 0.9)):
        schedule.step()
    assert optimizer.lr == 0.45


def test_a_schedule_alone_rounds_once() -> None:
    optimizer = optim.SGD(parameters([0.0]), lr=0.3)
    schedule = optim.ExponentialLR(optimizer, 0.9)
    for n in range(1, 200):
        schedule.step()
        assert optimizer.lr == schedule.lr_at(n) == 0.3 * 0.9**n
    cosine = optim.CosineAnnealingLR(optim.SGD(parameters([0.0]), lr=0.3), 50, 0.01)
    for n in range(1, 60):
        cosine.step()
        expected = 0.01 + (0.3 - 0.01) * (1.0 + math.cos(math.pi * (min(n, 50) / 50))) / 2.0
        assert cosine.optimizer.lr == expected


def test_a_schedule_multiplies_a_rate_that_was_assigned() -> None:
    optimizer = optim.SGD(parameters([0.0]), lr=0.3)
    schedule = optim.StepLR(optimizer, 2, 0.5)
    schedule.step()
    optimizer.lr = 8.0
    rates = []
    for _ in range(4):
        schedule.step()
        rates.append(optimizer.lr)
    assert rates == [4.0, 4.0, 2.0, 2.0]
    cosine = optim.CosineAnnealingLR(optimizer, 3)
    for _ in range(4):
        cosine.step()
    assert optimizer.lr == 0.0
    optimizer.lr = 0.5
    cosine.step()
    assert optimizer.lr == 0.5  # it has come to its end, and changes no more


def test_a_schedule_that_begins_at_zero_goes_on_from_what_it_finds() -> None:
    optimizer = optim.SGD(parameters([0.0]), lr=0.5)
    warm_up = optim.LambdaLR(optimizer, lambda steps: min(1.0, steps / 4))
    assert optimizer.lr == 0.0
    warm_up.step()
    assert optimizer.lr == 0.125
    again = optim.LambdaLR(optimizer, lambda steps: min(steps, 1))
    assert optimizer.lr == 0.0
    optimizer.lr = 2.0
    again.step()
    assert optimizer.lr == 2.0


def test_a_schedule_takes_a_function_that_is_called_once_a_step() -> None:
    factors = iter([1.0, 0.5, 0.25, 0.125])
    optimizer = optim.SGD(parameters([0.0]), lr=1.0)
    schedule = optim.LambdaLR(optimizer, lambda _: next(factors))
    for expected in (0.5, 0.25, 0.125):
        schedule.step()
        assert optimizer.lr == expected


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("with_optimizer", [True, False])
def test_states_of_several_schedules_are_loaded_in_any_order(order: int, with_optimizer: bool) -> None:
    def make() -> tuple[optim.Optimizer, list[optim.LRScheduler]]:
        optimizer = optim.Adam(parameters([0.0]), lr=0.3)
        return optimizer, [
            optim.StepLR(optimizer, 2, 0.7), optim.CosineAnnealingLR(optimizer, 12, 0.01),
            optim.LambdaLR(optimizer, lambda steps: 1.0 / (1.0 + steps)),
        ]  # fmt: skip

    optimizer, schedules = make()
    twin, twins = make()

    def rates(optimizer: optim.Optimizer, schedules: list[optim.LRScheduler], steps: int) -> list[float]:
        found = []
        for _ in range(steps):
            for schedule in schedules:
                schedule.step()
            found.append(optimizer.lr)
        return found

    rates(optimizer, schedules, 5)
    states = json.loads(json.dumps([schedule.state_dict() for schedule in schedules]))
    if with_optimizer:
        twin.load_state_dict(optimizer.state_dict())
    for schedule, state in list(zip(twins, states))[::order]:
        schedule.load_state_dict(state)
    assert twin.lr == optimizer.lr
    assert rates(twin, twins, 6) == rates(optimizer, schedules, 6)


def test_a_state_of_an_earlier_version_sets_the_rate() -> None:
    optimizer = optim.Adam(parameters([0.0]))
    schedule = optim.ExponentialLR(optimizer, 0.5)
    schedule.load_state_dict({"steps": 3, "initial_lr": 0.8})
    assert optimizer.lr == 0.1
    assert schedule.state_dict() == {"steps": 3, "initial_lr": 0.8}
    schedule.load_state_dict({"steps": 0, "initial_lr": 0.8})
    assert (schedule.steps, optimizer.lr) == (0, 0.8)
    schedule.load_state_dict({"steps": 3, "initial_lr": 0.8})
    optimizer.lr = 0.7
    assert schedule.state_dict() == {"steps": 3, "initial_lr": 0.8, "lr": 0.7}
    for wrong in ({"steps": 3}, {"steps": 3, "initial_lr": 0.8, "more": 1}, {"steps": 3, "initial_lr": 1, "lr": -1}):
        with pytest.raises(ArgumentError):
            schedule.load_state_dict(wrong)
    assert schedule.steps == 3


def test_a_rate_that_is_assigned_is_a_number_in_its_range() -> None:
    optimizer = optim.SGD(parameters([0.0]))
    optimizer.lr = np.float32(0.1)
    assert type(optimizer.lr) is float
    for wrong in (-0.1, math.nan, math.inf):
        with pytest.raises(ArgumentError, match="lr is"):
            optimizer.lr = wrong
    with pytest.raises(OperandError):
        optimizer.lr = "0.1"  # type: ignore[assignment]
    assert optimizer.lr == float(np.float32(0.1))


def test_dampening_does_not_concern_the_first_update() -> None:
    optimizer = optim.SGD(parameters([0.0]), 1.0, 0.5, 0.75)
    assert follow(optimizer, [[1.0], [1.0]]) == [[-1.0], [-1.0 - 0.75]]


@pytest.mark.slow
def test_golden_file_is_what_pytorch_says_today() -> None:
    pytest.importorskip("torch")
    run = runpy.run_path(str(Path(__file__).parents[1] / "golden" / "make_optim.py"))["run"]

    today_all = run()
    for name, (_, rates) in today_all["together"].items():
        assert rates == pytest.approx(GOLDEN["together"][name][1], rel=1e-13)
    for name, rows in today_all["after"].items():
        for today, stored in zip(rows, GOLDEN["after"][name], strict=True):
            assert today == pytest.approx(stored, rel=1e-13)


@pytest.mark.parametrize("name", optim.SCHEDULES)
def test_a_schedule_is_made_again_from_its_settings(name: str) -> None:
    first = optim.SCHEDULES[name](optim.SGD(parameters([0.0]), lr=0.3), **GOLDEN["schedulers"][name])
    twin = optim.SCHEDULES[name](optim.SGD(parameters([0.0]), lr=0.3), **json.loads(json.dumps(first.settings)))
    assert [first.lr_at(n) for n in range(9)] == [twin.lr_at(n) for n in range(9)]


def test_a_rate_beyond_the_largest_float_is_an_error_of_ours() -> None:
    schedule = optim.ExponentialLR(optim.SGD(parameters([0.0])), 1e200)
    with pytest.raises(ArgumentError, match="learning rate of the schedule is inf"):
        schedule.lr_at(2)


def test_a_schedule_of_ones_own() -> None:
    optimizer = optim.Adam(parameters([0.0]), lr=0.5)
    schedule = optim.LambdaLR(optimizer, lambda steps: min(1.0, (steps + 1) / 4))
    assert optimizer.lr == 0.125
    schedule.step()
    twin = optim.LambdaLR(optim.Adam(parameters([0.0])), lambda steps: min(1.0, (steps + 1) / 4))
    twin.load_state_dict(json.loads(json.dumps(schedule.state_dict())))
    assert twin.optimizer.lr == optimizer.lr == 0.25


@pytest.mark.parametrize("norm_type", ["1.0", "2.0", "3.0", "inf"])
def test_clipping_by_norm_is_that_of_pytorch(norm_type: str) -> None:
    ps = parameters(GOLDEN["start"])
    for parameter, gradient in zip(ps, GOLDEN["gradients"][0]):
        parameter.grad = gradient
    golden = GOLDEN["clipped"][norm_type]
    assert optim.clip_grad_norm_(ps, 0.5, float(norm_type)) == pytest.approx(golden["norm"], rel=1e-12)
    assert [p.grad for p in ps] == pytest.approx(golden["gradients"], rel=1e-12)


def test_clipping_leaves_small_gradients_alone_and_survives_large_ones() -> None:
    ps = parameters([0.0, 0.0])
    ps[0].grad, ps[1].grad = 3.0, 4.0
    assert optim.clip_grad_norm_(ps, 10.0) == 5.0
    assert [p.grad for p in ps] == [3.0, 4.0]
    ps[0].grad, ps[1].grad = 3e200, 4e200
    assert optim.clip_grad_norm_(ps, 1.0) == pytest.approx(5e200)
    assert [p.grad for p in ps] == pytest.approx([0.6, 0.8])
    for norm_type, expected in ((2.0, 5.0 / 2.0**0.5), (1.0, 2.5)):
        ps[0].grad, ps[1].grad = -1.5e308, 1.5e308
        assert optim.clip_grad_norm_(ps, 5.0, norm_type) == math.inf
        assert [p.grad for p in ps] == pytest.approx([-expected, expected], rel=1e-5)
    ps[0].grad, ps[1].grad = -1.5e308, 1.5e308
    optim.clip_grad_norm_(ps, math.inf)
    assert [p.grad for p in ps] == [-1.5e308, 1.5e308]
    ps[0].grad, ps[1].grad = -7.0, 4e200
    optim.clip_grad_value_(ps, 0.7)
    assert [p.grad for p in ps] == [-0.7, 0.7]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_gradient_that_is_no_number_names_its_parameter_and_changes_nothing(bad: float) -> None:
    ps = parameters([1.0, 2.0, 3.0])
    ps[0].grad, ps[1].grad = 5.0, bad
    optimizer = optim.Adam(ps)
    for act in (
        lambda: optim.clip_grad_norm_(ps, 1.0),
        lambda: optim.clip_grad_value_(ps, 1.0),
        optimizer.step,
    ):
        with pytest.raises(DomainError, match=r"gradient of p\[1\]") as caught:
            act()
        assert caught.value.node == "p[1]"
        assert [p.data for p in ps] == [1.0, 2.0, 3.0]
        assert ps[0].grad == 5.0
        assert optimizer.steps == 0


@pytest.mark.parametrize("kind", optim.OPTIMIZERS)
def test_state_goes_through_json_to_the_last_bit(kind: str) -> None:
    known = signature(getattr(optim, kind)).parameters
    options = {"momentum": 0.9, "dampening": 0.5, "centered": True, "amsgrad": True, "maximize": True}
    arguments: Any = {name: option for name, option in options.items() if name in known}
    gradients = GOLDEN["gradients"]
    whole = getattr(optim, kind)(parameters(GOLDEN["start"]), lr=0.1, **arguments)
    expected = follow(whole, gradients)
    first = getattr(optim, kind)(parameters(GOLDEN["start"]), lr=0.1, **arguments)
    halfway = follow(first, gradients[:5])[-1]
    second = getattr(optim, kind)(parameters(halfway), lr=99.0, **arguments)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert follow(second, gradients[5:]) == expected[5:]


def test_a_foreign_state_is_refused_and_changes_nothing() -> None:
    adam = optim.Adam(parameters([1.0, 2.0]))
    before = adam.state_dict()
    with pytest.raises(ArgumentError, match="not a state of Adam"):
        adam.load_state_dict(optim.SGD(parameters([1.0, 2.0])).state_dict())
    with pytest.raises(ShapeError, match="3 entries for 2 parameters"):
        adam.load_state_dict(optim.Adam(parameters([1.0, 2.0, 3.0])).state_dict())
    with pytest.raises(OperandError, match="not a number"):
        adam.load_state_dict({**before, "slots": {**before["slots"], "mean": ["a", 0.0]}})
    with pytest.raises(ArgumentError, match="not the state of a schedule"):
        optim.StepLR(adam, 1).load_state_dict({})
    assert adam.state_dict() == before


def test_numbers_outside_their_range_are_refused() -> None:
    ps = parameters([0.0])
    with pytest.raises(ArgumentError, match=r"lr is -0\.1"):
        optim.SGD(ps, lr=-0.1)
    for wrong in (
        lambda: optim.SGD([], lr=0.1),
        lambda: optim.SGD(ps, lr=math.nan),
        lambda: optim.SGD(ps, lr=math.inf),
        lambda: optim.SGD(ps, nesterov=True),
        lambda: optim.SGD(ps, momentum=-1.0),
        lambda: optim.SGD(ps, momentum=0.9, dampening=-0.1),
        lambda: optim.SGD(ps, momentum=0.9, dampening=1.5),
        lambda: optim.SGD(ps, momentum=0.9, dampening=0.5, nesterov=True),
        lambda: optim.RMSprop(ps, alpha=1.0),
        lambda: optim.Adam(ps, betas=(0.9, 1.0)),
        lambda: optim.Adam(ps, betas=(0.9,)),  # type: ignore[arg-type]
        lambda: optim.Adam(ps, betas=0.9),  # type: ignore[arg-type]
        lambda: optim.Adam(ps, amsgrad=0.5),  # type: ignore[arg-type]
        lambda: optim.SGD(ps, 0.1, 0.9, 0.0, 0.0, 0.5),  # type: ignore[arg-type]
        lambda: optim.RMSprop(ps, maximize="no"),  # type: ignore[arg-type]
        lambda: optim.Adam(ps, eps=0.0),
        lambda: optim.AdamW(ps, weight_decay=-1.0),
        lambda: optim.StepLR(optim.SGD(ps), 0),
        lambda: optim.StepLR(optim.SGD(ps), 2.5),  # type: ignore[arg-type]
        lambda: optim.CosineAnnealingLR(optim.SGD(ps), 0),
        lambda: optim.clip_grad_norm_(ps, -1.0),
        lambda: optim.clip_grad_norm_(ps, 1.0, 0.0),
        lambda: optim.clip_grad_value_(ps, math.nan),
    ):
        with pytest.raises(ArgumentError):
            wrong()
    for make, says in (
        (lambda: optim.Adam(ps, eps=0.0), r"eps is 0\.0\. Give a number above 0$"),
        (lambda: optim.RMSprop(ps, alpha=1.0), r"alpha is 1\.0\. Give a number of at least 0 and below 1$"),
        (lambda: optim.clip_grad_norm_(ps, -1.0), r"max_norm is -1\.0\. Give a number of at least 0$"),
    ):
        with pytest.raises(ArgumentError, match=says):
            make()
    assert optim.Adam(ps, eps=1e-300).eps == 1e-300
    with pytest.raises(OperandError, match="lr is 'big', a str, not a number"):
        optim.SGD(ps, lr="big")  # type: ignore[arg-type]


def test_a_parameter_that_is_given_twice_counts_once() -> None:
    first, second = ScalarRNNCell(w=1.0), ScalarRNNCell()
    second.w = first.w
    w = first.w
    optimizer = optim.SGD([*first.parameters(), *second.parameters()], lr=0.1)
    assert len(optimizer.parameters) == 5
    (w * w).backward()
    optimizer.step()
    assert w.data == 0.8
    w.grad = 3.0
    other = Value(0.0)
    other.grad = 4.0
    assert optim.gradient_norm([w, other, w]) == optim.clip_grad_norm_([w, w, other, w], 2.5) == 5.0
    assert [w.grad, other.grad] == pytest.approx([1.5, 2.0])
    optim.clip_grad_value_([w, w], 1.0)
    assert w.grad == 1.0
    assert optim.finite_gradients([w, w]) == [1.0]


CELL = RNNCell(1, 1)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (CELL.named_parameters(), "names where parameters are expected.*instead of model.named_parameters"),
        ([{"params": CELL.parameters(), "lr": 0.1}], "groups are not supported. Make an optimizer for each group"),
        (CELL, r"a RNNCell where parameters are expected. Give its \.parameters\(\)"),
        (CELL.W, "a list among parameters. Give Values in one row"),
        ([1.0], r"1\.0 is a float, not a parameter. Give model.parameters"),
        (CELL.state_dict(), "W is a str, not a parameter"),
        (np.zeros(2), r"0\.0 is a float64, not a parameter"),
        ({Value(1.0)}, "a set of parameters, which has no order. Give a list"),
        (None, "a NoneType where parameters are expected"),
    ],
)
def test_what_is_no_parameter_is_refused_at_once(given: Any, says: str) -> None:
    given = list(given) if isinstance(given, Iterator) else given
    for use in (
        lambda: optim.SGD(given),
        lambda: optim.Adam(given, lr=0.1),
        lambda: optim.clip_grad_norm_(given, 1.0),
        lambda: optim.clip_grad_value_(given, 1.0),
        lambda: optim.gradient_norm(given),
    ):
        with pytest.raises(ArgumentError, match=says):
            use()


def test_a_single_value_is_clipped_as_in_pytorch() -> None:
    w = Value(1.0)
    w.grad = 5.0
    assert optim.clip_grad_norm_(w, 1.0) == 5.0
    assert w.grad == pytest.approx(1.0)
    assert optim.SGD(w).parameters == (w,)


def test_an_update_of_a_result_would_be_lost() -> None:
    w = Value(1.0, label="w")
    with pytest.raises(ArgumentError, match=r"^w·2 is computed from other Values"):
        optim.SGD([w * 2.0])


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64])
def test_numbers_of_numpy_lose_no_digit(kind: type[Any]) -> None:
    for given, plain in ((kind(2), 2.0),):
        for clip in (optim.clip_grad_norm_, optim.clip_grad_value_):
            gradients = []
            for bound in (given, plain):
                ps = parameters([0.0, 0.0])
                ps[0].grad, ps[1].grad = 1.0 / 3.0, 1e2 / 7.0
                clip(ps, bound)
                gradients.append([p.grad for p in ps])
            assert gradients[0] == gradients[1]
    rates = []
    for lr in (kind(1), 1.0):
        ps = parameters([1.0])
        ps[0].grad = 0.1
        optim.Adam(ps, lr=lr).step()
        rates.append(ps[0].data)
    assert rates[0] == rates[1]


def test_an_optimizer_says_what_it_is() -> None:
    assert repr(optim.SGD(parameters([0.0]), momentum=0.9)) == "SGD(1 parameter, lr=0.001, momentum=0.9)"


@pytest.mark.parametrize(
    ("made", "settings"),
    [
        (optim.SGD([Value(0.0)], 0.1, 0.9, 0.0, 0.01, True), {"momentum": 0.9, "weight_decay": 0.01, "nesterov": True}),
        (
            optim.RMSprop([Value(0.0)], 0.1, 0.9, 1e-6, 0.01, 0.5),
            {"alpha": 0.9, "eps": 1e-6, "weight_decay": 0.01, "momentum": 0.5},
        ),
        (
            optim.SGD([Value(0.0)], 0.1, 0.9, 0.5, maximize=True),
            {"momentum": 0.9, "dampening": 0.5, "weight_decay": 0.0, "nesterov": False, "maximize": True},
        ),
        (
            optim.RMSprop([Value(0.0)], 0.1, 0.9, 1e-6, 0.01, 0.5, True),
            {"alpha": 0.9, "eps": 1e-6, "weight_decay": 0.01, "momentum": 0.5, "centered": True},
        ),
        (
            optim.AdamW([Value(0.0)], 0.1, (0.8, 0.9), 1e-6, 0.0, True),
            {"betas": (0.8, 0.9), "eps": 1e-6, "weight_decay": 0.0, "amsgrad": True},
        ),
        (optim.Adam([Value(0.0)], 0.1, (0.8, 0.9), 1e-6), {"betas": (0.8, 0.9), "eps": 1e-6, "weight_decay": 0.0}),
        (optim.AdamW([Value(0.0)]), {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01}),
        (optim.StepLR(optim.SGD([Value(0.0)]), 3), {"step_size": 3, "gamma": 0.1}),
        (optim.ExponentialLR(optim.SGD([Value(0.0)]), 0.5), {"gamma": 0.5}),
        (optim.CosineAnnealingLR(optim.SGD([Value(0.0)]), 9), {"T_max": 9, "eta_min": 0.0}),
        (optim.LambdaLR(optim.SGD([Value(0.0)]), lambda n: 1.0), {}),
    ],
)
def test_settings_are_the_arguments_in_their_order(
    made: optim.Optimizer | optim.LRScheduler, settings: dict[str, Any]
) -> None:
    assert list(made.settings.items()) == list(settings.items())
