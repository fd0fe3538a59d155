"""A Value that a module holds where it does not look for parameters is an error, not a weight that never learns."""

from __future__ import annotations

import itertools
import random
import weakref
from collections import UserList, deque
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache, partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tinygrad_rnn import Module, RNNCell, ScalarRNNCell, Value, unroll
from tinygrad_rnn.errors import ArgumentError
from tinygrad_rnn.nn.out_of_sight import attributes
from tinygrad_rnn.optim import SGD


class Model(Module):
    def __init__(self, held: Any) -> None:
        self.cell = ScalarRNNCell()
        self.held = held


@dataclass
class Setting:
    scale: Value

    def times(self, x: Value) -> Value:
        return self.scale * x


@dataclass
class SlottedSetting:
    __slots__ = ("scale",)
    scale: Value


def times(w: Value, x: Value) -> Value:
    return w * x


def closure(w: Value) -> Callable[[Value], Value]:
    return lambda x: w * x


def default(w: Value) -> Callable[[Value], Value]:
    def function(x: Value, w: Value = w, *, again: Value = w) -> Value:
        return w * x * again

    return function


def attributed(held: Any) -> Callable[[Value], Value]:
    def function(x: Value) -> Value:
        return x

    vars(function)["held"] = held
    return function


def filled_cache(held: Any) -> Callable[[], Any]:
    here = [held]
    function = lru_cache(lambda: here.pop())
    function()
    return function


def of_objects(held: Any) -> Any:
    array = np.empty((1, 1), dtype=object)
    array[0, 0] = held
    return array


#: What holds a Value, or a module, out of sight.
PLACES: dict[str, Callable[[Any], Any]] = {
    "set": lambda held: {held},
    "frozenset": lambda held: frozenset([held]),
    "deque": lambda held: deque([held]),
    "dict_values": lambda held: {"a": held}.values(),
    "UserList": lambda held: UserList([held]),
    "ndarray": of_objects,
    "partial": lambda held: partial(times, held),
    "partial by keyword": lambda held: partial(times, w=held),
    "function": closure,
    "function with a cache": lambda held: lru_cache(closure(held)),
    "attribute of a function": attributed,
    "function default": default,
    "function in a partial": lambda held: partial(closure(held)),
    "method": lambda held: Setting(held).times,
    "method of C": lambda held: [held].append,
    "method of C by a slot": lambda held: SimpleNamespace(w=held).__repr__,
    "SimpleNamespace": lambda held: SimpleNamespace(inner={"w": [held]}),
    "Setting": Setting,
    "SlottedSetting": SlottedSetting,
    "zip": lambda held: zip([held]),
    "filter": lambda held: filter(None, [held]),
    "islice": lambda held: itertools.islice([held], 1),
    "tee": lambda held: itertools.tee([held])[0],
    "object whose class holds it": lambda held: type("Setting", (), {"scale": held})(),
    "class": lambda held: type("Setting", (), {"scale": held}),
    "cache": lambda held: filled_cache(held),
    "context variable": lambda held: ContextVar("held", default=held),
    "list_iterator": lambda held: iter([held]),
    "set in a list": lambda held: [{"a": ({held},)}],
    "cycle": lambda held: itertools.cycle([held]),
}
#: What does not even keep it alive.
WEAK: dict[str, Callable[[Any], Any]] = {
    "weak reference": weakref.ref,
    "weak proxy": weakref.proxy,
    "weak proxy in a list": lambda held: [weakref.proxy(held)],
    "weak set": lambda held: weakref.WeakSet([held]),
}


@pytest.mark.parametrize("make", (PLACES | WEAK).values(), ids=(PLACES | WEAK).keys())
@pytest.mark.parametrize("held", [Value(0.5, label="scale"), RNNCell(1, 1)], ids=["Value", "Module"])
def test_parameters_out_of_sight_are_an_error_that_names_the_place(make: Callable[[Any], Any], held: Any) -> None:
    model = Model(make(held))
    for use in (model.parameters, model.state_dict, model.zero_grad, lambda: dict(model.named_parameters())):
        with pytest.raises(ArgumentError, match=r"^held[.0a]* is a .*with a Value in it.*begins with _"):
            use()
    with pytest.raises(ArgumentError, match=r"^inner\.held"):
        Module.parameters(SimpleModule(inner=model))
    model._held = vars(model).pop("held")
    assert len(model.parameters()) == 3


class SimpleModule(Module):
    def __init__(self, **held: Any) -> None:
        vars(self).update(held)


def test_the_error_names_the_kind_of_place() -> None:
    for place, kind in (("set", "set"), ("ndarray", "ndarray"), ("partial", "partial"), ("function", "function")):
        with pytest.raises(ArgumentError) as caught:
            Model(PLACES[place](Value(0.5, label="scale"))).parameters()
        assert str(caught.value).startswith(f"held is a {kind} with a Value in it, scale, which would not be found")


@pytest.mark.parametrize("make", (PLACES | WEAK).values(), ids=(PLACES | WEAK).keys())
def test_what_is_found_elsewhere_may_also_be_out_of_sight(make: Callable[[Any], Any]) -> None:
    model = Model(None)
    model.held = make(model.cell.w)
    assert [name for name, _ in model.named_parameters()] == ["cell.w", "cell.u", "cell.b"]


@pytest.mark.parametrize("make", PLACES.values(), ids=PLACES.keys())
def test_results_and_plain_numbers_are_no_parameters(make: Callable[[Any], Any]) -> None:
    for held in (Value(1.0) * 2.0, 0.5, "text", None):
        assert len(Model(make(held)).parameters()) == 3


def test_a_generator_is_an_error_whatever_it_yields() -> None:
    def cells() -> Iterator[int]:
        yield 1

    for held, path in ((cells(), "held"), ([cells()], r"held\.0"), ({"a": cells()}, r"held\.a")):
        with pytest.raises(ArgumentError, match=f"^{path} is a generator"):
            Model(held).parameters()
    with pytest.raises(ArgumentError, match=r"^held is a cycle, which may hold .*Hold a list, and iterate over that"):
        Model(itertools.cycle(cells())).parameters()


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: map(Value, [0.5, 0.6]), "map"),
        (lambda: map(str, [0.5]), "map"),
        (lambda: itertools.starmap(Value, [(0.5,)]), "starmap"),
        (lambda: itertools.accumulate([0.5, 0.6], lambda a, b: Value(b)), "accumulate"),
        (lambda: iter(lambda: Value(0.5), None), "callable_iterator"),
    ],
)
def test_what_makes_its_values_when_asked_is_an_error_as_a_generator_is(make: Callable[[], Any], kind: str) -> None:
    for held in (make(), [make()], zip(make()), {1: make()}, SimpleNamespace(inner=make())):
        with pytest.raises(ArgumentError, match=r"^held[.0-9a-z]* is a \w+, which may hold parameters and cannot"):
            Model(held).parameters()
    with pytest.raises(ArgumentError, match=f"^held is a {kind}, which may hold parameters.*Hold a list"):
        Model(make()).parameters()
    assert len(Model(list(map(Value, [0.5, 0.6]))).parameters()) == 5


class Keeper:
    __slots__ = ("_kept", "shown")


def test_names_that_begin_with_an_underscore_are_not_looked_at_in_other_objects_either() -> None:
    keeper = Keeper()
    keeper._kept = Value(1.0)
    model = Model(keeper)
    assert len(model.parameters()) == 3
    keeper.shown = Value(2.0)
    with pytest.raises(ArgumentError, match="held is a Keeper"):
        model.parameters()


def test_objects_of_daily_use_are_no_error() -> None:
    model = Model(None)
    adam = SGD(model.parameters())
    for held in (
        random.Random(0), itertools.count(), np.zeros(3), np.zeros(3, dtype=[("a", "f8")]), adam, Value, math_function,
        range(5), {"size": 3, "name": "x"}, open, unroll, [1.0] * 5, len, np, partial(times, 2.0), b"bytes",
    ):  # fmt: skip
        model.held = held
        assert len(model.parameters()) == 3, held


def math_function(x: float) -> float:
    """A function whose globals hold Values."""
    return x + GLOBAL.data


GLOBAL = Value(3.0)


def test_an_optimizer_gets_no_incomplete_list() -> None:
    with pytest.raises(ArgumentError, match="held is a set"):
        SGD(Model({Value(1.0)}).parameters())
    w = Value(1.0, label="w")
    for given in (weakref.proxy(w), [weakref.proxy(w)]):
        with pytest.raises(ArgumentError, match=r"^w: .* is a ProxyType, not a parameter"):
            SGD(given)


class OfTheClass(Module):
    scale = Value(2.0, label="scale")
    sizes = (1, 2)
    _constant = Value(3.0)


def test_a_value_of_the_class_belongs_to_no_module() -> None:
    with pytest.raises(ArgumentError, match=r"^OfTheClass\.scale is a class attribute with a Value in it, scale"):
        OfTheClass().parameters()
    with pytest.raises(ArgumentError, match=r"OfTheClass\.scale"):
        SimpleModule(inner=[OfTheClass()]).parameters()
    own = OfTheClass()
    own.scale = Value(1.0)
    assert own.parameters() == [own.scale]


class Slotted(Module):
    __slots__ = ("_hidden", "u", "w")

    def __init__(self) -> None:
        self.w = Value(1.0)
        self._hidden = Value(2.0)


def test_slots_are_attributes_too() -> None:
    module = Slotted()
    assert dict(module.named_parameters()) == {"w": module.w}
    assert dict(attributes(module)) == {"w": module.w}
    module.u = Value(3.0)
    assert module.state_dict() == {"w": 1.0, "u": 3.0} or module.state_dict() == {"u": 3.0, "w": 1.0}


def test_a_variable_without_a_value_yet_is_passed_over() -> None:
    def function() -> Value:
        return later

    model = Model(function)
    assert len(model.parameters()) == 3
    later = Value(1.0)
    with pytest.raises(ArgumentError, match="held is a function"):
        model.parameters()


def test_a_class_that_holds_an_array_of_values_is_refused() -> None:
    class Held(Module):
        weights = of_objects(Value(1.0))

    with pytest.raises(ArgumentError, match="weights"):
        Held().parameters()


def test_an_async_generator_is_refused_as_any_generator() -> None:
    async def endless() -> Any:
        yield Value(1.0)

    with pytest.raises(ArgumentError, match="held"):
        Model(endless()).parameters()
