"""A chain of a million nodes is ordinary: no recursion, little memory, and work in proportion to the nodes."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

import tinygrad_rnn
from tinygrad_rnn import ScalarRNNCell, Unrolled, Value, gradcheck, total, unroll
from tinygrad_rnn.engine.backward import topological_order

MILLION = 10**6


def chain(length: int) -> tuple[Value, Value]:
    """w and w^(length + 1), as a chain of products."""
    w = Value(1.0, label="w")
    node = w
    for _ in range(length):
        node = node * w
    return w, node


@pytest.fixture
def low_recursion_limit() -> Iterator[None]:
    """Leave room for some 60 more frames: whatever goes down a graph by recursion cannot get far."""
    depth, frame = 0, sys._getframe()
    while frame.f_back is not None:
        depth, frame = depth + 1, frame.f_back
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(depth + 60)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.slow
@pytest.mark.usefixtures("low_recursion_limit")
def test_a_million_nodes_without_recursion() -> None:
    w, root = chain(MILLION)
    assert len(topological_order(root)) == MILLION + 1
    root.backward()
    assert w.grad == MILLION + 1
    assert len(repr(root)) < 100
    assert root.name == "…·w·w·w"
    assert (copy.copy(root) * 1).data == 1.0

    for copied in (copy.deepcopy, lambda node: pickle.loads(pickle.dumps(node))):
        twin = copied(root)
        order = topological_order(twin)
        assert (len(order), order[-1].label, order[-1].grad) == (MILLION + 1, "w", MILLION + 1)
        twin.backward()
        assert order[-1].grad == 2 * (MILLION + 1)
        del order, twin

    middle = weakref.ref(topological_order(root)[MILLION // 2])
    assert middle() is not None
    del root
    assert middle() is None
    assert w.grad == MILLION + 1


@pytest.mark.slow
@pytest.mark.usefixtures("low_recursion_limit")
@pytest.mark.parametrize("kind", ["unary", "wide", "closure"])
def test_other_chains_without_recursion(kind: str) -> None:
    length = 30_000
    x = Value(0.5)
    node = x
    for _ in range(length):
        if kind == "unary":
            node = node.sin()
        elif kind == "wide":
            node = Value.custom(node.data, (node, x, x), (1.0, 0.0, 0.0))
        else:
            node = identity(node)
    node.backward()
    assert x.grad > 0.0
    if kind == "closure":
        with pytest.raises(tinygrad_rnn.errors.GraphError):
            copy.deepcopy(node)
        with pytest.raises(tinygrad_rnn.errors.GraphError):
            pickle.dumps(node)
    else:
        twin = pickle.loads(pickle.dumps(copy.deepcopy(node)))
        twin.backward()
        assert topological_order(twin)[-1].grad == 2 * x.grad


def identity(x: Value) -> Value:
    out = Value(x.data, (x,), "identity")

    def _backward() -> None:
        x.grad += out.grad

    out._backward = _backward  # type: ignore[method-assign, assignment]
    return out


@pytest.mark.slow
@pytest.mark.usefixtures("low_recursion_limit")
def test_a_long_unrolling_without_recursion() -> None:
    unrolled = unroll(ScalarRNNCell(), [0.1] * 8_000)
    unrolled.h[8_000].backward()
    assert unrolled.step_of(unrolled.h[8_000] * 2) == 8_000
    for twin in (copy.deepcopy(unrolled), pickle.loads(pickle.dumps(unrolled))):
        assert twin.h[1].grad == unrolled.h[1].grad
        assert len(topological_order(twin.h[8_000])) == len(topological_order(unrolled.h[8_000]))
    assert gradcheck(lambda w: unroll(ScalarRNNCell(w), [0.1] * 2_000).h[2_000], 0.5)


@pytest.mark.slow
def test_350_bytes_a_node_at_peak() -> None:
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        w, root = chain(MILLION)
        root.backward()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert w.grad == MILLION + 1
    assert (peak - before) / MILLION <= 350


# ---- work in proportion ----------------------------------------------------------------------------------------


def lines_run(work: Callable[[], Any]) -> int:
    """How many lines of the package Python executes: a measure that no other load on the machine changes."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if frame.f_globals.get("__name__", "").partition(".")[0] != "tinygrad_rnn":
            return None
        count += event == "line"
        return trace

    outer = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(outer)
    return count


def ladder(n: int) -> Value:
    node = Value(1.0)
    for _ in range(n):
        node = (node + node) * 0.5
    return node


def unrolling(n: int) -> Unrolled:
    return unroll(ScalarRNNCell(), [0.1] * n)


def there_and_back(thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing))


# What is there before, and the work that is measured.
WORK: dict[str, tuple[Callable[[int], Any], Callable[[Any], Any]]] = {
    "building": (lambda n: n, chain),
    "unrolling": (lambda n: n, unrolling),
    "backward of a chain": (lambda n: chain(n)[1], Value.backward),
    "backward of a sum": (lambda n: total([Value(1.0) for _ in range(n)]), Value.backward),
    "backward of 2^n paths": (ladder, Value.backward),
    "deepcopy of a chain": (lambda n: chain(n)[1], copy.deepcopy),
    "deepcopy of every state": (lambda n: unrolling(n).h, copy.deepcopy),
    "deepcopy of an unrolling": (unrolling, copy.deepcopy),
    "pickle of a chain": (lambda n: chain(n)[1], there_and_back),
    "pickle of an unrolling": (unrolling, there_and_back),
    "time steps of all nodes": (unrolling, lambda unrolled: unrolled.steps_of([unrolled.h[unrolled.T]])),
}


@pytest.mark.slow
@pytest.mark.parametrize(("prepare", "work"), WORK.values(), ids=WORK.keys())
def test_work_grows_in_proportion_to_the_nodes(prepare: Callable[[int], Any], work: Callable[[Any], Any]) -> None:
    counts = []
    for n in (200, 400, 800):
        thing = prepare(n)
        counts.append(lines_run(lambda thing=thing: work(thing)))  # type: ignore[misc]
    short, medium, long = counts
    assert short > 200
    assert medium - short == pytest.approx((long - medium) / 2, rel=0.01)
